"""Minimizers on augmentation graphs by another route: all points apart, all negatives enumerated, 75 digits.

Nothing here is shared with `verify` and its checker: groups are taken apart into their points, and neither a threshold
nor a gap is used. Few points and negatives only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any

import numpy as np
from scipy.optimize import minimize

from experiments.certificates.reference import Minimum, Number, draws_of, loss_of, mp, number

Rows = list[list[Number]]
MAX_POINTS = 6
MAX_DRAWS = 400
MAX_STEPS = 40
#: What a value found by Newton's method may miss.
TINY = mp.mpf(10) ** -45


@dataclass(frozen=True)
class PointGraph:
    """The mass of every ordered pair of points; the group and the class of each point (none: no labels)."""

    joint: tuple[tuple[Fraction, ...], ...]
    groups: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def marginal(self) -> tuple[Fraction, ...]:
        return tuple(sum(row, Fraction(0)) for row in self.joint)

    @property
    def crosses(self) -> bool:
        """Whether a positive pair has points of two classes."""
        n = range(len(self.joint))
        return any(self.joint[i][p] and self.labels[i] != self.labels[p] for i in n for p in n)


def points_of(fields: dict[str, Any]) -> PointGraph | None:
    """The field `graph` of a statement, its groups taken apart; None if it is no law of pairs, or its labels are none.

    Raises:
        ValueError: if there are more than `MAX_POINTS` points.
    """
    counts, same, labels = fields["counts"], [Fraction(x) for x in fields["same"]], fields.get("labels", [])
    if sum(counts) > MAX_POINTS:
        raise ValueError(f"{sum(counts)} points are too many for the reference")
    joint = {(g, h): Fraction(mass) for g, h, mass in fields["joint"]}
    if not set(fields) <= {"counts", "same", "joint", "labels"} or len(same) != len(counts) or min(counts) < 1:
        return None
    if len(joint) != len(fields["joint"]) or any(g > h or (g == h and counts[g] == 1) for g, h in joint):
        return None
    if min(same) < 0 or min(joint.values(), default=Fraction(1)) <= 0:
        return None
    if labels and (len(labels) != len(counts) or set(labels) != set(range(max(labels) + 1)) or max(labels) == 0):
        return None
    groups = tuple(g for g, n in enumerate(counts) for _ in range(n))

    def mass(i: int, p: int) -> Fraction:
        g, h = sorted((groups[i], groups[p]))
        if i == p:
            return same[g] / counts[g]
        return joint.get((g, h), Fraction(0)) / (counts[g] * (counts[h] - (g == h)))

    n = range(len(groups))
    graph = PointGraph(
        tuple(tuple(mass(i, p) for p in n) for i in n), groups, tuple(labels[g] for g in groups) if labels else ()
    )
    return graph if sum(graph.marginal) == 1 and min(graph.marginal) > 0 else None


def population_loss(loss: str, graph: PointGraph, k: int, beta: Fraction, gram: Rows) -> tuple[Number, Rows]:
    """`sum_ip W_ip E l((beta (G_ip - G_iJ_m))_m)` by enumeration, and its derivatives `dL/dG_ij`."""
    n, b, value = range(len(graph.joint)), number(beta), mp.mpf(0)
    gradient = [[mp.mpf(0) for _ in n] for _ in n]
    draws = draws_of(graph.marginal, k)
    for i in n:
        for p in n:
            if not graph.joint[i][p]:
                continue
            mass, X = number(graph.joint[i][p]), [mp.exp(b * (gram[i][j] - gram[i][p])) for j in n]
            for counts, weight in draws:
                one, derivatives = loss_of(loss, counts, X)
                value += mass * weight * one
                for j, slope in enumerate(derivatives):
                    step = mass * weight * b * X[j] * slope
                    gradient[i][j] += step
                    gradient[i][p] -= step
    return value, gradient


@lru_cache(maxsize=512)
def minimum(loss: str, graph: PointGraph, k: int, beta: Fraction) -> Minimum:
    """The minimum over all embeddings of the points, and its Gram matrix.

    Newton's method on the stationary points of each rank, from a float64 minimizer. It is the minimum since the problem
    is convex in the Gram matrix: there are y with `S = A - Diag(y)` positive semidefinite and `S G = 0`, A the
    symmetrized gradient.

    Raises:
        ValueError: if this reference cannot tell.
    """
    if comb(k + len(graph.joint) - 1, k) > MAX_DRAWS:
        raise ValueError(f"k = {k}: too many negatives to enumerate")
    start = _float_gram(loss, graph, k, beta)
    likely = int((np.linalg.eigvalsh(start) > 1e-5).sum())
    for rank in sorted(range(1, len(start) + 1), key=lambda r: abs(r - likely)):
        gram = _stationary(loss, graph, k, beta, start, rank)
        if gram is not None:
            value, gradient = population_loss(loss, graph, k, beta, gram)
            if _is_optimal(gram, gradient):
                return Minimum(value, gram)
    raise ValueError("no minimizer was found")


def factor(gram: np.ndarray, rank: int) -> tuple[list[int], np.ndarray]:
    """An order of the points, and lower triangular rows of length 1 with about this Gram matrix in that order."""
    values, vectors = np.linalg.eigh(gram)
    V = vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 0.0))
    V /= np.linalg.norm(V, axis=1, keepdims=True)
    order: list[int] = []
    left = V.copy()
    for _ in range(rank):
        order.append(int(np.argmax(np.linalg.norm(left, axis=1))))
        q = left[order[-1]] / np.linalg.norm(left[order[-1]])
        left = left - np.outer(left @ q, q)
    order += [i for i in range(len(V)) if i not in order]
    Q, _ = np.linalg.qr(V[order[:rank]].T)
    turned = V[order] @ Q
    return order, turned * np.sign(np.diag(turned[:rank]))


def _stationary(loss: str, graph: PointGraph, k: int, beta: Fraction, start: np.ndarray, rank: int) -> Rows | None:
    """The Gram matrix of this rank with `S G = 0` near `start`, if Newton's method finds one.

    Unknowns are the entries of the rows below the diagonal (which fixes the rotation) and the multipliers.
    """
    try:
        order, V = factor(start, rank)
    except (np.linalg.LinAlgError, IndexError):
        return None
    n, free = range(len(V)), [min(i + 1, rank) for i in range(len(V))]

    def rows_of(unknowns: Sequence[Number]) -> tuple[Rows, list[Number]]:
        left = list(unknowns)
        rows = [[left.pop(0) for _ in range(free[i])] + [mp.mpf(0)] * (rank - free[i]) for i in n]
        return rows, left

    def gram_of(rows: Rows) -> Rows:
        place = {i: a for a, i in enumerate(order)}
        return [[_dot(rows[place[i]], rows[place[j]]) for j in n] for i in n]

    def residual(unknowns: Sequence[Number]) -> list[Number]:
        rows, y = rows_of(unknowns)
        _, gradient = population_loss(loss, graph, k, beta, gram_of(rows))
        equations = []
        for a, i in enumerate(order):
            pull = [
                mp.fsum((gradient[i][j] + gradient[j][i]) / 2 * rows[b][x] for b, j in enumerate(order))
                for x in range(rank)
            ]
            equations += [pull[x] - y[a] * rows[a][x] for x in range(free[a])]
            equations.append(_dot(rows[a], rows[a]) - 1)
        return equations

    first = [mp.mpf(float(V[a][x])) for a in n for x in range(free[a])]
    rows, _ = rows_of([*first, *[mp.mpf(0) for _ in n]])
    _, gradient = population_loss(loss, graph, k, beta, gram_of(rows))
    for a, i in enumerate(order):
        first.append(
            mp.fsum((gradient[i][j] + gradient[j][i]) / 2 * _dot(rows[b], rows[a]) for b, j in enumerate(order))
        )
    solved = _root(residual, first)
    return None if solved is None else gram_of(rows_of(solved)[0])


def _root(equations: Callable[[Sequence[Number]], list[Number]], start: list[Number]) -> list[Number] | None:
    """Newton's method with the Jacobian at the start: as many digits a step as the start has, for one evaluation."""
    x, value, small = list(start), equations(start), mp.mpf(10) ** -30
    columns = []
    for i in range(len(x)):
        moved = equations([v + small if i == j else v for j, v in enumerate(x)])
        columns.append([(a - b) / small for a, b in zip(moved, value, strict=True)])
    try:
        inverse = mp.inverse(mp.matrix(columns).T)
    except ZeroDivisionError:
        return None
    for _ in range(MAX_STEPS):
        step = inverse * mp.matrix(value)
        x = [v - s for v, s in zip(x, step, strict=True)]
        if mp.norm(step) < TINY**1.3:
            return x
        if mp.norm(step) > 1:
            return None
        value = equations(x)
    return None


def _is_optimal(gram: Rows, gradient: Rows) -> bool:
    """Whether S is positive semidefinite and S G = 0 (to `TINY`), and the diagonal of G is 1."""
    n = range(len(gram))
    A = mp.matrix([[(gradient[i][j] + gradient[j][i]) / 2 for j in n] for i in n])
    y = [mp.fsum(A[i, j] * gram[j][i] for j in n) for i in n]
    S = A - mp.diag(y)
    product = S * mp.matrix(gram)
    if max(abs(x) for x in product) > TINY or any(abs(gram[i][i] - 1) > TINY for i in n):
        return False
    return bool(min(mp.eigsy(S, eigvals_only=True)) > -TINY)


def _float_gram(loss: str, graph: PointGraph, k: int, beta: Fraction) -> np.ndarray:
    """A float64 minimizer over n points in n dimensions, the same enumeration in doubles."""
    W, b, n = np.array([[float(x) for x in row] for row in graph.joint]), float(beta), len(graph.joint)
    draws = draws_of(graph.marginal, k)
    counts = np.array([c for c, _ in draws], dtype=float)
    weights = np.array([float(w) for _, w in draws])

    def value_of(flat: np.ndarray) -> float:
        V = flat.reshape(n, n)
        V = V / np.linalg.norm(V, axis=1, keepdims=True)
        G = V @ V.T
        X = np.exp(b * (G[:, None, :] - G[:, :, None]))  # anchor, positive, negative
        S = X @ counts.T
        losses = {
            "logistic": lambda: np.log1p(S),
            "decoupled": lambda: np.log(S),
            "exponential": lambda: S,
            "separable": lambda: np.log1p(X) @ counts.T,
        }[loss]()
        return float((W * (losses @ weights)).sum())

    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(n, n)) for _ in range(3)]
    best = min((minimize(value_of, V.ravel(), method="BFGS", tol=1e-12) for V in starts), key=lambda found: found.fun)
    V = best.x.reshape(n, n)
    V = V / np.linalg.norm(V, axis=1, keepdims=True)
    gram: np.ndarray = V @ V.T
    return gram


def _dot(x: Sequence[Number], y: Sequence[Number]) -> Number:
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))
