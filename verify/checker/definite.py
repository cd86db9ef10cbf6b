r"""Positive definiteness of many rows, by a factor in doubles that is checked exactly.

Let S be symmetric, D a positive diagonal, R any matrix at all and `E = S - R R^T`. If positive w have

    E_ii w_i > sum_(j != i) |E_ij| w_j    for all i,

then E is positive definite (`W E W`, W = Diag(w), is strictly diagonally dominant), and so is S. R is found in doubles,
as a Cholesky factor of `S - D/2` scaled by D: where that is positive definite, E is nearly `D/2`. It is rounded to
whole numbers of a small unit, and R R^T is exact. `w = D^(-1/2)`, nearly.
"""

from __future__ import annotations

from math import log2, sqrt
from operator import mul

from verify.checker.intervals import Context, Interval, is_less, low_float
from verify.checker.verdict import Rejected, Unresolved

#: Matrices with more rows are shown definite in this way, smaller ones by `intervals.require_positive_definite`.
ELIMINATED = 256
#: What is larger, and a diagonal D smaller than its inverse, is not handled: products must not leave the doubles.
LARGEST = 2.0**500
OUT_OF_RANGE = "masses, shift and slack are too far apart for a factor in double precision"


def require_positive_definite(ctx: Context, matrix: list[list[Interval]], diagonal: list[Interval]) -> None:
    """Every symmetric real matrix inside is positive definite, with `diagonal` (D) to spare.

    Raises:
        Rejected: if there is no factor, which no other precision would change.
        Unresolved: if the residual is not small enough, or doubles do not hold the numbers.
    """
    n = len(matrix)
    least = [low_float(m) for m in diagonal]
    if not all(1 / LARGEST <= m <= LARGEST for m in least):
        raise Unresolved(OUT_OF_RANGE)
    roots = [sqrt(m) for m in least]
    places = max(0, 60 + int(log2(n) - log2(min(roots))) + 1)
    R: list[list[int]] = []
    factor: list[list[float]] = []
    for i, row in enumerate(matrix):
        mine: list[float] = []
        for j in range(i + 1):
            scaled = low_float(row[j]) / (roots[i] * roots[j]) - sum(map(mul, mine, factor[j] if j < i else mine))
            if not abs(scaled) <= LARGEST:
                raise Unresolved(OUT_OF_RANGE)
            if j < i:
                mine.append(scaled / factor[j][j])
            elif scaled > 0.5:
                mine.append(sqrt(scaled - 0.5))
            else:
                raise Rejected("the witness' shift is too small for a factor in double precision")
        factor.append(mine)
        R.append([_units(x * roots[i], places) for x in mine])
    w = [ctx.mpf(1) / ctx.mpf(root) for root in roots]
    unit = ctx.mpf(2) ** (-2 * places)
    sums = [ctx.mpf(0)] * n
    for i, row in enumerate(matrix):
        for j in range(i):
            rest = abs(row[j] - sum(map(mul, R[j], R[i])) * unit)
            sums[i] += rest * w[j]
            sums[j] += rest * w[i]
    for i, row in enumerate(matrix):
        own = (row[i] - sum(map(mul, R[i], R[i])) * unit) * w[i]
        if not is_less(sums[i], own):
            raise Unresolved("the dual slack is not decided by its factor in double precision")


def _units(x: float, places: int) -> int:
    """`x 2^places`, rounded down; the product itself may exceed all doubles."""
    p, q = x.as_integer_ratio()
    return (p << places) // q
