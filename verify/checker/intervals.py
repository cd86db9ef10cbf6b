"""Interval arithmetic from mpmath, its endpoints as exact numbers, and definiteness of interval matrices.

Trusted: mpmath's interval +, -, *, /, sqrt and integer powers, and that its exp and log are wrong by less than
half a unit in the last place beyond their endpoints; `exp` and `log` here widen the result by a whole one.

Endpoints are read by `ends` and compared here alone. mpmath's own `x < y` is None in version 1.3 and an error in 1.4
where intervals overlap, and an infinite endpoint is the fraction 0 in 1.3: `is_less` is False where nothing is decided,
and what is not finite stops the attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cmp_to_key
from typing import Any, TypeVar

import mpmath
from mpmath.libmp import finf, fnan, fninf, from_int, mpf_cmp, mpf_le, mpf_lt, mpf_neg, to_float, to_rational

from verify.checker.verdict import OutOfReach, Rejected, Stop, Unresolved

Interval = Any  # an mpmath interval
Context = Any  # an mpmath interval context
Raw = Any  # an endpoint as mpmath stores it: sign, mantissa, exponent, bits
_T = TypeVar("_T")
MAX_BITS = 1 << 12
MAX_EXPONENT = 1 << 20  # an endpoint 2^-(10^9) as a fraction would fill the memory
_by_size = cmp_to_key(mpf_cmp)


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


def ends(x: Interval) -> tuple[Raw, Raw]:
    """Both endpoints.

    Raises:
        Unresolved: if one is infinite or not a number.
    """
    a, b = x._mpi_
    if a in (finf, fninf, fnan) or b in (finf, fninf, fnan):
        raise Unresolved("a bound is not finite at this precision")
    return a, b


def low(x: Interval) -> Fraction:
    """The lower endpoint, exactly."""
    return _exactly(ends(x)[0])


def high(x: Interval) -> Fraction:
    return _exactly(ends(x)[1])


def _exactly(end: Raw) -> Fraction:
    if abs(end[2]) > MAX_EXPONENT:
        raise Unresolved("a bound is too large or too small to be written out")
    p, q = to_rational(end)
    return Fraction(int(p), int(q))


def low_float(x: Interval) -> float:
    """A double near the lower endpoint, which is no bound; 0 or infinite beyond the range of doubles."""
    return float(to_float(ends(x)[0]))


def is_less(x: Interval | int, y: Interval | int) -> bool:
    """Whether every number in x is less than every number in y; False where that is not so, or not decided."""
    return bool(mpf_lt(_last(x), _first(y)))


def is_at_most(x: Interval | int, y: Interval | int) -> bool:
    """Whether no number in x exceeds any number in y; False where that is not so, or not decided."""
    return bool(mpf_le(_last(x), _first(y)))


def _first(x: Interval | int) -> Raw:
    return from_int(x) if isinstance(x, int) else ends(x)[0]


def _last(x: Interval | int) -> Raw:
    return from_int(x) if isinstance(x, int) else ends(x)[1]


def units(x: Interval, places: int) -> tuple[int, int]:
    """The endpoints in units of 2^-places, the lower one rounded down and the upper one up."""
    a, b = ends(x)
    return _rounded_down(a, places), -_rounded_down(mpf_neg(b), places)


def _rounded_down(end: Raw, places: int) -> int:
    sign, mantissa, exponent, _ = end
    shift, signed = exponent + places, -int(mantissa) if sign else int(mantissa)
    if shift > MAX_EXPONENT:
        raise Unresolved("a bound is too large to be written out")
    return signed << shift if shift >= 0 else signed >> -shift


def upper_end(ctx: Context, x: Interval) -> Interval:
    """The upper endpoint as an interval of one number."""
    end = ends(x)[1]
    return ctx.make_mpf((end, end))


def clamp(ctx: Context, x: Interval, least: int, most: int) -> Interval:
    """The part of x between two integers, for a number in x that is known to lie there too."""
    bottom, top = from_int(least), from_int(most)
    return ctx.make_mpf(tuple(min(max(end, bottom, key=_by_size), top, key=_by_size) for end in ends(x)))


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
        c = max(left, key=lambda i: _by_size(ends(matrix[i][i])[0]))
        pivot = matrix[c][c]
        if any(is_at_most(matrix[i][i], 0) for i in left):
            raise Rejected("the dual slack is not positive semidefinite at the witness' shift")
        if not is_less(0, pivot):
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
