"""This project: the convex program over Gram matrices on the exact loss, with the dual bound."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.problem import Problem
from theory.float64 import jax, jnp

PACKAGES: tuple[str, ...] = ()
COMPILES = True


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """Search and dual bound: what `verify.optimum` does before it proves."""
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient
    from verify.optimize.search import minimum

    del budget
    rho = problem.rho

    def solve() -> np.ndarray:
        G = minimum(problem.loss, rho, problem.k, problem.d, starts=1).gram
        dual_bound(*gram_value_and_gradient(problem.loss, G, rho, problem.k, 1.0), G)
        return G

    return solve


def evaluator(problem: Problem) -> Callable[[], float]:
    """The exact loss of embeddings and its gradient, as the optimizer evaluates them: up to 64 classes with a product
    of the Hessian too."""
    from verify.optimize.objective import Objective

    U = np.asarray(start(problem))[None]
    objective = Objective(problem.loss, problem.rho, problem.k)

    def evaluate() -> float:
        value, _, _ = objective(U)
        return float(value[0])

    return evaluate


def start(problem: Problem) -> jax.Array:
    """The unit embeddings at which all methods are evaluated."""
    from theory.geometry import normalized

    return jnp.asarray(normalized(np.random.default_rng(0).normal(size=(problem.prior.C, problem.d))))
