"""Families of augmentation graphs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from theory.augmentation.graph import Graph, from_entries
from theory.errors import InputError
from theory.priors import Prior


def block(prior: Prior, points: int | Sequence[int], overlap: Fraction) -> Graph:
    """The block family: the classes of `prior` have `points` equal points each (or `points[c]`), and `x+` is the same
    point with probability `1 - overlap`, else uniform in the class. The gap of every class is exactly `overlap`.

    Raises:
        InputError: if the overlap is outside [0, 1], or there is not one number of points >= 1 for each class.
    """
    sizes = [points] * prior.C if isinstance(points, int) else list(points)
    if len(sizes) != prior.C or min(sizes) < 1:
        raise InputError("points", points, "a number of points >= 1, or one for each class")
    if not 0 <= overlap <= 1:
        raise InputError("overlap", overlap, "accepted: a number from 0 to 1")
    away = [overlap * Fraction(m - 1, m) for m in sizes]
    same = tuple(rho * (1 - a) for rho, a in zip(prior.rho, away, strict=True))
    joint = {(c, c): rho * a for c, (rho, a) in enumerate(zip(prior.rho, away, strict=True)) if a}
    return Graph(tuple(sizes), same, joint, tuple(range(prior.C)))


def exchangeable(prior: Prior, points: int, same: Fraction, within: Fraction) -> Graph:
    """Equal classes of `points` equal points: `x+` is the same point with probability `same`, another one of the class
    with `within`, one of another class with the rest, uniformly each time (`theory.augmentation.block.Block`).

    Raises:
        InputError: if the classes are not equal, fewer than 2, of fewer than 2 points, or the shares are no law.
    """
    C = prior.C
    if C < 2 or points < 2 or len(set(prior.rho)) > 1:
        raise InputError("points", f"C = {C}, {points} points", "at least 2 equal classes of 2 points")
    if not (same >= 0 and within >= 0 and same + within <= 1):
        raise InputError("overlap", (same, within), "probabilities with a sum of at most 1")
    across = (1 - same - within) / (C - 1)
    joint = {(g, h): (within if g == h else across) / C for g in range(C) for h in range(g, C)}
    return Graph((points,) * C, (same / C,) * C, {key: x for key, x in joint.items() if x}, tuple(range(C)))


def mixed_across(graph: Graph, share: Fraction) -> Graph:
    """`(1 - share) W + share pi pi^T`: with probability `share` the positive is a point drawn from all of them.

    Raises:
        InputError: if the share is outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError("across", share, "accepted: a number from 0 to 1")
    pi, counts, m = graph.marginal, graph.counts, len(graph.counts)
    same = tuple((1 - share) * s + share * p * p / n for s, p, n in zip(graph.same, pi, counts, strict=True))
    joint = {key: (1 - share) * mass for key, mass in graph.joint.items()}
    for g in range(m):
        for h in range(g, m):
            independent = pi[g] * pi[h] * (Fraction(counts[g] - 1, counts[g]) if g == h else 1)
            if independent:
                joint[g, h] = joint.get((g, h), Fraction(0)) + share * independent
    return Graph(counts, same, {key: mass for key, mass in joint.items() if mass}, graph.labels)


def hierarchy(
    coarse: int, fine: int, points: int, overlap: Fraction, leak: Fraction
) -> tuple[Graph, tuple[int, ...], tuple[int, ...]]:
    """Equal classes within equal classes: the graph (one group a fine class), and its coarse and its fine labels.

    The positive is the same point with probability `1 - overlap - leak`, uniform in the fine class with `overlap`,
    uniform in the coarse class with `leak`. The graph's own labels are the coarse ones, which no pair leaves.

    Raises:
        InputError: if there are fewer than 2 coarse or 1 fine classes or points, or the shares are no law.
    """
    if coarse < 2 or fine < 1 or points < 1:
        raise InputError("tasks", (coarse, fine, points), "at least 2 coarse classes, 1 fine class and 1 point each")
    if not (overlap >= 0 and leak >= 0 and overlap + leak <= 1):
        raise InputError("overlap", (overlap, leak), "shares >= 0 with a sum of at most 1")
    m, all_points = coarse * fine, fine * points
    mass = Fraction(1, m)
    to_point = (1 - overlap - leak) + overlap / points + leak / all_points
    to_mates = (points - 1) * (overlap / points + leak / all_points)
    joint = {(g, g): mass * to_mates for g in range(m) if to_mates}
    for g in range(m):
        for h in range(g + 1, m):
            if g // fine == h // fine and leak:
                joint[g, h] = mass * points * leak / all_points
    labels = tuple(g // fine for g in range(m))
    return Graph((points,) * m, (mass * to_point,) * m, joint, labels), labels, tuple(range(m))


def nearest_neighbours(features: np.ndarray, labels: np.ndarray, neighbours: int, *, own: int = 1) -> Graph:
    """The graph that joins each point with its nearest neighbours in Euclidean distance (either way), all edges of
    equal weight, and with itself with weight `own`. Ties go to the lower index. Edges may join classes.

    Raises:
        InputError: if the features are not n finite rows, or there are not that many other points.
    """
    n = len(features)
    if features.ndim != 2 or features.dtype.kind not in "iuf" or not np.all(np.isfinite(features)):
        raise InputError("features", features.shape, "a matrix of finite numbers, one row a point")
    if not 1 <= neighbours < n or own < 0:
        raise InputError("neighbours", neighbours, f"accepted: 1 to {n - 1}")
    exact = np.asarray(features, dtype=float)
    squares = np.sum(exact**2, axis=1)
    distances = squares[:, None] + squares - 2 * exact @ exact.T
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :neighbours]
    edges = {(min(i, int(j)), max(i, int(j))): Fraction(1) for i in range(n) for j in nearest[i]}
    edges |= {(i, i): Fraction(own) for i in range(n) if own}
    return from_entries(edges, [int(label) for label in labels])
