"""The same minima by another route: mpmath at 60 digits and more, enumeration over all negatives, no quadrature.

Nothing here is shared with `verify.certify` or `verify.checker`. Small problems only: the number of terms is the
number of ways in which k negatives fall on C classes, and minimizers are found for C = 2 and C = 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from mpmath import MPContext
from scipy.optimize import minimize

Number = Any  # a number of the context below

#: Before the weight of the weighted logistic loss.
WEIGHTED = "weighted-logistic:"

mp = MPContext()
mp.dps = 75


@dataclass(frozen=True)
class Minimum:
    """The minimum and the Gram matrix that attains it, to about 60 digits."""

    loss: Number
    gram: list[list[Number]]


def compositions(k: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write k as an ordered sum of `parts` non-negative integers."""
    if parts == 1:
        yield (k,)
        return
    for first in range(k + 1):
        for rest in compositions(k - first, parts - 1):
            yield (first, *rest)


def number(q: Fraction) -> Number:
    return mp.mpf(q.numerator) / q.denominator


@lru_cache(maxsize=64)
def draws_of(rho: tuple[Fraction, ...], k: int) -> list[tuple[tuple[int, ...], Number]]:
    """Every count of negatives by class, with its multinomial probability."""
    draws = []
    for counts in compositions(k, len(rho)):
        weight = mp.factorial(k)
        for n, r in zip(counts, rho, strict=True):
            weight *= number(r) ** n / mp.factorial(n)
        draws.append((counts, weight))
    return draws


def weight_of(loss: str, k: int) -> Number:
    """q/k of `log(1 + (q/k) sum)`, whose name is `WEIGHTED` and q."""
    return number(Fraction(loss.removeprefix(WEIGHTED))) / k


def loss_of(loss: str, counts: Sequence[int], X: Sequence[Number]) -> tuple[Number, list[Number]]:
    """`l` where class j is drawn `counts[j]` times and has `X_j = exp(-v_j)`, and its derivatives in X."""
    total = mp.fsum(n * x for n, x in zip(counts, X, strict=True))
    if loss == "logistic":
        return mp.log(1 + total), [n / (1 + total) for n in counts]
    if loss.startswith(WEIGHTED):
        w = weight_of(loss, sum(counts))
        return mp.log(1 + w * total), [w * n / (1 + w * total) for n in counts]
    if loss == "decoupled":
        return mp.log(total), [n / total for n in counts]
    if loss == "exponential":
        return total, [mp.mpf(n) for n in counts]
    if loss == "separable":
        terms = [n * mp.log(1 + x) for n, x in zip(counts, X, strict=True)]
        return mp.fsum(terms), [n / (1 + x) for n, x in zip(counts, X, strict=True)]
    if loss.startswith("weighted-logistic:"):
        weight = number(Fraction(loss.partition(":")[2])) / sum(counts)
        return mp.log(1 + weight * total), [n * weight / (1 + weight * total) for n in counts]
    if loss == "hinge":
        worst = max(mp.log(x) for n, x in zip(counts, X, strict=True) if n)
        return max(mp.mpf(0), 1 + worst), []
    raise ValueError(loss)


def population_loss(
    loss: str, rho: tuple[Fraction, ...], k: int, beta: Fraction, gram: list[list[Number]]
) -> tuple[Number, list[list[Number]]]:
    """`L_k(G)` and `dL/dG_cj` (row c the anchor) by enumeration."""
    b, value, gradient = number(beta), mp.mpf(0), []
    for c, row in enumerate(gram):
        X = [mp.exp(b * (g - row[c])) for g in row]
        slopes = [mp.mpf(0)] * len(rho)
        for counts, weight in draws_of(rho, k):
            one, derivatives = loss_of(loss, counts, X)
            value += number(rho[c]) * weight * one
            for j, slope in enumerate(derivatives):
                slopes[j] += weight * slope
        gradient.append([number(rho[c]) * b * x * s for x, s in zip(X, slopes, strict=True)])
    return value, gradient


def etf_minimum(loss: str, C: int, k: int, beta: Fraction) -> Number:
    """`E l(0 (m times), beta C/(C-1) (k-m times))`, `m ~ Bin(k, 1/C)`, as a sum over m."""
    x = mp.exp(-number(beta * Fraction(C, C - 1)))
    p, total = mp.mpf(1) / C, mp.mpf(0)
    for m in range(k + 1):
        weight = mp.binomial(k, m) * p**m * (1 - p) ** (k - m)
        total += weight * loss_of(loss, (m, k - m), (mp.mpf(1), x))[0]
    return total


@lru_cache(maxsize=256)
def minimum(loss: str, rho: tuple[Fraction, ...], k: int, beta: Fraction) -> Minimum:
    """The minimum over embeddings for C = 2 (opposite points) or C = 3 (the best of collapsed and planar ones).

    C = 3: an optimal Gram matrix has rank at most 2, so two angles describe it. The best of the sign patterns and
    of the stationary points that Newton's method reaches from a float64 minimizer.
    """
    C = len(rho)
    found = []
    for signs in product([1, -1], repeat=C - 1):
        row = (1, *signs)
        gram = [[mp.mpf(a * b) for b in row] for a in row]
        found.append(Minimum(population_loss(loss, rho, k, beta, gram)[0], gram))
    if C == 3:
        start = _float_angles(loss, rho, k, beta)
        try:
            angles = mp.findroot(
                lambda a, b: _slope(loss, rho, k, beta, (mp.mpf(0), a, b)), [mp.mpf(x) for x in start], tol=1e-130
            )
        except (ValueError, ZeroDivisionError):  # a collapsed minimum: the Hessian in the angles may be singular
            pass
        else:
            gram = _gram((mp.mpf(0), angles[0], angles[1]))
            found.append(Minimum(population_loss(loss, rho, k, beta, gram)[0], gram))
    elif C != 2:
        raise ValueError("minimizers are found for two and three classes")
    return min(found, key=lambda one: one.loss)


def _gram(angles: Sequence[Number]) -> list[list[Number]]:
    return [[mp.cos(a - b) for b in angles] for a in angles]


def _slope(loss: str, rho: tuple[Fraction, ...], k: int, beta: Fraction, angles: Sequence[Number]) -> list[Number]:
    """Derivatives of the loss in all angles but the first."""
    _, gradient = population_loss(loss, rho, k, beta, _gram(angles))
    slopes = []
    for c in range(1, len(angles)):
        terms = [
            (gradient[c][j] + gradient[j][c]) * -mp.sin(angles[c] - angles[j]) for j in range(len(angles)) if j != c
        ]
        slopes.append(mp.fsum(terms))
    return slopes


def _float_angles(loss: str, rho: tuple[Fraction, ...], k: int, beta: Fraction) -> list[float]:
    """A float64 minimizer over two angles, the same enumeration in doubles."""
    masses, b = np.array([float(r) for r in rho]), float(beta)
    counts = np.array([n for n, _ in draws_of(rho, k)], dtype=float)
    weights = np.array([float(w) for _, w in draws_of(rho, k)])

    def value(x: np.ndarray) -> float:
        angles = np.array([0.0, *x])
        X = np.exp(b * (np.cos(angles[:, None] - angles[None, :]) - 1))
        S = counts @ X.T
        losses = {
            "logistic": lambda: np.log1p(S),
            WEIGHTED: lambda: np.log1p(float(weight_of(loss, k)) * S),
            "decoupled": lambda: np.log(S),
            "exponential": lambda: S,
            "separable": lambda: counts @ np.log1p(X).T,
        }[WEIGHTED if loss.startswith(WEIGHTED) else loss]()
        return float(weights @ losses @ masses)

    starts = [(2.0, 4.0), (2.6, 3.7), (3.0, 3.3), (1.5, 3.5), (2.8, 4.7)]
    best = min((minimize(value, start, method="BFGS", tol=1e-12) for start in starts), key=lambda result: result.fun)
    return [float(x) for x in best.x]
