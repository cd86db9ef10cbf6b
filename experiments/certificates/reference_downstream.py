"""The downstream loss of the minimizer by another route: mpmath at 75 digits, the minimizer of `reference`, and a gap.

Nothing here is shared with `verify` and its checker. Minimizers of two and three classes only; of points on a graph,
those of `reference_graph`.
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
#: Of each point the mass of each class.
Masses = Sequence[Sequence[Fraction]]
MAX_DRAWS = 5000
#: What a value found by Newton's method may miss.
TINY = mp.mpf(10) ** -50
#: A squared length below this is 0 (minimizers are known to about 60 digits).
PIVOT = mp.mpf(10) ** -40


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
    gram = minimizer(loss, rho, k, beta)
    masses = [[w if c == y else Fraction(0) for y in range(len(rho))] for c, w in enumerate(weights)]
    if classifier == "mean":
        points = factored(gram)
        return _loss(loss, masses, beta, points, points)[0]
    return smallest_loss(loss, masses, beta, gram, d)


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


def factored(gram: Rows) -> Rows:
    """Rows with this Gram matrix, in as few dimensions as it has: Cholesky's, the largest pivots first."""
    n, order, columns = range(len(gram)), list[int](), list[list[Number]]()
    while True:
        left = [gram[i][i] - mp.fsum(column[i] ** 2 for column in columns) for i in n]
        pivot = max(n, key=lambda i: left[i])
        if left[pivot] < PIVOT:
            break
        root = mp.sqrt(left[pivot])
        order.append(pivot)
        columns.append(
            [
                mp.mpf(0)
                if i in order[:-1]
                else (gram[i][pivot] - mp.fsum(column[i] * column[pivot] for column in columns)) / root
                for i in n
            ]
        )
    points = [[column[i] for column in columns] for i in n]
    if any(abs(_dot(points[i], points[j]) - gram[i][j]) > TINY for i in n for j in n):
        raise ValueError("the rank of the minimizer is not clear")
    return points


def _loss(loss: str, masses: Masses, beta: Fraction, points: Rows, vectors: Rows) -> tuple[Number, Rows]:
    """The loss of the classifier with rows `vectors`, and its gradient in them."""
    b, value = number(beta), mp.mpf(0)
    gradient = [[mp.mpf(0)] * len(points[0]) for _ in vectors]
    for u, row in zip(points, masses, strict=True):
        scores = [_dot(u, w) for w in vectors]
        for c, mass in enumerate(row):
            if not mass:
                continue
            e = {j: mp.exp(b * (score - scores[c])) for j, score in enumerate(scores) if j != c}
            if loss == "logistic":
                total = 1 + mp.fsum(e.values())
                one, slopes = mp.log(total), {j: x / total for j, x in e.items()}
            elif loss == "exponential":
                one, slopes = mp.fsum(e.values()), e
            elif loss == "separable":
                one, slopes = mp.fsum(mp.log(1 + x) for x in e.values()), {j: x / (1 + x) for j, x in e.items()}
            else:
                raise ValueError(loss)
            value += number(mass) * one
            for j, slope in slopes.items():
                for i, x in enumerate(u):
                    step = number(mass) * b * slope * x
                    gradient[j][i] += step
                    gradient[c][i] -= step
    return value, gradient


def smallest_loss(loss: str, masses: Masses, beta: Fraction, gram: Rows, d: int) -> Number:
    """`inf over |w_y| = 1` of `sum_iy masses_iy l((beta u_i.(w_y - w_z))_(z != y))`, the u_i in d dimensions.

    That over the ball, which is the same if there is room beside the points or all |w_y| are 1. Newton's method from a
    float64 minimizer; then the gap: the loss is convex in the classifier, so with its gradient g at w the infimum over
    the ball is at least `L(w) - sum_y (|g_y| + g_y.w_y)`.

    Raises:
        ValueError: if this reference cannot tell.
    """
    points = factored(gram)
    start = _float_classifier(loss, masses, beta, points)
    free = [j for j, w in enumerate(start) if np.linalg.norm(w) < 1 - 1e-6]
    if free and d <= len(points[0]):
        raise ValueError("the best classifier of the ball is not on the sphere, and there is no room beside the points")
    vectors = _polished(loss, masses, beta, points, start, free)
    value, gradient = _loss(loss, masses, beta, points, vectors)
    gap = mp.fsum(mp.sqrt(_dot(g, g)) + _dot(g, w) for g, w in zip(gradient, vectors, strict=True))
    if gap > TINY or any(_dot(w, w) > 1 + TINY for w in vectors):
        raise ValueError("the best classifier was not found")
    return value


def _polished(loss: str, masses: Masses, beta: Fraction, points: Rows, start: np.ndarray, free: list[int]) -> Rows:
    """The stationary classifier near `start`: rows of length 1 with a multiplier, those in `free` without."""
    bound = [j for j in range(len(start)) if j not in free]

    def equations(*unknowns: Number) -> list[Number]:
        left = list(unknowns)
        vectors = [[left.pop(0) for _ in w] for w in start]
        multipliers = dict(zip(bound, left, strict=True))
        found = []
        for j, (w, g) in enumerate(zip(vectors, _loss(loss, masses, beta, points, vectors)[1], strict=True)):
            found += [x + multipliers.get(j, mp.mpf(0)) * y for x, y in zip(g, w, strict=True)]
            if j in multipliers:
                found.append(_dot(w, w) - 1)
        return found

    vectors = [[mp.mpf(float(x)) for x in w] for w in start]
    slopes = _loss(loss, masses, beta, points, vectors)[1]
    first = [x for w in vectors for x in w] + [-_dot(slopes[j], vectors[j]) for j in bound]
    try:
        solved = list(mp.findroot(equations, first, tol=1e-110))
    except (ValueError, ZeroDivisionError):
        raise ValueError("Newton's method finds no classifier") from None
    return [[solved.pop(0) for _ in w] for w in start]


def _float_classifier(loss: str, masses: Masses, beta: Fraction, points: Rows) -> np.ndarray:
    """A float64 minimizer over the ball, by sequential quadratic programs."""
    U = np.array([[float(x) for x in u] for u in points])
    M, b = np.array([[float(x) for x in row] for row in masses]), float(beta)
    C = M.shape[1]

    def value(flat: np.ndarray) -> float:
        scores = U @ flat.reshape(C, -1).T
        e = np.exp(b * (scores[:, None, :] - scores[:, :, None]))  # point, class, other class
        e[:, np.arange(C), np.arange(C)] = 0
        losses = {
            "logistic": lambda: np.log1p(e.sum(axis=2)),
            "exponential": lambda: e.sum(axis=2),
            "separable": lambda: np.log1p(e).sum(axis=2),
        }[loss]()
        return float((M * losses).sum())

    def lengths(flat: np.ndarray) -> np.ndarray:
        squares: np.ndarray = (flat.reshape(C, -1) ** 2).sum(axis=1)
        return squares

    means = M.T @ U / M.sum(axis=0)[:, None]
    start = [float(x) for x in 0.9 * means.ravel()]
    ball = NonlinearConstraint(lengths, -np.inf, 1.0)
    found = minimize(value, start, method="SLSQP", constraints=ball, tol=1e-15)
    return found.x.reshape(C, -1)


def _dot(x: Sequence[Number], y: Sequence[Number]) -> Number:
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))
