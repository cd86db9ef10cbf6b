"""Plain enumeration in JAX: the loss as a sum over all multisets of negatives, minimized by SciPy's L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np

from experiments.benchmarks.methods.multisets import counts, probabilities
from experiments.benchmarks.methods.ours import start
from experiments.benchmarks.problem import Problem
from theory.float64 import jax, jnp

PACKAGES: tuple[str, ...] = ()
COMPILES = True
#: The most numbers held at once: a multiset for each anchor, and its gradient.
MAX_ENTRIES = 100_000_000


def terms(problem: Problem) -> int:
    """Multisets of negatives, for each anchor."""
    return comb(problem.prior.C + problem.k - 1, problem.k)


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """L-BFGS over embeddings that are normalized in the loss."""
    from scipy.optimize import minimize

    del budget
    value_and_gradient, shape = _compiled(problem), (problem.prior.C, problem.d)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(jnp.asarray(x.reshape(shape)))
        return float(value), np.asarray(gradient).ravel()

    x = np.random.default_rng(0).normal(size=shape).ravel()

    def solve() -> np.ndarray:
        options: Any = {"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}
        W = minimize(objective, x, jac=True, method="L-BFGS-B", options=options).x.reshape(shape)
        U = W / np.linalg.norm(W, axis=1, keepdims=True)
        return np.asarray(U @ U.T)

    return solve


def evaluator(problem: Problem) -> Callable[[], float]:
    """The enumerated loss and its gradient."""
    value_and_gradient, U = _compiled(problem), start(problem)

    def evaluate() -> float:
        value, gradient = value_and_gradient(U)
        gradient.block_until_ready()
        return float(value)

    return evaluate


def _compiled(problem: Problem) -> Callable[[jax.Array], tuple[jax.Array, jax.Array]]:
    C = problem.prior.C
    if terms(problem) * C > MAX_ENTRIES:
        raise MemoryError(f"{terms(problem):.3g} multisets for each of {C} anchors are too many to hold")
    drawn = counts(C, problem.k)
    rho, weights = jnp.asarray(problem.rho), jnp.asarray(probabilities(drawn, problem.rho))
    multiplicity = jnp.asarray(drawn, dtype=float)

    def loss(W: jax.Array) -> jax.Array:
        U = W / jnp.linalg.norm(W, axis=1, keepdims=True)
        X = jnp.exp(jnp.where(jnp.eye(C, dtype=bool), 0.0, U @ U.T - 1.0))
        return rho @ (jnp.log1p(X @ multiplicity.T) @ weights)

    return jax.jit(jax.value_and_grad(loss))
