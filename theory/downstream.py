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

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array, Scalar, array_module, promoting
from theory.compiled import runner
from theory.errors import InputError
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
    scores: Float[Array, "*b n C"],
    labels: Int[Array, " n"],
    weights: Float[Array, "*w n"],
    beta: Scalar = 1.0,
) -> Float[Array, "*b"]:
    """`sum_i weight_i l(beta (S_iy - S_ic))`, over the classes `c` other than the row's own, `y`."""
    xp = array_module(scores, weights, beta)
    return xp.sum(weights * loss(_margins(scores, labels, beta)), axis=-1)


def _margins(scores: Float[Array, "*b n C"], labels: Int[Array, " n"], beta: Scalar) -> Float[Array, "*b n C1"]:
    """`beta (S_iy - S_ic)`, `c` the other classes in order."""
    xp = array_module(scores, labels, beta)
    own = xp.asarray(labels)[:, None]
    others = xp.arange(scores.shape[-1] - 1)[None, :]
    others = others + (others >= own)
    shape = scores.shape[:-1]
    taken = xp.take_along_axis(scores, xp.broadcast_to(others, (*shape, others.shape[-1])), axis=-1)
    return beta * (xp.take_along_axis(scores, xp.broadcast_to(own, (*shape, 1)), axis=-1) - taken)


class ScoresExpansion:
    """`loss_of_scores` as a function of the scores, to second order.

    Attributes:
        value: the loss.
        slopes: its gradient in the scores.
    """

    def __init__(
        self,
        loss: Loss,
        scores: Float[Array, "*b n C"],
        labels: Int[Array, " n"],
        weights: Float[Array, "*w n"],
        beta: Scalar = 1.0,
    ) -> None:
        xp = array_module(scores, weights, beta)
        self._labels, self._weights, self._beta = labels, weights, beta
        self._rows = loss.expansion(_margins(scores, labels, beta))
        self.value: Float[Array, "*b"] = xp.sum(weights * self._rows.value, axis=-1)
        self.slopes: Float[Array, "*b n C"] = self._back(self._rows.slopes)

    def along(self, change: Float[Array, "*b n C"]) -> Float[Array, "*b n C"]:
        """The derivative of `slopes` as the scores change."""
        return self._back(self._rows.along(_margins(change, self._labels, self._beta)))

    def _back(self, slopes: Float[Array, "*b n C1"]) -> Float[Array, "*b n C"]:
        """From slopes in the margins to slopes in the scores."""
        xp = array_module(slopes, self._weights, self._beta)
        scaled = (self._beta * self._weights)[..., None] * slopes
        own, classes = xp.asarray(self._labels)[:, None], xp.arange(slopes.shape[-1] + 1)[None, :]
        place = xp.clip(classes - (classes > own), 0, slopes.shape[-1] - 1)
        spread = xp.take_along_axis(scaled, xp.broadcast_to(place, (*slopes.shape[:-1], place.shape[-1])), axis=-1)
        return xp.where(classes == own, xp.sum(scaled, axis=-1, keepdims=True), -spread)


def mean_classifier_loss(
    loss: Loss, gram: Float[Array, "*b C C"], weights: Float[Array, "*w C"], beta: Scalar = 1.0
) -> Float[Array, "*b"]:
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
    value, g = _evaluated(loss, scores, labels, weights, beta)
    return value - float(np.sum(np.linalg.norm(U.T @ g, axis=0)) + np.sum(g * scores))


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
    return _evaluated(loss, scores, labels, weights, beta)[1]


def _evaluated(
    loss: Loss, scores: np.ndarray, labels: np.ndarray, weights: np.ndarray, beta: float
) -> tuple[float, Float[np.ndarray, "n C"]]:
    run = runner(_value_and_slope, scores.size, 1, traced=loss.traced)
    value, slopes = run(scores, labels, weights, float(beta), loss=loss)
    return float(value), slopes


def _value_and_slope(
    scores: Float[Array, "n C"],
    labels: Int[Array, " n"],
    weights: Float[Array, " n"],
    beta: Scalar,
    *,
    loss: Loss,
) -> tuple[Float[Array, ""], Float[Array, "n C"]]:
    at = ScoresExpansion(loss, scores, labels, weights, beta)
    return at.value, at.slopes
