r"""How far the loss of trained embeddings is above the certified minimum, in two parts.

With the lifting `f~` of `theory.points.lifting` and the minimum `L*` over class-level Gram matrices (derived there):

    L(f) - L* = [L(f) - L(f~)] + [L(f~) - L*] = spread + geometry,      both >= 0:

what is lost by spread within the classes, and by the arrangement of their means. `x` and `x+` are independent given the
class, so that a point may be its own positive. Where it may not, `L(f~)` is a lower bound as well: the mean cosine of
distinct pairs is `E (f(x).mu_c - D_c(x)) / (1 - D_c(x)) <= E f(x).mu_c = |mu_c|^2`, since `f(x).mu_c <= 1` (derived),
and the mean cosines with negatives stay what they are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from theory.expectation import cosine_moments
from theory.points.row_moments import RowMoments, drawn_anchors, lifted_loss, row_moments
from theory.problem import Problem
from verify.results.digits import outward
from verify.trained.points import Points

#: From so many moments of pairs of points on, blocks of rows are computed by several threads.
_THREADED = 10**9

#: Points times anchors times moments up to which all points are anchors: a few minutes on two cores, and a gigabyte.
MAX_WORK = 10**12

Interval = tuple[float, float]


@dataclass(frozen=True)
class Loss:
    """The population loss of points beside the minimum.

    Attributes:
        value: `L_k(f)`; for `k = inf` the limit of `L_k - log k`, here and everywhere.
        distinct: the same where a point is not its own positive; None if a class has one point.
        lifted: `L_k(f~)`.
        optimum_lower, optimum_upper: the minimum over all Gram matrices.
        excess, spread, geometry: `value - L*`, `value - lifted`, `lifted - L*`; as computed, never clipped.
        chance: the loss where all points coincide, `log(1 + k)`.
        share: how much of the way from there to the minimum has been made.
        error: of `value`, `spread` and `geometry`: half the width of the enclosure, or an estimate.
        anchors: the points whose rows were taken: all, or some of each class, drawn.
        standard_error: of `value`, `excess` and `spread`, where anchors were drawn; 0 where all were taken.
        enclosed: proven intervals for `value`, `lifted`, `excess`, `spread` and `geometry`, or None.
        by_class: `value` given the class of the anchor.
    """

    value: float
    distinct: float | None
    lifted: float
    optimum_lower: float
    optimum_upper: float
    excess: float
    spread: float
    geometry: float
    chance: float
    share: float
    error: float
    anchors: int
    standard_error: float
    enclosed: dict[str, Interval] | None
    by_class: tuple[float, ...]


def moments(
    points: Points,
    k: int | float,
    beta: int | float,
    *,
    anchors: int | None = None,
    seed: int = 0,
    wide: bool = False,
    xp: Any = np,
    progress: Callable[[str], None] | None = None,
) -> RowMoments:
    """The moments of the rows, which serve every larger `k` and higher temperature too.

    Args:
        anchors: the number of points whose rows are taken, if not all; by default, as many as `MAX_WORK` allows.
        seed: of the anchors that are drawn.
        wide: compute in the widest type at hand.
        xp: the array module, `numpy` or `jax.numpy`.
        progress: called with a line of text as the work goes on.
    """
    n, side = points.n, cosine_moments.side(k, beta)
    asked = anchors if anchors is not None else max(1, MAX_WORK // (n * side**2))
    chosen = None if asked >= n else drawn_anchors(points.labels, asked, seed)
    rows = n if chosen is None else len(chosen)

    def show(done: int) -> None:
        if progress is not None:
            progress(f"rows of the Gram matrix: {done} of {rows} ({100 * done // rows} %)")

    with _pool(n * rows * side**2, xp) as each:
        return row_moments(
            points.wide if wide else points.embeddings,
            points.labels,
            side,
            rho=points.wide_rho,
            anchors=chosen,
            xp=xp,
            each=each,
            progress=show,
        )


@contextmanager
def _pool(work: int, xp: Any) -> Iterator[Any]:
    """`map`, by several threads where there is enough to do. BLAS takes one: for matrices as small as those of a block
    more threads mostly wait for each other."""
    with threadpool_limits(1, user_api="blas"):
        if work < _THREADED or xp is not np:
            yield map
            return
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield pool.map


def lifted_gram(points: Points) -> Float[np.ndarray, "C C"]:
    """The Gram matrix of `f~`: products of class means, 1 on the diagonal."""
    means = np.stack([points.wide[points.labels == c].mean(axis=0) for c in range(points.prior.C)])
    gram = np.clip(means @ means.T, -1.0, 1.0).astype(float)
    np.fill_diagonal(gram, 1.0)
    return gram


def loss_of(
    points: Points,
    rows: RowMoments,
    problem: Problem,
    optimum: tuple[float, float],
    *,
    enclose: bool = False,
) -> Loss:
    """The loss and its parts; enclosed where `k` is an integer and `rows`, those of all points, were computed from wide
    embeddings."""
    k, beta = problem.k, float(problem.beta)
    found, lifted = rows.loss(k, beta), lifted_loss(lifted_gram(points), points.rho, k, beta)
    chance, lower = 0.0 if math.isinf(k) else math.log1p(k), optimum[0]
    enclosed = _enclosed(points, rows, int(k), problem.beta, optimum) if enclose and not math.isinf(k) else None
    middle = lower + (optimum[1] - lower) / 2
    return Loss(
        value=found.value,
        distinct=found.distinct,
        lifted=lifted,
        optimum_lower=lower,
        optimum_upper=optimum[1],
        excess=found.value - middle,
        spread=found.value - lifted,
        geometry=lifted - middle,
        chance=chance,
        share=(chance - found.value) / (chance - middle) if chance > middle else 1.0,
        error=found.error if enclosed is None else (enclosed["value"][1] - enclosed["value"][0]) / 2,
        anchors=len(rows.labels),
        standard_error=found.standard_error,
        enclosed=enclosed,
        by_class=tuple(found.by_class.tolist()),
    )


def _enclosed(
    points: Points, rows: RowMoments, k: int, beta: Fraction, optimum: tuple[float, float]
) -> dict[str, Interval]:
    from verify.certify.balls import bounds
    from verify.trained.enclosure import RowLosses
    from verify.trained.rounding import WIDE, cosine_error, mean_product_error, moment_error

    side, n, most = rows.side, points.n, int(points.counts.max())
    gram, C = lifted_gram(points), points.prior.C
    # what double precision makes of a cosine is within this of what the wide type does
    least_cosine = min(float((points.embeddings @ points.embeddings.T).min()) - 1e-9, float(gram.min()))
    losses = RowLosses(side**2 - 1, k, beta, least_cosine=least_cosine)
    errors = moment_error(side, n), moment_error(side, most)
    low, high = bounds(losses.mean(rows.negatives, rows.positives, points.exact_masses(), errors))
    room = 2 * beta * Fraction(cosine_error(points.d))
    value = (low - room, high + room)
    at_class_level = cosine_moments.moments(gram.astype(WIDE), points.wide_rho, side)
    of_negatives, collision = np.asarray(at_class_level, dtype=float), np.ones((C, side**2))
    low, high = bounds(losses.mean(of_negatives, collision, list(points.prior.rho), (moment_error(side, C), 0.0)))
    room = beta * Fraction(mean_product_error(most, points.d) + 2.0**-53)
    lifted = (low - room, high + room)
    lower, upper = (Fraction(x) for x in optimum)
    intervals = {
        "value": value,
        "lifted": lifted,
        "excess": (value[0] - upper, value[1] - lower),
        "spread": (value[0] - lifted[1], value[1] - lifted[0]),
        "geometry": (lifted[0] - upper, lifted[1] - lower),
    }
    return {name: outward(*both)[:2] for name, both in intervals.items()}
