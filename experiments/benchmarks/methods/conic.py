"""The convex program in CVXPY: negatives enumerated, one sparse map, one vectorised log-sum-exp.

    minimize sum_c rho_c sum_n p_n log(1 + sum_j n_j exp(G_cj - 1))    over psd G of unit diagonal

n over all multisets of k negatives. A class that is not drawn has `log n_j` at -60, which is 0 to 1e-26.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np

from experiments.benchmarks.methods.multisets import counts, probabilities
from experiments.benchmarks.problem import Problem

#: The most entries of the log-sum-exp, of which each becomes an exponential cone.
MAX_CONES = 4_000_000


def terms(problem: Problem) -> int:
    """Multisets of negatives, for each anchor."""
    return comb(problem.prior.C + problem.k - 1, problem.k)


def solver(problem: Problem, options: dict[str, Any]) -> Callable[[], np.ndarray]:
    """Builds the program; each call of what is returned solves it.

    Raises:
        MemoryError: if the enumeration has more than `MAX_CONES` entries.
    """
    import cvxpy as cp
    from scipy import sparse

    C = problem.prior.C
    if terms(problem) * C * (C + 1) > MAX_CONES:
        raise MemoryError(f"{terms(problem)} multisets for each of {C} anchors are more than {MAX_CONES} cones")
    drawn = counts(C, problem.k)
    weights = np.outer(problem.rho, probabilities(drawn, problem.rho)).ravel()
    n = len(drawn)
    # row (anchor, multiset) of the log-sum-exp: a zero for the 1, and entry (anchor, j) of G for each j
    with np.errstate(divide="ignore"):
        shift = np.maximum(np.log(drawn), -60.0) - 1.0
    shifts = np.hstack([np.zeros((n * C, 1)), np.tile(shift, (C, 1))])
    rows = np.arange(n * C)
    anchors = rows // n
    entries = sparse.csr_matrix(
        (
            np.ones(n * C * C),
            (
                (rows[:, None] * (C + 1) + 1 + np.arange(C)).ravel(),
                (anchors[:, None] * C + np.arange(C)).ravel(),
            ),
        ),
        shape=(n * C * (C + 1), C * C),
    )
    G = cp.Variable((C, C), symmetric=True)
    exponents = cp.reshape(entries @ cp.vec(G, order="C"), (n * C, C + 1), order="C") + shifts
    objective = cp.Minimize(weights @ cp.log_sum_exp(exponents, axis=1))
    program = cp.Problem(objective, [G >> 0, cp.diag(G) == 1])

    def solve() -> np.ndarray:
        program.solve(warm_start=False, **options)
        if G.value is None:
            raise RuntimeError(f"the solver ended with: {program.status}")
        return np.asarray(G.value)

    return solve
