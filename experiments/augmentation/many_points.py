"""A graph of many distinct points: the bracket that double precision reaches, and the time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from theory.augmentation.chains import spectral_gaps
from theory.augmentation.graph import from_pairs
from theory.problem import Problem
from verify.graphs.many import minimize

CLASSES = 10


def run(points: int, k: int = 256) -> dict[str, Any]:
    """`CLASSES` classes of random weights; no pair crosses classes, and no two points are alike."""
    rng = np.random.default_rng(5)
    labels = np.sort(np.arange(points) % CLASSES)
    scale = rng.uniform(0.5, 2.0, size=points)
    weights = (
        (rng.random((points, points)) < 4 * CLASSES / points) * rng.random((points, points)) * np.outer(scale, scale)
    )
    pairs = np.where(labels[:, None] == labels, weights + weights.T, 0.0) + np.diag(scale)
    graph = from_pairs(pairs, labels)
    problem = Problem(graph, k)
    begun = time.perf_counter()
    found = minimize(problem)
    seconds = time.perf_counter() - begun
    gaps = [gap for gap in spectral_gaps(graph) if gap is not None]
    return {
        "points": points,
        "k": k,
        "gaps": [min(gaps), max(gaps)],
        "value": found.value,
        "relative_gap": found.relative_gap,
        "iterations": found.steps,
        "seconds": round(seconds, 1),
    }
