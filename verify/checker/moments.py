r"""The integrals of logistic rows of many values, from moments instead of an exponential for each value and node.

With `z_u = 1 - X_u` in [0, Z], Z < 1, Taylor's formula for e^(tz), all of whose terms are positive, says

    phi(t) = e^-t sum_u m_u e^(t z_u)  in  sum_(m <= D) (e^-t t^m/m!) M_m + [0, rest(t)],     M_m = sum_u m_u z_u^m,
    rest(t) = e^-t e^(tZ) (tZ)^(D+1)/(D+1)!,                                            also phi <= 1,

and the sum over nodes in the slope is, with `w(t) = phi^(k-1) t e^-t`,

    sum_n w(t_n) e^(-t_n X_u)  in  sum_(m <= D) z_u^m sum_n w(t_n) (e^-t_n t_n^m/m!) + [0, sum_n w(t_n) rest(t_n)].

Nothing here is negative, so lower ends are made of lower ends and upper ends of upper ends. They are whole numbers of
units 2^-P, a product `a b` of which is between `a b >> P` and `(a b >> P) + 1`.
"""

from __future__ import annotations

import math
from operator import mul

from verify.checker.intervals import Context, Interval, exp, low_float, units

Ends = tuple[int, int]  # an interval of numbers >= 0, in units


def degree(k: int, bits: int, exponents: list[float], values: list[Interval]) -> int:
    """A D at which `k t e^-t rest(t)` is below 2^-bits, tried at some `t = e^s`: `rest` is enclosed whatever D is.

    The exponents s are given, as t itself may be too small for a double.
    """
    Z = 1 - min(map(low_float, values)) + 1e-12
    log_k, log_Z = math.log(k), math.log(Z)

    def is_small(D: int) -> bool:
        sizes = (s + log_k - math.exp(s) * (2 - Z) + (D + 1) * (s + log_Z) - math.lgamma(D + 2) for s in exponents)
        return max(sizes) <= -0.7 * bits

    D = bits // 2
    while not is_small(D):
        D += 8
    return D


def sums(
    ctx: Context, k: int, values: list[Interval], masses: list[dict[int, Interval]], nodes: list[Interval], D: int
) -> list[tuple[Interval, dict[int, Interval]]]:
    """`sum_n (1 - phi^k) e^-t` and `sum_n phi^(k-1) t e^-t e^(-t X_u)` for each row."""
    P = ctx.prec
    one = 1 << P
    z = [(max(0, one - x1), one - x0) for x0, x1 in (_units(P, x) for x in values)]
    Z = ctx.mpf(max(z1 for _, z1 in z)) / one
    factorial = ctx.mpf(math.factorial(D + 1))
    times, ends, rests, terms = [], [], [], []
    for t in nodes:
        e = exp(ctx, -t)
        times.append(_units(P, t))
        ends.append(_units(P, e))
        rests.append(_units(P, e * exp(ctx, t * Z) * (t * Z) ** (D + 1) / factorial)[1])
        terms.append(_terms(P, ends[-1], times[-1], D))
    by_node = [[term[i] for term in terms] for i in (0, 1)]
    by_power = [list(zip(*rows, strict=True)) for rows in by_node]
    found = []
    for row in masses:
        own = [z[u] for u in row]
        moments = [_moments(P, [_units(P, m)[i] for m in row.values()], [x[i] for x in own], D, i) for i in (0, 1)]
        below = above = 0
        weights: list[Ends] = []
        for n, ((t0, t1), (e0, e1)) in enumerate(zip(times, ends, strict=True)):
            phi0 = min(one, sum(map(mul, by_node[0][n], moments[0])) >> P)
            phi1 = min(one, (sum(map(mul, by_node[1][n], moments[1])) >> P) + 1 + rests[n])
            q0, q1 = _power(P, phi0, k - 1, 0), _power(P, phi1, k - 1, 1)
            below += (one - min(one, (q1 * phi1 >> P) + 1)) * e0 >> P
            above += ((one - (q0 * phi0 >> P)) * e1 >> P) + 1
            weights.append(((q0 * t0 >> P) * e0 >> P, (((q1 * t1 >> P) + 1) * e1 >> P) + 1))
        left_out = (sum(w1 * rest for (_, w1), rest in zip(weights, rests, strict=True)) >> P) + 1
        slopes = []
        for i in (0, 1):
            side = [w[i] for w in weights]
            coefficients = [(sum(map(mul, side, column)) >> P) + i for column in by_power[i]]
            slopes.append(_polynomial(P, coefficients, [x[i] for x in own], i))
        found.append(
            (
                ctx.mpf([below, above]) / one,
                {u: ctx.mpf([g0, g1 + left_out]) / one for u, g0, g1 in zip(row, slopes[0], slopes[1], strict=True)},
            )
        )
    return found


def _units(P: int, x: Interval) -> Ends:
    """An interval from below and above in units, cut off at 0."""
    below, above = units(x, P)
    return max(0, below), max(0, above)


def _terms(P: int, e: Ends, t: Ends, D: int) -> tuple[list[int], list[int]]:
    """`e^-t t^m/m!` for m = 0..D."""
    below, above = [e[0]], [e[1]]
    for m in range(1, D + 1):
        below.append((below[-1] * t[0] >> P) // m)
        above.append(((above[-1] * t[1] >> P) + 1) // m + 1)
    return below, above


def _moments(P: int, masses: list[int], z: list[int], D: int, above: int) -> list[int]:
    powers, found = masses, [sum(masses)]
    for _ in range(D):
        powers = [(a * b >> P) + above for a, b in zip(powers, z, strict=True)]
        found.append(sum(powers))
    return found


def _power(P: int, x: int, n: int, above: int) -> int:
    """`x^n`, below or above."""
    result = 1 << P
    while n:
        if n & 1:
            result = (result * x >> P) + above
        x = (x * x >> P) + above
        n >>= 1
    return result


def _polynomial(P: int, coefficients: list[int], z: list[int], above: int) -> list[int]:
    """Horner's scheme at each z."""
    values = [coefficients[-1]] * len(z)
    for c in reversed(coefficients[:-1]):
        values = [(a * b >> P) + c + above for a, b in zip(values, z, strict=True)]
    return values
