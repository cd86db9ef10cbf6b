"""Direct minimization of the population loss over points: does every class collapse by itself?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jax
from theory.losses import Custom, Loss
from theory.points.loss import points_loss
from theory.points.representation import Representation
from verify.optimize.spheres import minimize, random_starts


@dataclass(frozen=True)
class PointOptimum:
    """The best of several starts, over points and at class level.

    Attributes:
        starts: random starts over points.
        converged: how many reached a critical point.
        loss: the smallest loss over points.
        class_level: the smallest loss of representations that are constant on classes, optimized by themselves.
        within_class_spread: the largest distance between two points of one class, at the best start.
    """

    starts: int
    converged: int
    loss: float
    class_level: float
    within_class_spread: float


def optimize_points(
    loss: Loss,
    rho: Float[np.ndarray, " C"],
    *,
    points: int,
    d: int,
    k: int,
    beta: float = 1.0,
    starts: int,
    seed: int = 0,
) -> PointOptimum:
    """Minimize `L_k` over `points` equally likely points a class, and over one point a class, from random starts."""
    C = len(rho)

    def best(N: int) -> tuple[Float[np.ndarray, "C N d"], float, int]:
        static_k = float(k) if isinstance(loss, Custom) else None

        def evaluate(
            U: Float[np.ndarray, "s CN d"], V: Float[np.ndarray, "s CN d"] | None
        ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s CN d"], Float[np.ndarray, "s CN d"]]:
            direction = np.zeros_like(U) if V is None else V
            value, gradient, product = _evaluate(
                U, direction, (rho, float(k), beta), loss=loss.resolved(k, beta), static_k=static_k
            )
            return np.asarray(value), np.asarray(gradient), np.asarray(product)

        runs = minimize(evaluate, random_starts(starts, C * N, d, seed), np.repeat(rho / N, N))
        winner = min(runs, key=lambda run: run.value)
        return winner.embeddings.reshape(C, N, d), winner.value, sum(run.converged for run in runs)

    F, value, converged = best(points)
    _, class_level, _ = best(1)
    distances = np.linalg.norm(F[:, :, None] - F[:, None, :], axis=-1)
    return PointOptimum(starts, converged, value, class_level, float(np.max(distances)))


@partial(jax.jit, static_argnames=("loss", "static_k"))
def _evaluate(
    U: Float[Array, "s CN d"],
    V: Float[Array, "s CN d"],
    problem: tuple[Float[Array, " C"], Scalar, Scalar],
    *,
    loss: Loss,
    static_k: float | None,
) -> tuple[Float[Array, " s"], Float[Array, "s CN d"], Float[Array, "s CN d"]]:
    rho, k, beta = problem
    C, n = len(rho), U.shape[1]
    labels, weights = np.repeat(np.arange(C), n // C), np.full(n, C / n)

    def value(W: Float[Array, "CN d"]) -> Float[Array, ""]:
        f = Representation(W, labels, weights, rho)
        return points_loss(loss, f, k if static_k is None else static_k, beta)

    def one(W: Float[Array, "CN d"], D: Float[Array, "CN d"]) -> tuple[Array, Array, Array]:
        (loss_value, gradient), (_, product) = jax.jvp(jax.value_and_grad(value), (W,), (D,))
        return loss_value, gradient, product

    return jax.vmap(one)(U, V)
