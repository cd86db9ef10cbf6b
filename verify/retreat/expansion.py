r"""Means over many negatives as power series in `s = 1/(k-1)`, with a proven remainder (Watson's lemma).

At equal masses the means of `theory.rare_class` are, with `phi(t) = (e^{-t} + e^{-et})/2` and `y = -log phi(t)`,

    R = int g phi^K dt,   Q = int t g phi^K dt,   S = -K int g psi phi^K dt,       K = k - 1,
    g = e^{-(1+w) t},   psi = (e^{-et} - e^{-t}) / phi,

each of the form `int e^{-K y} G(y) dy = s r(s)`, `G(y) = f(t) / y'(t)` (derived). `y` increases from 0 to infinity. By
Taylor's formula at 0 up to order n, where `|G^(n)| <= B` for `y <= Y`, and with `Gamma_j = sum_{i<=j} V^i/i!`,
`V = Y/s`,

    |r(s)  - sum_{j<n} G_j s^j|          <=  s^n B       + e^{-V} (sup |G| + sum_{j<n} |G_j| s^j Gamma_j)
    |r'(s) - sum_{j<n} j G_j s^(j-1)|    <=  n s^(n-1) B + e^{-V} (sup |G'| (1+V) + sum_{j<n} j |G_j| s^(j-1) Gamma_j)

(`r(s) = int e^{-v} G(sv) dv`, `r' = int e^{-v} v G'(sv) dv`, and `int_V^inf e^{-v} v^j/j! dv = e^{-V} Gamma_j`.) The
derivatives `G_j = G^(j)(0)` come from `d/dy = (1/y') d/dt` applied to Taylor series in t; with
`E = e^{-(1-e) t}`, `y' = e + (1-e) E/(1+E)` and `psi = 2 (1-E)/(1+E)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import factorial
from typing import Any

from flint import arb

from verify.certify.balls import Ball

#: Order of the expansion.
ORDER = 8
#: The Taylor remainder is used up to this t, an exponential bound beyond it.
_LAST = 1.2
_BOXES = 60
#: Terms of Taylor's formula around the centre of a box.
_TAYLOR = 4
#: Beyond this t one box holds the rest of the half-line.
_TAIL = 12
_TAIL_BOXES = 48

# A ring element: an arb, or an arb_series in a parameter.
Scalar = Any
Series = list[Scalar]  # Taylor coefficients in t


def multiply(a: Series, b: Series) -> Series:
    """The product, to the shorter length."""
    length = min(len(a), len(b))
    return [sum((a[i] * b[j - i] for i in range(1, j + 1)), a[0] * b[j]) for j in range(length)]


def powers(x: Scalar, length: int) -> Series:
    """`1, x, x^2, ...`; by products, since a ball around 0 has no integer powers in python-flint."""
    result = [0 * x + 1]
    while len(result) < length:
        result.append(result[-1] * x)
    return result


def exponential(rate: Scalar, length: int) -> Series:
    """`e^{rate t}` around `t = 0`."""
    return [x / factorial(j) for j, x in enumerate(powers(rate, length))]


def reciprocal(a: Series) -> Series:
    """`1/a`."""
    first = 1 / a[0]
    result = [first]
    for j in range(1, len(a)):
        result.append(-first * sum((a[i] * result[j - i] for i in range(2, j + 1)), a[1] * result[j - 1]))
    return result


def derivatives(beta: Scalar, t: Scalar, *, tail: bool = False, order: int = ORDER) -> tuple[Series, Series, Series]:
    """`d^j G / dy^j` at t, `j <= order`, for R, Q and S; with `tail`, over all of [t, inf)."""
    w = (-beta).exp()
    e = w * w
    decay, rate = 1 - e, 1 + w
    E, g = (-decay * t).exp(), (-rate * t).exp()
    tg = t * g  # falls for t > 1/(1+w)
    if tail:
        E, g, tg = (arb(0).union(x) for x in (E, g, tg))
    E_series = [E * x for x in exponential(-decay, order + 1)]
    share = reciprocal([1 + E_series[0], *E_series[1:]])  # 1/(1+E)
    slope = [decay * x for x in multiply(E_series, share)]
    slope[0] = slope[0] + e
    per_slope = reciprocal(slope)
    psi = [4 * share[0] - 2, *(4 * x for x in share[1:])]  # 2 (1-E)/(1+E)
    base = multiply(exponential(-rate, order + 1), per_slope)  # over g
    shifted = [beta * 0, *base[:-1]]  # (tau g)/g
    R = _repeated(base, per_slope)
    from_tau = _repeated(shifted, per_slope)
    S = _repeated(multiply(base, psi), per_slope)
    return [g * x for x in R], [tg * x + g * y for x, y in zip(R, from_tau, strict=True)], [g * x for x in S]


def _repeated(series: Series, per_slope: Series) -> Series:
    """The values at the centre of `(per_slope d/dt)^j series`."""
    values = [series[0]]
    while len(series) > 1:
        series = multiply([j * x for j, x in enumerate(series)][1:], per_slope)
        values.append(series[0])
    return values


@dataclass(frozen=True)
class Tails:
    """For one mean and every `beta` of a ball: `|G|` and `|G'|` over the half-line, `|G^(ORDER)|` up to the last `y`
    at which the Taylor remainder is used, that `y`, and `|G_j|`."""

    value: Ball
    slope: Ball
    top: Ball
    last: Ball
    coefficients: Series

    def remainders(self, s_max: Ball) -> tuple[Ball, Ball]:
        """Bounds on `|r - polynomial|` and `|r' - polynomial'|` for `s <= s_max`; also divided by `s` or `s^2` they
        increase with s, since `V > ORDER + 2`."""
        V = self.last / s_max
        assert V > ORDER + 2
        gamma = list(accumulate(exponential(V, ORDER)))
        s, G = powers(s_max, ORDER + 1), self.coefficients
        outside = self.value + sum((G[j] * s[j] * gamma[j] for j in range(ORDER)), arb(0))
        slope = sum((j * G[j] * s[j - 1] * gamma[j] for j in range(1, ORDER)), self.slope * (1 + V))
        left = (-V).exp()
        return (
            (s[ORDER] * self.top + left * outside).upper(),
            (ORDER * s[ORDER - 1] * self.top + left * slope).upper(),
        )


def tails(beta: Ball, coefficients: tuple[Series, Series, Series]) -> tuple[Tails, ...]:
    """For R, Q and S."""
    near = [_largest_derivatives(beta, arb(_LAST) * (2 * i + 1) / (2 * _BOXES)) for i in range(_BOXES)]
    step = arb(_TAIL) / _TAIL_BOXES
    far = [derivatives(beta, (step * i).union(step * (i + 1)), order=1) for i in range(_TAIL_BOXES)]
    far.append(derivatives(beta, arb(_TAIL), tail=True, order=1))
    e = (-2 * beta).exp()
    last = -(((-arb(_LAST)).exp() + (-e * _LAST).exp()) / 2).log()
    found = []
    for which, G in enumerate(coefficients):
        value, slope = (_largest(box[which][order] for box in far) for order in (0, 1))
        top = _largest(box[which] for box in near)
        found.append(Tails(value, slope, top, last, [abs(c) for c in G[:ORDER]]))
    return tuple(found)


def _largest_derivatives(beta: Ball, t: Ball) -> list[Ball]:
    """Bounds on `|G^(ORDER)|` within half a box of t, by Taylor's formula in y around t (`y' <= 1`)."""
    half = arb(_LAST) / (2 * _BOXES)
    step = exponential(half, _TAYLOR + 1)
    centre = derivatives(beta, t, order=ORDER + _TAYLOR - 1)
    around = derivatives(beta, (t - half).union(t + half), order=ORDER + _TAYLOR)
    return [
        sum((abs(c[ORDER + i]) * step[i] for i in range(_TAYLOR)), arb(0)) + abs(b[ORDER + _TAYLOR]) * step[_TAYLOR]
        for c, b in zip(centre, around, strict=True)
    ]


def _largest(values: Any) -> Ball:
    largest = arb(0)
    for x in values:
        largest = largest.max(abs(x).upper())
    return largest
