"""CVXPY with SCS, a first-order method, to 1e-7."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.methods import conic
from experiments.benchmarks.problem import Problem

PACKAGES = ("cvxpy", "scs")
COMPILES = False
terms = conic.terms


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """The enumerated program."""
    del budget
    return conic.solver(problem, {"solver": "SCS", "eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 100_000})
