"""Class means of features, and the cosines between them: the trained counterpart of a Gram matrix of the theory."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from theory.downstream import mean_classifier
from theory.errors import InputError
from theory.geometry import gram, normalized


def class_means(features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], C: int) -> Float[np.ndarray, "C d"]:
    """`mu_c = mean of the features of class c`, in double precision: also the mean classifier of [1].

    Raises:
        InputError: if a class does not occur, a label is out of range, or a feature is not finite.
    """
    counts = np.bincount(labels, minlength=C)
    if len(counts) > C or counts.min() == 0:
        raise InputError("labels", f"{len(labels)} labels", f"every class from 0 to {C - 1} must occur, and no other")
    if not np.all(np.isfinite(features)):
        raise InputError("features", features.shape, "every feature must be finite")
    return mean_classifier(features.astype(np.float64), labels, np.full(len(labels), 1 / len(labels)), C)


def cosine_matrix(means: Float[np.ndarray, "C d"]) -> Float[np.ndarray, "C C"]:
    """`G_cj = mu_c . mu_j / (|mu_c| |mu_j|)`: what the theory's `G` becomes where classes are collapsed.

    The means are not centred: the theory's embeddings are not either.

    Raises:
        InputError: if a mean is zero.
    """
    return gram(normalized(means))
