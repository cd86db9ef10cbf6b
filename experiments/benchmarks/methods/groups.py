"""This project in the number of groups of equal classes: barrier method, and proof in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.problem import Problem
from theory import problem as contrastive

PACKAGES: tuple[str, ...] = ()
COMPILES = False


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """The proven optimum; the matrix is that of the groups' cosines."""
    from theory.groups import cosines
    from verify.certify.solution import prove
    from verify.optimize.solution import solve

    del budget

    def run() -> np.ndarray:
        stated = contrastive.Problem(problem.prior, problem.k, problem.d)
        found = solve(stated)
        proof = prove(stated, found)
        assert proof is not None and proof.status == "proved"
        return cosines(found.means, found.groups)

    return run


def judged(problem: Problem) -> tuple[float, float]:
    """The loss found and the proven lower bound."""
    from verify import optimum

    nce = optimum.run(problem.prior, problem.k).nce
    assert nce.found is not None and nce.lower is not None
    return nce.found, nce.lower
