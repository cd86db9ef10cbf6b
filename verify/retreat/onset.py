r"""At which temperature a rare class begins to retreat as `k` grows: enclosed, over all numbers of negatives.

Near `p = 1/2` the rare class stands at `x(k) = -c_k (p - 1/2)` (`theory.rare_class`). Statement: with `lower` and
`upper` from `enclosed`,

    c_1 > c_2 > c_3 > ...   for every beta in (0, lower],       and c_{k+1} > c_k at beta = upper for some k,

so that the onset of the retreat `beta* = inf {beta : c_{k+1} > c_k for some k}` lies in [lower, upper].

Proof (derived). `beta c_k = N/M` with `M > 0`.

1. `k <= FEW`: the binomial means are finite sums. `N_k M_{k+1} - N_{k+1} M_k > 0` on slices of (0, lower], by the mean
   value form in beta.
2. `k > FEW`: the formulas make sense for real `k`, and with `s = 1/(k-1)` and `z = 1/(s + w(1+s))` (derived)

       N/s = 2 z + 2 r_R - r_S/s,     M/s = z (1 - w s z) + r_R - w r_Q

   for the series of `verify.retreat.expansion`. `N/M` increases in `s`, that is, falls with `k`, where
   `P = N' M - N M' > 0`, which is shown on boxes of (s, beta): the polynomial parts by Taylor's formula in s and the
   mean value form in beta, and the remainders by their bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import Any

from flint import arb, arb_series, ctx

from verify.certify.balls import Ball, ball
from verify.retreat.expansion import ORDER, Series, Tails, derivatives, tails

#: Up to here the means are summed.
FEW = 60
_BITS = 100
_TAYLOR = 4
_SMALLEST = Fraction(1, 10**9)


@dataclass(frozen=True)
class Onset:
    """`lower <= beta* <= upper`; at `upper` the rare class retreats from `k` to `k + 1`."""

    lower: Fraction
    upper: Fraction
    k: int


class NotShown(Exception):
    """A slice of beta on which the statement could not be shown."""


def enclosed(lower: Fraction, upper: Fraction, k: int) -> Onset:
    """Prove that the onset lies in [lower, upper].

    Raises:
        NotShown: where it cannot be shown; the message says at which beta.
    """
    with ctx.workprec(_BITS):
        if not retreats(upper, k):
            raise NotShown(f"c_{k + 1} > c_{k} at beta = {upper}")
        for few in range(1, FEW + 1):
            _cover(lower, lambda first, last, few=few: _falls_from(few, first, last))
        _cover(lower, _falls_beyond)
    return Onset(lower, upper, k)


def retreats(beta: Fraction, k: int) -> bool:
    """Whether `c_{k+1} > c_k` is proven at this beta."""
    with ctx.workprec(_BITS + 2 * k.bit_length()):
        (N, M), (N_next, M_next) = _summed(k, ball(beta)), _summed(k + 1, ball(beta))
        return bool(N_next * M - N * M_next > 0)


def _cover(last: Fraction, holds: Any) -> None:
    """`holds(first, last)` on slices that cover [0, last], the widest that can be shown, from above."""
    width = last / 8
    while last > 0:
        first = max(Fraction(0), last - width)
        if holds(first, last):
            last, width = first, 2 * width
        elif width < _SMALLEST:
            raise NotShown(f"the statement near beta = {float(last)}")
        else:
            width /= 4


def _summed(k: int, beta: Any) -> tuple[Any, Any]:
    """N and M by their binomial sums; in the ring of beta."""
    w = (-beta).exp()
    e = w * w
    rest = 1 - e
    least = 1 + w + (k - 1) * e
    D = [least + m * rest for m in range(k + 1)]
    per_D = [1 / x for x in D]
    half = arb(1) / (1 << (k - 1))
    R = half * sum((comb(k - 1, m) * per_D[m] for m in range(1, k)), per_D[0])
    Q = half * sum((comb(k - 1, m) * per_D[m] * per_D[m] for m in range(1, k)), per_D[0] * per_D[0])
    N = 2 / (1 + k * w) + 2 * R
    if k > 1:
        terms = (comb(k - 2, m) * (per_D[m + 1] - per_D[m]) for m in range(k - 1))
        N = N + (k - 1) * 2 * half * sum(terms, 0 * beta)
    V = 1 / (1 + k * w)
    return N, V * (1 - w * V) + R - w * Q


def _parameter(first: Fraction, last: Fraction) -> tuple[Ball, Ball, Ball]:
    """The middle of a slice, the slice, and the ball of distances from the middle."""
    middle = ball((first + last) / 2)
    return middle, ball(first).union(ball(last)), arb(0, ball((last - first) / 2).upper())


def _taylor(at: arb_series, over: arb_series, distance: Ball) -> Ball:
    """Taylor's formula, from the series at the middle of a box and over the box."""
    value = over[_TAYLOR]
    for i in reversed(range(_TAYLOR)):
        value = value * distance + at[i]
    return value


def _mean_value(at_middle: Ball, over_slice: arb_series, distance: Ball) -> Ball:
    return at_middle + over_slice[1] * distance


def _falls_from(k: int, first: Fraction, last: Fraction) -> bool:
    """`c_k > c_{k+1}` for every beta of the slice (at 0, the limit of `beta c_k`)."""
    middle, slice_, distance = _parameter(first, last)

    def difference(beta: Any) -> Any:
        (N, M), (N_next, M_next) = _summed(k, beta), _summed(k + 1, beta)
        return N * M_next - N_next * M

    with _cap(_TAYLOR + 1):
        at, over = (difference(arb_series([x, 1])) for x in (middle, slice_))
    return bool(_taylor(at, over, distance) > 0)


def _falls_beyond(first: Fraction, last: Fraction) -> bool:
    """`c_k > c_{k+1}` for every beta of the slice and every `k > FEW`."""
    middle, slice_, distance = _parameter(first, last)
    with _cap(2):
        thin = derivatives(middle, arb(0))
        moving = derivatives(arb_series([slice_, 1]), arb(0))
    wide = tuple([c[0] for c in series] for series in moving)
    left_out = tails(slice_, wide)  # type: ignore[arg-type]
    return _rises_on(Fraction(0), Fraction(1, FEW), (middle, slice_, distance), thin, moving, left_out)


def _rises_on(low: Fraction, high: Fraction, beta: Any, thin: Any, moving: Any, left_out: Any) -> bool:
    """`P > 0` for s in [low, high], in halves where need be."""
    middle, slice_, distance = beta
    s_middle, s_box, s_distance = _parameter(low, high)
    with _cap(_TAYLOR + 1):
        at, over = (_wronskian(arb_series([s, 1]), middle, thin) for s in (s_middle, s_box))
    value = _taylor(at, over, s_distance)
    with _cap(2):
        change = _wronskian(s_box, arb_series([slice_, 1]), moving)
    value = _mean_value(value, change, distance)
    parts = [c[0] for c in _parts(s_box, arb_series([slice_, 1]), moving)]
    if value > _left_out(parts, left_out, ball(high)):
        return True
    if high - low < Fraction(1, 1 << 14):
        return False
    half = (low + high) / 2
    return all(_rises_on(*ends, beta, thin, moving, left_out) for ends in ((half, high), (low, half)))


def _parts(s: Any, beta: Any, series: tuple[Series, Series, Series]) -> tuple[Any, Any, Any, Any]:
    """The polynomial parts of N/s, its derivative in s, M/s and its derivative."""
    w = (-beta).exp()
    R, Q = (_polynomial(c[:ORDER], s) for c in series[:2])
    R_slope, Q_slope = (_polynomial([j * x for j, x in enumerate(c[:ORDER])][1:], s) for c in series[:2])
    per_s = series[2][1:ORDER]  # r_S/s, since G_S(0) = 0
    S_over_s, S_slope = _polynomial(per_s, s), _polynomial([j * x for j, x in enumerate(per_s)][1:], s)
    z = 1 / (s + w * (1 + s))
    z_slope = -(1 + w) * z * z
    N, N_slope = 2 * z + 2 * R - S_over_s, 2 * z_slope + 2 * R_slope - S_slope
    M = z * (1 - w * s * z) + R - w * Q
    M_slope = z_slope * (1 - 2 * w * s * z) - w * z * z + R_slope - w * Q_slope
    return N, N_slope, M, M_slope


def _polynomial(coefficients: Series, s: Any) -> Any:
    value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * s + c
    return value


def _wronskian(s: Any, beta: Any, series: Any) -> Any:
    """`N' M - N M'` of the polynomial parts."""
    N, N_slope, M, M_slope = _parts(s, beta, series)
    return N_slope * M - N * M_slope


def _left_out(parts: list[Ball], left_out: tuple[Tails, ...], s_max: Ball) -> Ball:
    """A bound on `|P - P of the polynomial parts|` for `s <= s_max` (see `Tails.remainders`)."""
    N, N_slope, M, M_slope = (abs(x).upper() for x in parts)
    (R, R_slope), (Q, Q_slope), (S, S_slope) = (tail.remainders(s_max) for tail in left_out)
    e_N, e_N_slope = 2 * R + S / s_max, 2 * R_slope + S_slope / s_max + S / (s_max * s_max)
    e_M, e_M_slope = R + Q, R_slope + Q_slope  # w < 1
    return (M + e_M) * e_N_slope + N_slope * e_M + (N + e_N) * e_M_slope + M_slope * e_N


@contextmanager
def _cap(length: int) -> Iterator[None]:
    """Power series of this many terms."""
    before, ctx.cap = ctx.cap, length
    try:
        yield
    finally:
        ctx.cap = before
