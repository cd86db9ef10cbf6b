r"""A class of vanishing mass beside two others: where it stands, and when it retreats as `k` grows.

Three classes of masses `p`, `q = 1 - p` and `r -> 0`, the logistic loss, `beta = 1 / temperature`. To leading order the
two larger classes are antipodal, whatever `r` is, so that the rare one has cosine `x` with the first and `-x` with the
second. The loss is `L_0 + r L_1(x) + o(r)`, and with

    a = e^{beta (x-1)},   b = e^{-beta (1+x)},   e = e^{-2 beta}

the anchors of the three classes contribute to `L_1'(x) / (k beta)` (derived; a mean over one negative among `k` that is
the rare class, and `m f(m)` under Bin(k, p) is `k p f(m+1)` under Bin(k-1, p)):

    p a E_p[1/(1+a+ma+(k-1-m)b)] - q b E_p[1/(1+b+ma+(k-1-m)b)]          the rare class as anchor
    + p a E_p[1/(1+a+m+(k-1-m)e)] - q b E_q[1/(1+b+m+(k-1-m)e)]          as a negative,   E_s: m ~ Bin(k-1, s)

`L_1` is strictly convex in `x` (an expectation of log-sum-exp of affine functions), so that the minimizer of `L_k` has
`x -> x(k)`, the root, or the end of [-1, 1] at which the sign does not change.

At `p = 1/2` symmetry gives `x = 0`, and `x(k) = -c_k (p - 1/2) + O((p - 1/2)^2)` by the implicit function theorem. With
`w = e^{-beta}`, `D = 1 + w + m + (k-1-m) e`, `m ~ Bin(k-1, 1/2)`,

    beta c_k = (2 V + 2 R + S) / (V (1 - w V) + R - w Q),       V = 1/(1 + w k),   R = E[1/D],   Q = E[1/D^2],
    S = d/dp E_p[1/D] = -(k-1) (1-e) E_{Bin(k-2, 1/2)}[1/(D (D + 1 - e))].

The denominator is positive: `w V < 1` and `R - w Q = E[(D - w)/D^2]`. As `k -> inf`, with `mu = (1+e)/2`,
`beta c_k -> (2/w + 2/mu - (1-e)/mu^2) / (1/w + 1/mu)`.

The rare class *retreats* where `c_k` rises with `k`: then `|x|` grows, and with it the class-balanced downstream loss.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq

from theory.binomial_means import reciprocal_mean


def slope(x: float, p: float, k: int | float, beta: float) -> float:
    """`k L_1'(x) / (k beta)`, the derivative above times `k`; for `k = inf` its limit."""
    a, b, e, q = math.exp(beta * (x - 1)), math.exp(-beta * (1 + x)), math.exp(-2 * beta), 1 - p
    if math.isinf(k):
        return (p * a - q * b) / (p * a + q * b) + p * a / (p + q * e) - q * b / (q + p * e)
    anchor = p * a * reciprocal_mean(k - 1, p, 1 + a, a, b) - q * b * reciprocal_mean(k - 1, p, 1 + b, a, b)
    first, second = reciprocal_mean(k - 1, p, 1 + a, 1.0, e), reciprocal_mean(k - 1, q, 1 + b, 1.0, e)
    return k * (anchor + p * a * first - q * b * second)


def rare_cosine(p: float, k: int | float, beta: float) -> float:
    """`x(k)`: the cosine of the rare class with the first class, of mass `0 < p < 1`."""
    if slope(-1.0, p, k, beta) >= 0:
        return -1.0
    if slope(1.0, p, k, beta) <= 0:
        return 1.0
    return float(brentq(slope, -1.0, 1.0, args=(p, k, beta), xtol=1e-15))


def retreat_rate(k: int | float, beta: float) -> float:
    """`c_k`, by which `x(k)` leaves 0 as `p` leaves 1/2 (module docstring); its limit for `k = inf`."""
    w, e = math.exp(-beta), math.exp(-2 * beta)
    if math.isinf(k):
        mu = (1 + e) / 2
        return (2 / w + 2 / mu - (1 - e) / mu**2) / (1 / w + 1 / mu) / beta
    V = 1 / (1 + w * k)
    R = reciprocal_mean(k - 1, 0.5, 1 + w, 1.0, e)
    Q = reciprocal_mean(k - 1, 0.5, 1 + w, 1.0, e, lambda t: t)
    # (1-e)/(D (D+1-e)) = 1/D - 1/(D+1-e), and D = (1+w+e) + m + (k-2-m) e
    S = 0.0 if k == 1 else -(k - 1) * reciprocal_mean(k - 2, 0.5, 1 + w + e, 1.0, e, lambda t: -np.expm1(-(1 - e) * t))
    return (2 * V + 2 * R + S) / (V * (1 - w * V) + R - w * Q) / beta


def onset(p: float, k: int | float, later: int | float) -> float:
    """The smallest `beta` at which the rare class is farther out at `later` negatives than at `k < later`.

    At `p = 1/2` the limit `c_later = c_k`; else `x(later) = x(k)`, both inside of (-1, 1).

    Raises:
        ValueError: if there is no change of sign for beta from 1 to 3.
    """
    if p == 0.5:
        return float(brentq(lambda beta: retreat_rate(later, beta) - retreat_rate(k, beta), 1.0, 3.0, xtol=1e-12))
    return float(brentq(lambda beta: rare_cosine(p, later, beta) - rare_cosine(p, k, beta), 1.0, 3.0, xtol=1e-12))


def first_onset(p: float) -> tuple[float, int]:
    """The smallest `onset` over consecutive integers, and its `k` (float64; proved at `p = 1/2`, `verify.retreat`).

    `onset(p, k, k + 1)` falls to its least value and rises to that of the limit: bisection on its differences.
    """
    low, high = 3, 1 << 11  # beyond, the difference of two neighbours is near rounding
    while high - low > 1:
        k = (low + high) // 2
        if onset(p, k, k + 1) < onset(p, k - 1, k):
            low = k
        else:
            high = k
    return onset(p, low, low + 1), low
