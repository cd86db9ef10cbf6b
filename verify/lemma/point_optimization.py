"""Direct minimization of the population loss over points: does every class collapse by itself?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.augmentation.expectation import LOSSES
from theory.augmentation.graph import GraphArrays
from theory.compiled import runner
from theory.losses import Custom, Loss, get_loss
from theory.points.loss import points_loss
from theory.points.representation import Representation
from verify.optimize.pairs import objective
from verify.optimize.spheres import Evaluate, minimize, random_starts


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
        evaluate = _objective(loss, rho, N, k, beta)
        runs = minimize(evaluate, random_starts(starts, C * N, d, seed), np.repeat(rho / N, N))
        winner = min(runs, key=lambda run: run.value)
        return winner.embeddings.reshape(C, N, d), winner.value, sum(run.converged for run in runs)

    F, value, converged = best(points)
    _, class_level, _ = best(1)
    distances = np.linalg.norm(F[:, :, None] - F[:, None, :], axis=-1)
    return PointOptimum(starts, converged, value, class_level, float(np.max(distances)))


def _objective(loss: Loss, rho: Float[np.ndarray, " C"], N: int, k: int, beta: float) -> Evaluate:
    """The loss over `N` equally likely points a class: by its derivatives in NumPy where they are written down, else by
    JAX's."""
    if loss.name in LOSSES and type(loss) is type(get_loss(loss.name)):
        return objective(loss.name, _independent(rho, N), k, beta)
    static_k = float(k) if isinstance(loss, Custom) else None

    def evaluate(
        U: Float[np.ndarray, "s CN d"], V: Float[np.ndarray, "s CN d"] | None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s CN d"], Float[np.ndarray, "s CN d"]]:
        run = runner(_evaluate, 1, 1, traced=True)
        value, gradient, product = run(
            U, np.zeros_like(U) if V is None else V, rho, float(k), beta, loss=loss.resolved(k, beta), static_k=static_k
        )
        return value, gradient, product

    return evaluate


def _independent(rho: Float[np.ndarray, " C"], N: int) -> GraphArrays:
    """Positives drawn like the anchor from its class, as pairs of a graph: any point of the class, itself included."""
    C = len(rho)
    within = np.kron(np.eye(C), np.full((N, N), 1 / N))
    return GraphArrays(
        np.ones(C * N), np.repeat(rho / N, N), np.full(C * N, 1 / N), within - np.diag(within.diagonal())
    )


def _evaluate(
    U: Float[Array, "s CN d"],
    V: Float[Array, "s CN d"],
    rho: Float[Array, " C"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: float | None,
) -> tuple[Float[Array, " s"], Float[Array, "s CN d"], Float[Array, "s CN d"]]:
    from theory.float64 import jax

    C, n = len(rho), U.shape[1]
    labels, weights = np.repeat(np.arange(C), n // C), np.full(n, C / n)

    def value(W: Float[Array, "CN d"]) -> Float[Array, ""]:
        f = Representation(W, labels, weights, rho)
        return points_loss(loss, f, k if static_k is None else static_k, beta)

    def one(W: Float[Array, "CN d"], D: Float[Array, "CN d"]) -> tuple[Array, Array, Array]:
        (loss_value, gradient), (_, product) = jax.jvp(jax.value_and_grad(value), (W,), (D,))
        return loss_value, gradient, product

    return jax.vmap(one)(U, V)
