"""Monte Carlo: Adam (optax) on sampled negatives, as contrastive training does it, for a number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmarks.problem import Problem
from theory.float64 import jax, jnp

PACKAGES = ("optax",)
COMPILES = True
BATCH = 256
_RATE = 0.05


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """`budget` steps of 256 anchors with k negatives each, at a rate that falls to 0 (cosine decay)."""
    import optax

    C, k = problem.prior.C, problem.k
    log_rho = jnp.log(jnp.asarray(problem.rho))
    rule = optax.adam(optax.cosine_decay_schedule(_RATE, budget))

    def loss(W: jax.Array, key: jax.Array) -> jax.Array:
        U = W / jnp.linalg.norm(W, axis=1, keepdims=True)
        anchors, negatives = jax.random.split(key)
        c = jax.random.categorical(anchors, log_rho, shape=(BATCH,))
        j = jax.random.categorical(negatives, log_rho, shape=(BATCH, k))
        cosines = jnp.where(c[:, None] == j, 1.0, (U @ U.T)[c[:, None], j])
        return jnp.mean(problem.loss(1.0 - cosines))

    @jax.jit
    def run(W: jax.Array, keys: jax.Array) -> jax.Array:
        def step(state: tuple[jax.Array, Any], key: jax.Array) -> tuple[tuple[jax.Array, Any], None]:
            W, memory = state
            update, memory = rule.update(jax.grad(loss)(W, key), memory)
            return (optax.apply_updates(W, update), memory), None

        return jax.lax.scan(step, (W, rule.init(W)), keys)[0][0]

    start = jnp.asarray(np.random.default_rng(0).normal(size=(C, problem.d)))

    def solve() -> np.ndarray:
        W = np.asarray(run(start, jax.random.split(jax.random.key(0), budget)))
        U = W / np.linalg.norm(W, axis=1, keepdims=True)
        return np.asarray(U @ U.T)

    return solve
