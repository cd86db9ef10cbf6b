"""The population loss of trained embeddings, exactly: the training images are the points, and negatives any of them.

For positives of the same class, `x` and `x+` iid given the class, what a network is above the certified minimum `L*`
has two parts, both >= 0 (`theory.points.lifting`): with `mu_c` the class means and `f~` the lifted embeddings, whose
Gram matrix is `mu_c . mu_j` off the diagonal, `L(f) - L* = [L(f) - L(f~)] + [L(f~) - L*]`: spread within classes, and
the arrangement of the class means.

*Mixed positives* (derived). The anchor's own image, with probability `1 - a`, has cosine 1, and `T_n(1) = 1`: the
moments of the law of positives are `1 - a + a m_n`, `m_n` those of its class (`theory.points.row_moments`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from theory.class_means import class_means
from theory.expectation import cosine_moments
from theory.float64 import jax, jnp
from theory.geometry import normalized
from theory.points.row_moments import lifted_loss, row_moments


@dataclass(frozen=True)
class TrainedLoss:
    """The population loss of the training images as points.

    Attributes:
        value: `L_k(f)`.
        optimum: the least possible, as `(lower, upper)`.
        excess: `value` above the middle of these: how far training is from the optimum, in loss.
        spread, geometry: its two parts for positives of the same class, else None.
        error: an estimate of the error of `value` (`theory.points.row_moments`).
    """

    value: float
    optimum: tuple[float, float]
    excess: float
    spread: float | None
    geometry: float | None
    error: float


def trained_loss(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    C: int,
    *,
    k: int,
    beta: float,
    optimum: tuple[float, float],
    overlap: float | None = None,
) -> TrainedLoss:
    """The `TrainedLoss` of embeddings, scaled to unit length, whose positives are of the same class, or mixed."""
    U = normalized(features.astype(np.float64))
    on_device = jax.default_backend() != "cpu"
    moments = row_moments(U, labels, cosine_moments.side(k, beta), xp=jnp if on_device else np)
    if overlap is not None:
        moments = replace(moments, positives=1 - overlap + overlap * moments.positives)
    loss = moments.loss(k, beta)
    excess = loss.value - 0.5 * (optimum[0] + optimum[1])
    spread = geometry = None
    if overlap is None:
        means = class_means(U, labels, C)
        products = means @ means.T
        np.fill_diagonal(products, 1.0)
        spread = loss.value - lifted_loss(products, np.bincount(labels, minlength=C) / len(labels), k, beta)
        geometry = excess - spread
    return TrainedLoss(loss.value, optimum, excess, spread, geometry, loss.error)
