"""Representations on points: class distributions with finite support, and an embedding for every point.

Where `theory.population` has one embedding a class, here every class has any number of weighted points, so that the
statements about *all* representations ([1, Lemma 1], the balanced theorem) can be checked step by step.

- `representation`  the object, validated
- `families`        random and adversarial representations
- `loss`            the exact population loss
- `row_moments`     that of many points, in blocks
- `averaging`       the proof step of [1, Lemma 1], and the loop over classes
- `lifting`         the lemma without that step, and the balanced theorem over all representations
"""
