"""The downstream loss: how well a linear classifier with unit-norm weights does on top of a representation.

A representation is given by embeddings `U` (n x d, unit rows) with a class and a test weight for each row: one row a
class (n = C, the classes in order) where `f` is constant on classes, or one row a point of a finite support. A
classifier `W` (C x d) scores row `i` by `S_ic = <u_i, w_c>`, and

    L(W) = sum_i weight_i l( (beta (S_iy - S_ic))_{c != y} ),   y the class of row i
    L_sup = inf { L(W) : |w_c| = 1 for all c }                  [1]

The talk that presents [1] does not define the test distribution. Here "weighted" draws the class from the prior, and
"balanced" draws it uniformly. The mean classifier is `w_c = E[f | c]`, not normalized.

Lower bound (derived). For a convex loss and *any* real scores `S0` (n x C), with `g = dL/dS (S0)` and `G = U U^T`,

    L_sup >= L(S0) - sum_c ( sqrt(g_c^T G g_c) + <g_c, s0_c> )      (g_c, s0_c the columns)

because `L(S) >= L(S0) + <g, S - S0>`, and `<g_c, U w_c> >= -|U^T g_c| |w_c|`. It speaks of all `|w_c| <= 1`. If
`d >= rank(U) + 1` the unit ball and the unit sphere have the same infimum: the missing length can be put where no
embedding sees it. The bound depends on `U` through `G` only.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import partial

import numpy as np
from jaxtyping import Array, Float, Int

from theory.errors import InputError
from theory.float64 import jax, jnp, promoting
from theory.losses import Loss
from theory.priors import Prior

WEIGHTINGS = ("weighted", "balanced")


def exact_class_weights(prior: Prior, weighting: str) -> tuple[Fraction, ...]:
    """The test distribution over classes: the prior ("weighted") or uniform ("balanced").

    Raises:
        InputError: if `weighting` is neither.
    """
    if checked_weighting(weighting) == "weighted":
        return prior.rho
    return (Fraction(1, prior.C),) * prior.C


def checked_weighting(weighting: str) -> str:
    """`weighting` itself.

    Raises:
        InputError: if it is neither "weighted" nor "balanced".
    """
    if weighting not in WEIGHTINGS:
        raise InputError("weighting", weighting, f"accepted: {' or '.join(WEIGHTINGS)}")
    return weighting


def class_weights(prior: Prior, weighting: str) -> Float[np.ndarray, " C"]:
    """`exact_class_weights` in double precision."""
    return np.array([float(w) for w in exact_class_weights(prior, weighting)])


@promoting
def loss_of_scores(
    loss: Loss,
    scores: Float[Array, "n C"],
    labels: Int[Array | np.ndarray, " n"],
    weights: Float[Array, " n"],
    beta: Float[Array, ""] | float = 1.0,
) -> Float[Array, ""]:
    """`sum_i weight_i l(beta (S_iy - S_ic))`, over the classes `c` other than the row's own, `y`."""
    C = scores.shape[-1]
    labels = jnp.asarray(labels)[:, None]
    others = jnp.arange(C - 1)[None, :]
    others = others + (others >= labels)
    own = jnp.take_along_axis(scores, labels, axis=-1)
    margins = beta * (own - jnp.take_along_axis(scores, others, axis=-1))
    return weights @ loss(margins)


def mean_classifier_loss(
    loss: Loss, gram: Float[Array, "C C"], weights: Float[Array, " C"], beta: Float[Array, ""] | float = 1.0
) -> Float[Array, ""]:
    """`R_mu` of a representation that is constant on classes: `w_c = u_c`, so that the scores are the Gram matrix."""
    return loss_of_scores(loss, gram, np.arange(gram.shape[-1]), weights, beta)


def mean_classifier(
    U: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"], C: int
) -> Float[np.ndarray, "C d"]:
    """`w_c = E[f | c]`, not normalized; row weights within a class give its conditional distribution."""
    mass = np.zeros((C, len(labels)))
    mass[labels, np.arange(len(labels))] = weights
    means: Float[np.ndarray, "C d"] = (mass / mass.sum(axis=1, keepdims=True)) @ U
    return means


def accuracy(
    scores: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"]
) -> float:
    """The weight of the rows whose own class has the strictly largest score; a tie (to 1e-9) counts as an error."""
    own = scores[np.arange(len(labels)), labels]
    rivals = scores.copy()
    rivals[np.arange(len(labels)), labels] = -np.inf
    return math.fsum(weights[own > rivals.max(axis=1) + 1e-9])


def lower_bound(
    loss: Loss,
    U: Float[np.ndarray, "n d"],
    scores: Float[np.ndarray, "n C"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    *,
    beta: int | float = 1.0,
) -> float:
    """The module's lower bound on `L_sup` at these scores, in double precision."""
    value, _ = _value_and_slope(scores, labels, weights, beta, loss=loss)
    g = loss_slope(loss, scores, labels, weights, beta=beta)
    return float(value) - float(np.sum(np.linalg.norm(U.T @ g, axis=0)) + np.sum(g * scores))


@promoting
def loss_slope(
    loss: Loss,
    scores: Float[np.ndarray, "n C"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    *,
    beta: int | float = 1.0,
) -> Float[np.ndarray, "n C"]:
    """`dL/dS` of `loss_of_scores`, in double precision."""
    return np.asarray(_value_and_slope(scores, labels, weights, beta, loss=loss)[1])


@partial(jax.jit, static_argnames=("loss",))
def _value_and_slope(
    scores: Float[Array, "n C"],
    labels: Int[Array, " n"],
    weights: Float[Array, " n"],
    beta: Float[Array, ""] | float,
    *,
    loss: Loss,
) -> tuple[Float[Array, ""], Float[Array, "n C"]]:
    return jax.value_and_grad(lambda s: loss_of_scores(loss, s, labels, weights, beta))(scores)
