r"""The downstream loss of the minimizer in double precision, within what is known of the error.

A small gap in L_k, or a small gradient, says nothing of the angle between two rare classes, and so nothing of the
downstream loss (`verify.optimize.graded`). What does is the estimated distance `delta_c` of every embedding from the
minimizer's: if a margin `<u_c, w_c - w_j>` changes by `e` at most, the loss of class c changes by `s_c beta e`, with
s_c the largest sum of slopes of the loss on the way. For the losses here the sum of the slopes falls as a margin grows
(S/(1+S) of the logistic loss, 1 of the decoupled one, and for sums that of each convex term), so that it is largest
where all margins are least. For the best classifier `e <= 2 delta_c` (the infimum over W of losses that differ by no
more than that), for the mean classifier `e <= delta_c + max_j delta_j`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory.losses import Loss
from verify.supervised.bracket import group_weights
from verify.supervised.head import GroupedHead, Head
from verify.supervised.minimizer import Enclosing


@dataclass(frozen=True)
class Estimate:
    """`lower <= L_sup <= upper`, as far as the estimate of the minimizer's error goes."""

    lower: float
    upper: float


def head(enclosing: Enclosing, weighting: str) -> Head:
    """The best classifier at the minimizer found."""
    return _at(enclosing, weighting).solve()


def estimate(enclosing: Enclosing, weighting: str, classifier: str) -> Estimate | str:
    """An interval for the downstream loss, or why there is none."""
    found = enclosing.solution
    if enclosing.problem.d < found.rank:
        return f"the minimizer has rank {found.rank}: in d = {enclosing.problem.d} dimensions it is not known"
    if found.errors is None:
        return found.reason
    at = _at(enclosing, weighting)
    if classifier == "mean":
        exponents = at.cosines() - 1
        value = at.loss_of(exponents)
        return _around(value, value, at, exponents, found.errors + found.errors.max())
    best = at.solve()
    return _around(best.lower, best.value, at, at.exponents_of(best), 2 * found.errors)


def _at(enclosing: Enclosing, weighting: str) -> GroupedHead:
    found = enclosing.solution
    weights = np.array([float(w) for w in group_weights(found.groups, weighting)])
    counts = np.array(found.groups.counts, dtype=float)
    return GroupedHead(enclosing.problem.loss_name, found.U, counts, weights, float(enclosing.problem.beta))


def _around(lower: float, upper: float, at: GroupedHead, exponents: np.ndarray, moves: np.ndarray) -> Estimate:
    """Moved apart by what changes of the margins by `moves` can do, and by the rounding of the sums."""
    slopes = -np.sum(at.rows(exponents + float(moves.max())).slopes, axis=1)
    error = at.beta * float(np.sum(at.totals * slopes * moves)) + 1e-14 * max(1.0, abs(upper))
    return Estimate(lower - error, upper + error)


def slope_bound(loss: Loss, C: int, beta: float) -> float:
    """The largest sum of slopes of the loss in its margins, at cosines: where all of them are least."""
    return -float(np.sum(loss.expansion(np.array([-2.0 * beta]), np.array([C - 1.0])).slopes))
