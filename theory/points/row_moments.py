"""The logistic loss of many labelled points, for any `k` and temperature, from moments of the rows of the Gram matrix.

Anchor `i` sees the cosines `f_i . f_j` under two laws, that of negatives on all points and that of positives on its own
class; the moments of both (`theory.expectation.cosine_moments`) give its loss, and are all that is kept of the n x n
Gram matrix. They are computed in blocks of rows and columns, at about three times the cost of the product `F F^T` for
d = 128 and beta = 2.

*Distinct pairs* (derived). Where a point is not to be its own positive, `x+` is drawn from `D_c` without `x`. The
cosine of a point with itself is 1, and `T_n(1) = 1`: the moments of that law are `(m_n - D_c(x)) / (1 - D_c(x))`.

*Too many points* for all rows: some anchors of each class, drawn without replacement, and their rows exactly. With
`m_c` of `n_c` anchors the weighted mean has the variance `sum_c rho_c^2 s_c^2 / m_c (1 - m_c/n_c)`, `s_c^2` that of the
losses of the anchors of a class (Cochran, Sampling Techniques, 5.3).
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
        standard_error: of `value`, where anchors were drawn; 0 where all were taken.
    """

    value: float
    distinct: float | None
    by_class: Float[np.ndarray, " C"]
    error: float
    standard_error: float


@dataclass(frozen=True)
class RowMoments:
    """The moments of `n` anchors in `C` classes.

    Attributes:
        labels: the class of each anchor.
        weights: `D_c` at each of them, with sum 1 over all points of a class.
        counts: the number of points of each class, of which the anchors are all or some.
        rho: the prior.
        d: dimension of the embeddings.
        negatives, positives: the moments of the two laws that each anchor sees.
    """

    labels: Int[np.ndarray, " n"]
    weights: Float[np.ndarray, " n"]
    counts: Int[np.ndarray, " C"]
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
        n, distinct_pairs = len(self.labels), bool(self.counts.min() > 1)
        own = self.weights[:, None]
        values, sensitivities, distinct = np.empty(n), np.empty(n), np.empty(n)
        for start in range(0, n, _ROWS):
            rows = slice(start, start + _ROWS)
            evaluate = partial(cosine_moments.log1p_ratio_of_moments, rule, self.negatives[rows], k=float(k), beta=beta)
            values[rows], sensitivities[rows] = evaluate(self.positives[rows])
            if distinct_pairs:
                others = (self.positives[rows] - own[rows]) / (1 - own[rows])
                distinct[rows] = evaluate(others).value
        # within each class the anchors stand for all of its points
        shares = self.weights / np.bincount(self.labels, self.weights)[self.labels]
        masses = self.rho[self.labels] * shares
        by_class = np.bincount(self.labels, shares * values)
        law_error = cosine_moments.truncation(self.side, k, beta) + 2.0**-53 * _ROUNDING * self.side
        cosine_error = 2.0**-53 * _COSINE_ROUNDING * math.sqrt(self.d)
        return PointsLoss(
            value=float(masses @ values),
            distinct=float(masses @ distinct) if distinct_pairs else None,
            by_class=by_class,
            # every margin is off by two cosines, and the loss is Lipschitz in the largest error of a margin
            error=float(masses @ sensitivities) * law_error + 2 * beta * cosine_error + 2.0**-50,
            standard_error=self._standard_error(values - by_class[self.labels]),
        )

    def _standard_error(self, deviations: Float[np.ndarray, " n"]) -> float:
        """Of the mean over anchors that were drawn (module docstring); for points of equal weights in their class."""
        drawn = np.bincount(self.labels)
        squares = np.bincount(self.labels, deviations**2) / np.maximum(drawn - 1, 1)
        return math.sqrt(float(np.sum(self.rho**2 * squares / drawn * (1 - drawn / self.counts))))


def drawn_anchors(labels: Int[np.ndarray, " n"], anchors: int, seed: int) -> Int[np.ndarray, " m"]:
    """About so many points, at least two of each class that has two, in proportion to the classes; ascending."""
    rng, counts = np.random.default_rng(seed), np.bincount(labels)
    wanted = np.minimum(counts, np.maximum(2, np.round(anchors * counts / len(labels)).astype(int)))
    chosen = [rng.choice(np.flatnonzero(labels == c), m, replace=False) for c, m in enumerate(wanted.tolist())]
    return np.sort(np.concatenate(chosen))


def row_moments(
    embeddings: Shaped[Array, "n d"],
    labels: Int[np.ndarray, " n"],
    side: int,
    *,
    weights: Shaped[np.ndarray, " n"] | None = None,
    rho: Shaped[np.ndarray, " C"] | None = None,
    anchors: Int[np.ndarray, " m"] | None = None,
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
        anchors: the points whose rows are wanted, some of each class; all by default.
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
    # places in the order of the classes
    wanted = np.arange(n) if anchors is None else np.flatnonzero(np.isin(order, anchors))
    m = len(wanted)
    tile = _compiled(xp, side)

    def block(rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Moments of a block of rows under both laws."""
        block_rows, classes = F[wanted[rows]], labels[wanted[rows]]
        first, last = starts[classes[0]], starts[classes[-1] + 1]
        every, own = (np.zeros((len(classes), side, side), kind) for _ in range(2))
        room = np.empty((3 * side + 1, len(classes), BLOCK[1]), kind) if xp is np else None
        for start in range(0, n, BLOCK[1]):
            columns = slice(start, min(start + BLOCK[1], n))
            laws = [masses[columns]]
            if columns.start < last and first < columns.stop:
                laws.append(np.where(classes[:, None] == labels[columns], law[columns], 0.0))
            parts = tile(block_rows, F[columns], laws, room)
            every += np.asarray(parts[0])
            if len(parts) > 1:
                own += np.asarray(parts[1])
        return np.asarray(cosine_moments.unfolded(every)), np.asarray(cosine_moments.unfolded(own))

    blocks = [slice(start, min(start + BLOCK[0], m)) for start in range(0, m, BLOCK[0])]
    negatives, positives = np.empty((m, side**2)), np.empty((m, side**2))
    for rows, (every, own) in zip(blocks, each(block, blocks), strict=True):
        negatives[rows], positives[rows] = every, own
        if progress is not None:
            progress(rows.stop)
    return RowMoments(labels[wanted], law[wanted].astype(float), counts, prior.astype(float), d, negatives, positives)


def _compiled(xp: Any, side: int) -> Callable[[Any, Any, Any, Any], Any]:
    """What a block of rows and columns adds to the moments of each law; for NumPy with room to work in, for JAX
    compiled."""
    if xp is np:

        def tile(rows: Array, columns: Array, laws: list[Array], room: np.ndarray) -> list[Array]:
            room = room[:, :, : len(columns)]
            cosines = np.clip(np.matmul(rows, columns.T, out=room[1]), -1.0, 1.0, out=room[1])
            return cosine_moments.products(cosines, laws, side, np, room)

        return tile
    from theory.float64 import jax

    @jax.jit
    def compiled(rows: Array, columns: Array, laws: list[Array]) -> list[Array]:
        return cosine_moments.products(xp.clip(rows @ columns.T, -1.0, 1.0), laws, side, xp)

    return lambda rows, columns, laws, _: compiled(rows, columns, laws)


def lifted_loss(
    gram: Float[np.ndarray, "C C"], rho: Float[np.ndarray, " C"], k: int | float, beta: int | float
) -> float:
    """`L_k` at class level by the same integral, one point a class: for `f~` of `theory.points.lifting`."""
    at = positives.rule(float(k), beta, positives.nodes(k, beta))
    side = cosine_moments.side(k, beta)
    of_negatives = cosine_moments.moments(gram, rho, side)
    collision = np.ones((len(rho), side**2))
    return float(rho @ cosine_moments.log1p_ratio_of_moments(at, of_negatives, collision, float(k), beta).value)
