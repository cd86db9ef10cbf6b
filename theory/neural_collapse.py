"""The four measures of neural collapse, NC1 to NC4.

Source: V. Papyan, X. Y. Han, D. L. Donoho, "Prevalence of neural collapse during the terminal phase of deep learning
training", PNAS 2020. There classes are balanced. Here every average over images is an average over classes of the
average within the class, which is the same where they are, and lets no class count for more where they are not:

    mu_c = Ave_i h_ic,  mu_G = Ave_c mu_c,  Sigma_B = Ave_c (mu_c - mu_G)(mu_c - mu_G)^T,
    Sigma_W = Ave_c Ave_i (h_ic - mu_c)(h_ic - mu_c)^T

The last-layer classifier of the paper is here any linear classifier, with rows `w_c` of `W`. Equinorm and
equiangularity of the classifier are of its rows as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from theory.class_means import class_means

#: Vectors that are shorter than this, relative to what they are differences of, are rounding.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Equality:
    """NC2 of `C` vectors `v_c` with cosines `cos_cj`: all vanish iff they form a simplex ETF.

    None where a vector is zero, which has no direction; all vectors zero are no simplex ETF.

    Attributes:
        norms: `Std_c |v_c| / Avg_c |v_c|`; None only if all are zero.
        angles: `Std_{c != j} cos_cj`.
        maximal_angle: `Avg_{c != j} |cos_cj + 1/(C-1)|`.
    """

    norms: float | None
    angles: float | None
    maximal_angle: float | None


@dataclass(frozen=True)
class NeuralCollapse:
    """The measures on one set of features; all vanish where they have collapsed to a simplex ETF.

    None where a measure is undefined: where the class means coincide nothing is between them, and the measures would
    read as a perfect collapse.

    Attributes:
        nc1: within-class variability, `tr(Sigma_W Sigma_B^+) / C`.
        nc2_means: equinorm and equiangularity of the centred class means `mu_c - mu_G`.
        nc2_classifier: the same of the classifier's rows.
        nc3: self-duality `|W^T / |W|_F - M / |M|_F|_F^2`, `M` the centred class means as columns.
        nc4: the share of images that the classifier puts elsewhere than `argmin_c |h - mu_c|` does, `mu_c` the class
            means of the training set.
        reason: why measures are None, else None.
    """

    nc1: float | None
    nc2_means: Equality
    nc2_classifier: Equality
    nc3: float | None
    nc4: float | None
    reason: str | None = None


def neural_collapse(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "C d"],
    bias: Float[np.ndarray, " C"],
    train_means: Float[np.ndarray, "C d"],
) -> NeuralCollapse:
    """NC1 to NC4 of features under the classifier `argmax_c w_c . h + b_c`.

    Args:
        train_means: class means of the training set, for NC4; NC1 to NC3 use the means of `features`.
    """
    C = len(weights)
    means = class_means(features, labels, C)
    scale = float(np.linalg.norm(features, axis=1).max())  # what the means have been rounded at
    centred, means_differ = _centred(means, scale)
    _, train_means_differ = _centred(train_means, scale)
    reasons = [
        text
        for text, holds in (
            ("the class means coincide", not means_differ),
            ("the class means of the training set coincide", not train_means_differ and means_differ),
            ("the classifier is zero", not weights.any()),
        )
        if holds
    ]
    return NeuralCollapse(
        nc1=_within_over_between(features, labels, means, centred) if means_differ else None,
        nc2_means=equality(centred),
        nc2_classifier=equality(weights),
        nc3=float(np.sum((_unit(weights) - _unit(centred)) ** 2)) if means_differ and weights.any() else None,
        nc4=_disagreement(features, weights, bias, train_means) if train_means_differ else None,
        reason="; ".join(reasons) or None,
    )


def equality(vectors: Float[np.ndarray, "C d"]) -> Equality:
    """NC2 of these vectors."""
    C = len(vectors)
    norms = np.linalg.norm(vectors, axis=1)
    average = norms.mean()
    spread = float(norms.std() / average) if average > 0 else None
    if norms.min() == 0:
        return Equality(spread, None, None)
    units = vectors / norms[:, None]
    cosines = (units @ units.T)[~np.eye(C, dtype=bool)]
    return Equality(spread, float(cosines.std()), float(np.mean(np.abs(cosines + 1 / (C - 1)))))


def _centred(means: Float[np.ndarray, "C d"], scale: float) -> tuple[Float[np.ndarray, "C d"], bool]:
    """`mu_c - mu_G`, exactly zero where that is rounding of means of vectors of this length, and whether any is not."""
    centred = means - means.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=1)
    centred[lengths <= _ROUNDING * max(scale, float(np.linalg.norm(means, axis=1).max()))] = 0.0
    return centred, bool(centred.any())


def _within_over_between(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    means: Float[np.ndarray, "C d"],
    centred: Float[np.ndarray, "C d"],
) -> float:
    """`tr(Sigma_W Sigma_B^+) / C`, without a d x d matrix.

    With the singular values `centred = P diag(s) Q`, `Sigma_B^+ = C Q^T diag(s^-2) Q`. What is below rounding counts as
    zero, as in `numpy.linalg.matrix_rank`: the rank is at most `C - 1`.
    """
    C = len(means)
    _, s, Q = np.linalg.svd(centred, full_matrices=False)
    kept = s > s[0] * max(centred.shape) * np.finfo(np.float64).eps
    whitening = (Q[kept] / s[kept, None]).T
    total = 0.0
    for c in range(C):
        total += float(np.sum(np.mean(((features[labels == c] - means[c]) @ whitening) ** 2, axis=0)))
    # Ave_c gives 1/C, the factor C of the pseudo-inverse takes it back
    return total / C


def _unit(matrix: Float[np.ndarray, "C d"]) -> Float[np.ndarray, "C d"]:
    return matrix / np.linalg.norm(matrix)


def _disagreement(
    features: Float[np.ndarray, "n d"],
    weights: Float[np.ndarray, "C d"],
    bias: Float[np.ndarray, " C"],
    means: Float[np.ndarray, "C d"],
) -> float:
    # |h - mu|^2 = |h|^2 - 2 (h . mu - |mu|^2 / 2): the nearest centre is a linear classifier as well
    decided = np.argmax(features @ weights.T + bias, axis=1)
    nearest = np.argmax(features @ means.T - np.sum(means**2, axis=1) / 2, axis=1)
    return float(np.mean(decided != nearest))
