"""CVXPY with Clarabel, an interior-point method, at its default tolerances (1e-8)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.methods import conic
from experiments.benchmarks.problem import Problem

PACKAGES = ("cvxpy", "clarabel")
COMPILES = False
terms = conic.terms


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """The enumerated program."""
    del budget
    return conic.solver(problem, {"solver": "CLARABEL"})
