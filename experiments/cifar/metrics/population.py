r"""The population loss of trained embeddings, exactly: the training images are the points, and negatives any of them.

With `X_ij = exp(beta (f_i . f_j - 1))`, `n` images of equal mass and the law `W_i` of the positive of image `i`,

    L_k(f) = (1/n) sum_i { int_0^inf (e^-t - psi_i phi_i^k) dt/t - sum_p W_ip log X_ip },
    phi_i(t) = (1/n) sum_j e^(-t X_ij),   psi_i(t) = sum_p W_ip e^(-t X_ip)

(`theory.augmentation.expectation`, which has the derivation, the error of the trapezoid rule, and derivatives). Here
only the value is needed, of thousands of points, on the device. The sum over the nodes left of the first is taken in
closed form to first order in `k t`, as in `theory.expectation.integrals`.

For positives of the same class, `x` and `x+` iid given the class, what a network is above the certified minimum `L*`
has two parts, both >= 0 (`theory.points.lifting`): with `mu_c` the class means and `f~` the lifted embeddings, whose
Gram matrix is `mu_c . mu_j` off the diagonal, `L(f) - L* = [L(f) - L(f~)] + [L(f~) - L*]`: spread within classes, and
the arrangement of the class means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Int

from theory.class_means import class_means
from theory.float64 import jax, jnp
from theory.geometry import normalized
from theory.losses import get_loss
from theory.population import population_loss

#: Of more training images so many are drawn: the loss is then that of a training set of these.
MAX_POINTS = 2500

_BLOCK = 250
_STEP = 0.245
_LEFT, _DIGITS = 20.72, 38.0


@dataclass(frozen=True)
class TrainedLoss:
    """The population loss of the training images as points.

    Attributes:
        points: how many images it is of.
        value: `L_k(f)`.
        optimum: the least possible, as `(lower, upper)`.
        excess: `value` above the middle of these: how far training is from the optimum, in loss.
        spread, geometry: its two parts for positives of the same class, else None.
    """

    points: int
    value: float
    optimum: tuple[float, float]
    excess: float
    spread: float | None
    geometry: float | None


def trained_loss(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    C: int,
    *,
    k: int,
    beta: float,
    optimum: tuple[float, float],
    overlap: float | None = None,
    seed: int = 0,
) -> TrainedLoss:
    """The `TrainedLoss` of unit embeddings, whose positives are of the same class, or mixed with this overlap."""
    n = len(labels)
    if n > MAX_POINTS:
        drawn = np.random.default_rng(seed).choice(n, MAX_POINTS, replace=False)
        features, labels, n = features[drawn], labels[drawn], MAX_POINTS
    U = normalized(features.astype(np.float64))
    same = labels[:, None] == labels
    W = same / np.sum(same, axis=1, keepdims=True)
    if overlap is not None:
        W = (1 - overlap) * np.eye(n) + overlap * W
    value = float(np.mean(point_losses(U, W, k=k, beta=beta)))
    excess = value - 0.5 * (optimum[0] + optimum[1])
    spread = geometry = None
    if overlap is None:
        means = class_means(U, labels, C)
        rho = np.bincount(labels, minlength=C) / n
        lifted = float(population_loss(get_loss("logistic"), jnp.asarray(means @ means.T), jnp.asarray(rho), k, beta))
        spread, geometry = value - lifted, excess - (value - lifted)
    return TrainedLoss(n, value, optimum, excess, spread, geometry)


def point_losses(
    U: Float[np.ndarray, "n d"], W: Float[np.ndarray, "n n"], *, k: int, beta: float
) -> Float[np.ndarray, " n"]:
    """The expected loss of each point as the anchor; row `i` of `W` is the law of its positive."""
    n = len(U)
    c = min(1.0, (k + 1) * math.exp(-2 * beta))
    left, right = -_LEFT - math.log(k + 1), math.log((_DIGITS + math.log(k + 2)) / c)
    t = jnp.exp(left + _STEP * jnp.arange(math.ceil((right - left) / _STEP) + 1))
    points = jnp.asarray(U, jnp.float64)
    found = []
    for start in range(0, n, _BLOCK):
        # blocks of one shape, so that one program serves all of them
        rows = np.minimum(np.arange(start, start + _BLOCK), n - 1)
        found.append(np.asarray(_losses(points[rows], points, jnp.asarray(W[rows]), t, float(k), beta)))
    return np.concatenate(found)[:n]


@jax.jit
def _losses(
    anchors: Float[Array, "b d"],
    points: Float[Array, "n d"],
    W: Float[Array, "b n"],
    t: Float[Array, " t"],
    k: Float[Array, ""] | float,
    beta: Float[Array, ""] | float,
) -> Float[Array, " b"]:
    # accelerators would otherwise round the factors to fewer bits
    z = jnp.minimum(beta * (jnp.matmul(anchors, points.T, precision="highest") - 1), 0.0)
    X = jnp.exp(z)

    def node(t: Float[Array, ""]) -> Float[Array, " b"]:
        below = -jnp.expm1(-t * X)
        log_phi = jnp.log1p(-jnp.minimum(jnp.mean(below, axis=1), 1 - 2.0**-53))
        log_psi = jnp.log1p(-jnp.minimum(jnp.sum(W * below, axis=1), 1 - 2.0**-53))
        # both exponentials are near 1 for small t
        return jnp.expm1(-t) - jnp.expm1(log_psi + k * log_phi)

    values = jax.lax.map(node, t)
    first_order = jnp.sum(W * X, axis=1) + k * jnp.mean(X, axis=1) - 1
    tail = t[0] / jnp.expm1(_STEP)
    return _STEP * (jnp.sum(values, axis=0) + first_order * tail) - jnp.sum(W * z, axis=1)
