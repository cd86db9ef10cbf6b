"""The threshold theorem on random graphs near their thresholds: certificates, and a route that shares no formula."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np

from theory.augmentation.chains import spectral_gaps
from theory.augmentation.graph import Graph, from_pairs
from theory.problem import Problem
from verify.graphs.collapse import class_level, decide
from verify.graphs.means import GraphMeans
from verify.graphs.solution import solve

TOLERANCE = 1e-9
#: Losses that differ by less are equal up to rounding.
ROUNDING = 1e-12


def random_graph(rng: np.random.Generator) -> Graph:
    """2 to 4 classes of 2 to 5 points with unequal weights, without pairs across classes."""
    sizes = rng.integers(2, 6, size=rng.integers(2, 5))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    scale = rng.integers(1, 6, size=len(labels))
    pairs = rng.integers(1, 12, size=(len(labels),) * 2) * np.outer(scale, scale)
    pairs = (pairs + pairs.T) * (labels[:, None] == labels)
    return from_pairs(pairs, labels)


def damped(graph: Graph, share: Fraction) -> Graph:
    """`(1 - share) Diag(pi) + share W`, whose gaps are `share` times those of W."""
    same = tuple((1 - share) * p + share * s for p, s in zip(graph.marginal, graph.same, strict=True))
    return Graph(graph.counts, same, {pair: share * mass for pair, mass in graph.joint.items()}, graph.labels)


def near_threshold(rng: np.random.Generator, graph: Graph, k: int, temperature: Fraction) -> tuple[Graph, float] | None:
    """The graph damped so that its least ratio of gap and threshold is within 10 % of 1; and that ratio less 1."""
    alphas = class_level(Problem(graph.prior, k, temperature=temperature), exact=False).thresholds
    ratios = [gap / a for gap, a in zip(spectral_gaps(graph), alphas, strict=True) if gap is not None and a > 0]
    offset = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-3, -1))
    if not ratios or min(ratios) <= 1 + offset:
        return None
    return damped(graph, Fraction((1 + offset) / min(ratios))), offset


def trial(seed: int) -> dict[str, Any]:
    """One graph: the theorem's verdict, and the point-level program's answer."""
    rng = np.random.default_rng(seed)
    while True:
        graph = random_graph(rng)
        k = round(2 ** float(rng.uniform(0, 10)))
        temperature = Fraction(1000, round(1000 * math.exp(rng.uniform(math.log(0.2), math.log(5)))))
        made = near_threshold(rng, graph, k, temperature)
        if made is not None:
            break
    close, offset = made
    level = class_level(Problem(close.prior, k, temperature=temperature))
    verdict, note = decide(close, level)
    problem = Problem(close, k, temperature=temperature)
    found = solve(problem)
    labels = np.array(close.labels)
    least = float(np.min(found.means[labels[:, None] == labels]))
    class_value = GraphMeans(level.problem).derivatives(level.gram, hessian=False).value
    # no collapsed arrangement is as good as the one found
    better = class_value - found.value > ROUNDING
    return {
        "points": close.points,
        "classes": close.C,
        "k": k,
        "temperature": str(temperature),
        "offset": offset,
        "verdict": verdict,
        "note": note,
        "relative_gap": found.relative_gap,
        "least_cosine_within": least,
        "below_class_level": class_value - found.value,
        "confirmed": verdict == ("refuted" if better else "proved"),
    }


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Counts, and the worst of each measure."""
    rows = list(rows)
    return {
        "graphs": len(rows),
        "verdicts": dict(Counter(row["verdict"] for row in rows)),
        "above": sum(0 < row["offset"] <= 0.1 for row in rows),
        "below": sum(-0.1 <= row["offset"] < 0 for row in rows),
        "confirmed": sum(row["confirmed"] for row in rows),
        "closed": sum(row["relative_gap"] <= TOLERANCE for row in rows),
        "largest_relative_gap": max(row["relative_gap"] for row in rows),
        "seeds_not_confirmed": [row["seed"] for row in rows if not row["confirmed"]],
    }
