"""This project from Python: value and gradient of `theory.population.embeddings_loss`, compiled by its user."""

from __future__ import annotations

from collections.abc import Callable

from experiments.benchmarks.methods.ours import start
from experiments.benchmarks.problem import Problem
from theory.float64 import jax, jnp
from theory.population import embeddings_loss

PACKAGES: tuple[str, ...] = ()
COMPILES = True


def evaluator(problem: Problem) -> Callable[[], float]:
    """The exact loss of embeddings and its gradient, by `jax.value_and_grad`."""
    U, rho = start(problem), jnp.asarray(problem.rho)
    both = jax.jit(jax.value_and_grad(lambda U: embeddings_loss(problem.loss, U, rho, problem.k)))

    def evaluate() -> float:
        value, gradient = both(U)
        gradient.block_until_ready()
        return float(value)

    return evaluate
