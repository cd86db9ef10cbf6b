"""The loss and its gradient by Monte Carlo: 10,000 draws of all negatives for each anchor."""

from __future__ import annotations

from collections.abc import Callable

from experiments.benchmarks.methods.ours import start
from experiments.benchmarks.problem import Problem
from theory.float64 import jax, jnp

PACKAGES: tuple[str, ...] = ()
COMPILES = True
SAMPLES = 10_000
#: The most negatives drawn in one evaluation.
MAX_DRAWS = 200_000_000


def evaluator(problem: Problem) -> Callable[[], float]:
    """A sample mean: its `error` is that of sampling."""
    C, k = problem.prior.C, problem.k
    if SAMPLES * k > MAX_DRAWS:
        raise MemoryError(f"{SAMPLES} draws of {k} negatives are too many to hold")
    rho = jnp.asarray(problem.rho)

    @jax.jit
    def value_and_gradient(U: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        drawn = jax.random.categorical(key, jnp.log(rho), shape=(SAMPLES, k))

        def loss(U: jax.Array) -> jax.Array:
            X = jnp.exp(jnp.where(jnp.eye(C, dtype=bool), 0.0, U @ U.T - 1.0))
            return rho @ jnp.mean(jnp.log1p(jnp.sum(X[:, drawn], axis=-1)), axis=-1)

        return jax.value_and_grad(loss)(U)

    U = start(problem)

    def evaluate() -> float:
        value, gradient = value_and_gradient(U, jax.random.key(0))
        gradient.block_until_ready()
        return float(value)

    return evaluate
