"""The downstream loss of the minimizer by another route: mpmath at 75 digits, the minimizer of `reference`, and a gap.

Nothing here is shared with `verify` and its checker. Two and three classes only.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb

import numpy as np
from scipy.optimize import NonlinearConstraint, minimize

from experiments.certificates.reference import Number, minimum, mp, number

Rows = list[list[Number]]
MAX_DRAWS = 5000
#: What a value found by Newton's method may miss.
TINY = mp.mpf(10) ** -50


@lru_cache(maxsize=4096)
def downstream_loss(
    loss: str,
    rho: tuple[Fraction, ...],
    k: int,
    beta: Fraction,
    weights: tuple[Fraction, ...],
    classifier: str,
    d: int,
) -> Number:
    """`inf over |w_j| = 1` ("optimal") or `w = u` ("mean") of `sum_c weights_c l((beta u_c.(w_c - w_j))_(j != c))`.

    The u_c in d dimensions are those that minimize the contrastive loss for `rho`, `k` and `beta`.

    Raises:
        ValueError: if this reference cannot tell.
    """
    points = _factor(minimizer(loss, rho, k, beta))
    if classifier == "mean":
        return _loss(loss, weights, beta, points, points)[0]
    return _smallest(loss, weights, beta, points, d > len(points[0]))


@lru_cache(maxsize=4096)
def minimizer(loss: str, rho: tuple[Fraction, ...], k: int, beta: Fraction) -> Rows:
    """The Gram matrix of the minimizer, which for two classes and for equal ones does not depend on `k`.

    Nor does it for the losses that are sums over the negatives, whose mean is k times that of one.
    """
    C = len(rho)
    if C not in (2, 3):
        raise ValueError("minimizers are found for two and three classes")
    if C == 2 or len(set(rho)) == 1:
        return [[mp.mpf(1) if c == j else mp.mpf(-1) / (C - 1) for j in range(C)] for c in range(C)]
    if loss in ("exponential", "separable"):
        k = 1
    if comb(k + C - 1, k) > MAX_DRAWS:
        raise ValueError(f"k = {k}: too many negatives to enumerate")
    return minimum(loss, rho, k, beta).gram


def _factor(gram: Rows) -> Rows:
    """Rows u_c with this Gram matrix: numbers if all are 1 or -1, else in the plane, the first at (1, 0)."""
    cosines = gram[0]
    if all(abs(abs(x) - 1) < TINY for x in cosines):
        return [[mp.mpf(round(x))] for x in cosines]
    sines = [mp.sqrt(max(mp.mpf(0), 1 - x * x)) for x in cosines]
    first = next(c for c, s in enumerate(sines) if s > TINY)
    sides = [1 if g >= x * cosines[first] else -1 for g, x in zip(gram[first], cosines, strict=True)]
    points = [[x, side * s] for x, side, s in zip(cosines, sides, sines, strict=True)]
    for u, row in zip(points, gram, strict=True):
        for v, g in zip(points, row, strict=True):
            if abs(_dot(u, v) - g) > TINY:
                raise ValueError("the minimizer is not in the plane")
    return points


def _loss(loss: str, weights: Sequence[Fraction], beta: Fraction, points: Rows, vectors: Rows) -> tuple[Number, Rows]:
    """The loss of the classifier with rows `vectors`, and its gradient in them."""
    b, value = number(beta), mp.mpf(0)
    gradient = [[mp.mpf(0)] * len(points[0]) for _ in vectors]
    for c, (u, weight) in enumerate(zip(points, weights, strict=True)):
        others = [j for j in range(len(points)) if j != c]
        own = _dot(u, vectors[c])
        e = {j: mp.exp(b * (_dot(u, vectors[j]) - own)) for j in others}
        if loss == "logistic":
            total = 1 + mp.fsum(e.values())
            one, slopes = mp.log(total), {j: e[j] / total for j in others}
        elif loss == "exponential":
            one, slopes = mp.fsum(e.values()), e
        elif loss == "separable":
            one, slopes = mp.fsum(mp.log(1 + x) for x in e.values()), {j: e[j] / (1 + e[j]) for j in others}
        else:
            raise ValueError(loss)
        value += number(weight) * one
        for j in others:
            for i, x in enumerate(u):
                step = number(weight) * b * slopes[j] * x
                gradient[j][i] += step
                gradient[c][i] -= step
    return value, gradient


def _smallest(loss: str, weights: Sequence[Fraction], beta: Fraction, points: Rows, roomy: bool) -> Number:
    """The infimum over the ball, which is that over the sphere if there is room beside the points or all |w_j| are 1.

    Newton's method from a float64 minimizer; then the gap: the loss is convex in the classifier, so with its gradient
    g at w the infimum over the ball is at least `L(w) - sum_j (|g_j| + g_j.w_j)`.
    """
    start = _float_classifier(loss, weights, beta, points)
    free = [j for j, w in enumerate(start) if np.linalg.norm(w) < 1 - 1e-6]
    if free and not roomy:
        raise ValueError("the best classifier of the ball is not on the sphere, and there is no room beside the points")
    vectors = _polished(loss, weights, beta, points, start, free)
    value, gradient = _loss(loss, weights, beta, points, vectors)
    gap = mp.fsum(mp.sqrt(_dot(g, g)) + _dot(g, w) for g, w in zip(gradient, vectors, strict=True))
    if gap > TINY or any(_dot(w, w) > 1 + TINY for w in vectors):
        raise ValueError("the best classifier was not found")
    return value


def _polished(
    loss: str, weights: Sequence[Fraction], beta: Fraction, points: Rows, start: np.ndarray, free: list[int]
) -> Rows:
    """The stationary classifier near `start`: rows of length 1 by their angle, those in `free` by their coordinates."""
    plane = len(points[0]) == 2

    def rows(unknowns: Sequence[Number]) -> Rows:
        left = list(unknowns)
        vectors = []
        for j, w in enumerate(start):
            if j in free:
                vectors.append([left.pop(0) for _ in w])
            elif plane:
                angle = left.pop(0)
                vectors.append([mp.cos(angle), mp.sin(angle)])
            else:
                vectors.append([mp.sign(mp.mpf(w[0]))])
        return vectors

    def slopes(*unknowns: Number) -> list[Number]:
        vectors = rows(unknowns)
        found = []
        for j, (w, g) in enumerate(zip(vectors, _loss(loss, weights, beta, points, vectors)[1], strict=True)):
            if j in free:
                found += g
            elif plane:
                found.append(w[0] * g[1] - w[1] * g[0])
        return found

    first: list[Number] = []
    for j, w in enumerate(start):
        if j in free:
            first += [mp.mpf(float(x)) for x in w]
        elif plane:
            first.append(mp.mpf(float(np.arctan2(w[1], w[0]))))
    if not first:
        return rows(first)
    try:
        solved = mp.findroot(slopes, first, tol=1e-110)
    except (ValueError, ZeroDivisionError):
        raise ValueError("Newton's method finds no classifier") from None
    return rows(list(solved))


def _float_classifier(loss: str, weights: Sequence[Fraction], beta: Fraction, points: Rows) -> np.ndarray:
    """A float64 minimizer over the ball, by sequential quadratic programs."""
    U = np.array([[float(x) for x in u] for u in points])
    C, b = len(U), float(beta)
    masses = np.array([float(w) for w in weights])

    def value(flat: np.ndarray) -> float:
        scores = U @ flat.reshape(U.shape).T
        e = np.exp(b * (scores - np.diag(scores)[:, None]))
        e[np.diag_indices(C)] = 0
        losses = {
            "logistic": lambda: np.log1p(e.sum(axis=1)),
            "exponential": lambda: e.sum(axis=1),
            "separable": lambda: np.log1p(e).sum(axis=1),
        }[loss]()
        return float(masses @ losses)

    def lengths(flat: np.ndarray) -> np.ndarray:
        squares: np.ndarray = (flat.reshape(U.shape) ** 2).sum(axis=1)
        return squares

    start = [float(x) for x in 0.9 * U.ravel()]
    ball = NonlinearConstraint(lengths, -np.inf, 1.0)
    found = minimize(value, start, method="SLSQP", constraints=ball, tol=1e-15)
    return found.x.reshape(U.shape)


def _dot(x: Sequence[Number], y: Sequence[Number]) -> Number:
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))
