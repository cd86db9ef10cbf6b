"""Lemma 1 of [1]: trials of each step of its proofs, minimization over points, and losses for which a step breaks."""
