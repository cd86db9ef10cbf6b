"""Coverage: the negatives meet every class other than the anchor's.

For an anchor of class `c` and `k` negatives from `rho`, two probabilities carry the classical bounds:

    v_c = P(every class j != c is met)                    = k! [t^k] e^{rho_c t} prod_{j != c} (e^{rho_j t} - 1)
    u_c = P(every class j != c is met, and no collision)  = k! [t^k]             prod_{j != c} (e^{rho_j t} - 1)

Both are smallest at the largest class (derived): for `rho_c >= rho_j` the generating function of `u_c` is that
of `u_j` with a factor `e^{rho_c t} - 1` exchanged for `e^{rho_j t} - 1`, which is coefficientwise smaller, and
every other factor has coefficients >= 0; so `u_c <= u_j`. And `v_c = P(all classes are met) + u_c`, whose first
term does not depend on `c`; so `v_c <= v_j` too.

For uniform `rho`, `v_c` is the coupon collector's `v_{k+1}`: the anchor is the first of `k + 1` draws.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

from theory.bounds.collisions import distinct, log_no_collision_worst
from theory.priors import Prior

_NEGLIGIBLE = 80.0  # contributions below e^-80 of the peak are left out


def log_coverage(prior: Prior, k: int, *, collisions: bool) -> float:
    """`log min_c v_c` (collisions allowed) or `log min_c u_c` (none), `-inf` for `k < C - 1`.

    Cauchy's integral on the circle through the saddle point of `F(t) t^-k`, `F` the generating function: all
    coefficients of `F` are >= 0, so nothing cancels but the Gaussian's own tail, and the trapezoid rule with `N`
    points errs by the coefficients at distance `N` from `k` only; they belong to a sum of independent
    zero-truncated Poisson variables, whose standard deviation `sigma` sets `N`. Inclusion-exclusion over subsets,
    with its `2^C` cancelling terms, is never used.
    """
    masses, counts = distinct(prior)
    largest = float(masses[0])
    counts = counts.copy()
    counts[0] -= 1
    masses, counts = masses[counts > 0], counts[counts > 0]
    needed = round(float(counts.sum()))
    if k < needed:
        return -math.inf
    if k == needed:  # every draw meets another class: no collision, and no saddle point
        return math.lgamma(k + 1) + float(counts @ np.log(masses))
    free = largest if collisions else 0.0
    log_total = 0.0 if collisions else log_no_collision_worst(prior, 1)
    total = math.exp(log_total)

    def surplus(log_r: float) -> float:
        x = masses * math.exp(log_r)
        return float(counts @ (x / -np.expm1(-x))) + free * math.exp(log_r) - k

    # any radius near the saddle point serves
    low, high = math.log(1e-12), math.log(4.0 * k / total)
    r = math.exp(
        low
        + (high - low) / 2**30 * bisect_left(range(2**30), 0.0, key=lambda i: surplus(low + (high - low) / 2**30 * i))
    )
    x = masses * r
    tail = np.exp(-x) / -np.expm1(-x)
    variance = float(counts @ (x * (1 + tail) - x**2 * tail * (1 + tail))) + free * r
    half = int(8 * math.sqrt(max(variance, 0.0))) + 32

    def log_size(index: int) -> float:
        """A bound on `log |F(r e^{i theta}) / F(r)|` that falls with `theta`: `|e^z - 1| <= e^{Re z} + 1`."""
        cosine = math.cos(math.pi * index / half)
        factors = np.logaddexp(0.0, x * cosine) - x - np.log(-np.expm1(-x))
        return free * r * (cosine - 1) + float(counts @ factors)

    last = half if log_size(half) > -_NEGLIGIBLE else bisect_left(range(half), _NEGLIGIBLE, key=lambda i: -log_size(i))
    theta = np.pi * np.arange(last + 1) / half
    weights = np.full(last + 1, 2.0)
    weights[0] = 1.0
    if last == half:
        weights[-1] = 1.0

    at_r = float(counts @ np.log(-np.expm1(-x)))
    around = 0.0
    for start in range(0, last + 1, 512):
        angle = theta[start : start + 512]
        turn = -2 * np.sin(angle / 2) ** 2 + 1j * np.sin(angle)  # e^{i theta} - 1
        log_ratio = total * r * turn - 1j * k * angle - at_r  # log (F(t) / F(r)) - i k theta
        for mass, count in zip(masses, counts, strict=True):
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                log_ratio = log_ratio + count * _log1mexp(mass * r * (1 + turn))
        around += float(weights[start : start + 512] @ np.nan_to_num(np.exp(log_ratio).real))
    if around <= 0:  # a probability times positive factors: it cannot vanish but by underflow
        return -math.inf
    y = total * r / k
    log_peak = _log_factorial_over_power(k) + k * (y - 1 - math.log(y)) + k * log_total + at_r
    return min(log_peak + math.log(around / (2 * half)), 0.0)


def _log1mexp(z: np.ndarray) -> np.ndarray:
    """`log(1 - e^-z)` for complex `z`, without overflow where `Re z < 0`."""
    positive = z.real >= 0
    safe = np.where(positive, z, -z)
    value = np.log(-np.expm1(-safe))
    # 1 - e^-z = -e^-z (1 - e^z)
    result: np.ndarray = np.where(positive, value, value - z + 1j * np.pi)
    return result


def _log_factorial_over_power(k: int) -> float:
    """`log(k! e^k / k^k)`, by Stirling's series where the three parts would cancel."""
    if k < 64:
        return math.lgamma(k + 1) + k - k * math.log(k)
    series = 1 / (12 * k) - 1 / (360 * k**3) + 1 / (1260 * k**5) - 1 / (1680 * k**7)
    return 0.5 * math.log(2 * math.pi * k) + series
