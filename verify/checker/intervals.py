"""Interval arithmetic from mpmath, its endpoints as exact fractions, and definiteness of interval matrices.

Trusted: mpmath's interval +, -, *, /, sqrt and integer powers, and that its exp and log are wrong by less than
half a unit in the last place beyond their endpoints; `exp` and `log` here widen the result by a whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

import mpmath
from mpmath.libmp import to_rational

from verify.checker.verdict import OutOfReach, Rejected, Stop, Unresolved

Interval = Any  # an mpmath interval
Context = Any  # an mpmath interval context
_T = TypeVar("_T")
MAX_BITS = 1 << 12


def context(bits: int, k: int) -> Context:
    """A context of its own, for results good to about `bits` bits: the precision of nobody else is touched.

    A loss is made of k-th powers of numbers near 1, which lose log2 k bits, a slope is k times as much.
    """
    ctx = type(mpmath.iv)()
    ctx.bits = bits
    ctx.prec = bits + 2 * k.bit_length() + 24
    ctx.ulp = 1 + ctx.mpf([-1, 1]) / 2 ** (ctx.prec - 1)
    return ctx


def enclose(ctx: Context, q: Fraction) -> Interval:
    return ctx.mpf(q.numerator) / ctx.mpf(q.denominator)


def exp(ctx: Context, x: Interval) -> Interval:
    return ctx.exp(x) * ctx.ulp


def log(ctx: Context, x: Interval) -> Interval:
    return ctx.log(x) * ctx.ulp


def low(x: Interval) -> Fraction:
    """The lower endpoint, exactly. For numbers of ordinary size only: an endpoint 2^-(10^9) would fill the memory."""
    return Fraction(*to_rational(x._mpi_[0]))


def high(x: Interval) -> Fraction:
    return Fraction(*to_rational(x._mpi_[1]))


def widen(ctx: Context, x: Interval, error: Interval) -> Interval:
    """`x` with `error >= 0` on both sides."""
    return x + error * ctx.mpf([-1, 1])


def require_positive_definite(matrix: list[list[Interval]]) -> None:
    """Every symmetric real matrix inside is positive definite, or an exception says why that is not shown.

    Proof: LDL^T elimination in intervals encloses the Schur complements of each such matrix. A matrix is positive
    definite if and only if its pivots, met in any order of the diagonal, are all positive. Taking the pivot whose
    lower end is largest keeps the intervals narrow.
    """
    matrix = [list(row) for row in matrix]
    left = list(range(len(matrix)))
    while left:
        c = max(left, key=lambda i: matrix[i][i].a)
        pivot = matrix[c][c]
        if any((matrix[i][i] <= 0) is True for i in left):
            raise Rejected("the dual slack is not positive semidefinite at the witness' shift")
        if (pivot > 0) is not True:
            raise Unresolved("the dual slack is not decided at this precision")
        left.remove(c)
        for n, i in enumerate(left):
            ratio = matrix[i][c] / pivot
            for j in left[n:]:
                matrix[i][j] = matrix[j][i] = matrix[i][j] - ratio * matrix[j][c]


def resolve(bits: int, attempt: Callable[[int], _T]) -> _T:
    """`attempt` at growing precision: at 64 bits, where gross falsehoods cost little, then at `bits` and beyond."""
    stop: Stop = Unresolved("the claim is too narrow for any precision that is tried")
    for tried in [64] * (bits > 100) + [bits, bits + 32 + bits // 4, 2 * bits + 64]:
        if tried > MAX_BITS:
            break
        try:
            return attempt(tried)
        except OutOfReach:
            if tried > bits:
                break  # what was not decided at the precision that it needs is the reason
            raise
        except Unresolved as unresolved:
            stop = unresolved
    raise stop
