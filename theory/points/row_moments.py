"""The logistic loss of many labelled points, for any `k` and temperature, from moments of the rows of the Gram matrix.

Anchor `i` sees the cosines `f_i . f_j` under two laws, that of negatives on all points and that of positives on its own
class; the moments of both (`theory.expectation.cosine_moments`) give its loss, and are all that is kept of the n x n
Gram matrix. They are computed in blocks of rows and columns, at about three times the cost of the product `F F^T` for
d = 128 and beta = 2.

*Distinct pairs* (derived). Where a point is not to be its own positive, `x+` is drawn from `D_c` without `x`. The
cosine of a point with itself is 1, and `T_n(1) = 1`: the moments of that law are `(m_n - D_c(x)) / (1 - D_c(x))`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

from theory.arrays import Array
from theory.errors import InputError
from theory.expectation import cosine_moments, positives

#: Rows and columns of a block: the lists of polynomials of so many entries stay in the cache.
BLOCK = (64, 512)

#: Rows that are integrated at once.
_ROWS = 2048

#: Rounding errors of phi, in units of `2^-53 side`, and of a cosine, in units of `2^-53 sqrt(d)`: above what was seen.
_ROUNDING, _COSINE_ROUNDING = 4.0, 4.0


@dataclass(frozen=True)
class PointsLoss:
    """`L_k(f)`, in double precision.

    Attributes:
        value: where a point may be its own positive; for `k = inf` the limit of `L_k - log k`.
        distinct: where it may not; None if a class has one point only.
        by_class: `value` given the class of the anchor.
        error: an estimate of the error of each: what truncation and rounding change at most, to first order.
    """

    value: float
    distinct: float | None
    by_class: Float[np.ndarray, " C"]
    error: float


@dataclass(frozen=True)
class RowMoments:
    """The moments of `n` points in `C` classes.

    Attributes:
        labels: the class of each point.
        weights: `D_c` at each point, with sum 1 over each class.
        rho: the prior.
        d: dimension of the embeddings.
        negatives, positives: the moments of the two laws that each point sees as an anchor.
    """

    labels: Int[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    rho: Float[np.ndarray, " C"]
    d: int
    negatives: Float[np.ndarray, "n degrees"]
    positives: Float[np.ndarray, "n degrees"]

    @property
    def side(self) -> int:
        """The moments have the degrees below its square."""
        return math.isqrt(self.negatives.shape[1])

    def serves(self, k: int | float, beta: int | float) -> bool:
        """Whether they are enough for this `k` and `beta`."""
        return cosine_moments.side(k, beta) <= self.side

    def loss(self, k: int | float, beta: int | float) -> PointsLoss:
        """The loss for `k` negatives (`math.inf` for the limit) at the temperature `1/beta`.

        Raises:
            InputError: if the moments are too few for that.
        """
        if not self.serves(k, beta):
            raise InputError("temperature", 1 / beta, "the moments are those of a higher one, or of more negatives")
        rule = positives.rule(float(k), beta, positives.nodes(k, beta))
        n, counts = len(self.labels), np.bincount(self.labels, minlength=len(self.rho))
        own = self.weights[:, None]
        values, sensitivities, distinct = np.empty(n), np.empty(n), np.empty(n)
        for start in range(0, n, _ROWS):
            rows = slice(start, start + _ROWS)
            evaluate = partial(cosine_moments.log1p_ratio_of_moments, rule, self.negatives[rows], k=float(k), beta=beta)
            values[rows], sensitivities[rows] = evaluate(self.positives[rows])
            if counts.min() > 1:
                others = (self.positives[rows] - own[rows]) / (1 - own[rows])
                distinct[rows] = evaluate(others).value
        masses = self.rho[self.labels] * self.weights
        law_error = cosine_moments.truncation(self.side, k, beta) + 2.0**-53 * _ROUNDING * self.side
        cosine_error = 2.0**-53 * _COSINE_ROUNDING * math.sqrt(self.d)
        return PointsLoss(
            value=float(masses @ values),
            distinct=float(masses @ distinct) if counts.min() > 1 else None,
            by_class=np.bincount(self.labels, self.weights * values),
            # every margin is off by two cosines, and the loss is Lipschitz in the largest error of a margin
            error=float(masses @ sensitivities) * law_error + 2 * beta * cosine_error + 2.0**-50,
        )


def row_moments(
    embeddings: Shaped[Array, "n d"],
    labels: Int[np.ndarray, " n"],
    side: int,
    *,
    weights: Shaped[np.ndarray, " n"] | None = None,
    rho: Shaped[np.ndarray, " C"] | None = None,
    xp: Any = np,
    each: Callable[[Callable[[slice], Any], Iterable[slice]], Iterator[Any]] = map,
    progress: Callable[[int], None] | None = None,
) -> RowMoments:
    """The moments of the rows of `F F^T`, unit rows of `F`, for degrees below `side^2` (`cosine_moments.side`).

    Args:
        embeddings: in double precision, or a wider type of NumPy in which the moments are then computed.
        labels: integers from 0 to C-1; every class occurs.
        side: see `RowMoments`.
        weights: the law of points within each class, with sum 1; uniform by default.
        rho: the prior; by default, that of the points.
        xp: the array module, `numpy` or `jax.numpy`.
        each: maps a function over blocks of rows, in order: a pool's `map` where there are several threads.
        progress: called with the number of rows that are done.
    """
    order = np.argsort(labels, kind="stable")
    labels = labels[order]
    counts = np.bincount(labels)
    n, d = embeddings.shape
    F = xp.asarray(embeddings)[order]
    kind = np.dtype(F.dtype)
    law = np.ones(n, kind) / counts[labels] if weights is None else np.asarray(weights, kind)[order]
    prior = counts.astype(kind) / n if rho is None else np.asarray(rho).astype(kind)
    masses = prior[labels] * law
    starts = np.concatenate([[0], np.cumsum(counts)])
    tile = _compiled(xp, side)

    def block(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Moments of a block of rows under both laws."""
        anchors, classes = F[rows], labels[rows]
        first, last = starts[classes[0]], starts[classes[-1] + 1]
        every, own = np.zeros(side**2, kind), np.zeros(side**2, kind)
        for start in range(0, n, BLOCK[1]):
            columns = slice(start, min(start + BLOCK[1], n))
            every = every + np.asarray(tile(anchors, F[columns], masses[columns]))
        for start in range(first, last, BLOCK[1]):
            columns = slice(start, min(start + BLOCK[1], last))
            same = np.where(classes[:, None] == labels[columns], law[columns], 0.0)
            own = own + np.asarray(tile(anchors, F[columns], same))
        return every, own

    blocks = [slice(start, min(start + BLOCK[0], n)) for start in range(0, n, BLOCK[0])]
    negatives, positives = np.empty((n, side**2)), np.empty((n, side**2))
    for rows, (every, own) in zip(blocks, each(block, blocks), strict=True):
        negatives[rows], positives[rows] = every, own
        if progress is not None:
            progress(rows.stop)
    return RowMoments(labels, law.astype(float), prior.astype(float), d, negatives, positives)


def _compiled(xp: Any, side: int) -> Callable[[Any, Any, Any], Any]:
    def tile(rows: Array, columns: Array, weights: Array) -> Array:
        return cosine_moments.moments(xp.clip(rows @ columns.T, -1.0, 1.0), weights, side, xp)

    if xp is np:
        return tile
    from theory.float64 import jax

    compiled: Callable[[Any, Any, Any], Any] = jax.jit(tile)
    return compiled


def lifted_loss(
    gram: Float[np.ndarray, "C C"], rho: Float[np.ndarray, " C"], k: int | float, beta: int | float
) -> float:
    """`L_k` at class level by the same integral, one point a class: for `f~` of `theory.points.lifting`."""
    at = positives.rule(float(k), beta, positives.nodes(k, beta))
    side = cosine_moments.side(k, beta)
    of_negatives = cosine_moments.moments(gram, rho, side)
    collision = np.ones((len(rho), side**2))
    return float(rho @ cosine_moments.log1p_ratio_of_moments(at, of_negatives, collision, float(k), beta).value)
