"""The loss of points on the sphere whose positives are pairs of an augmentation graph, as optimizers call it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.augmentation.graph import GraphArrays
from theory.augmentation.loss import GraphLoss
from verify.optimize.spheres import Evaluate


def objective(loss: str, law: GraphArrays, k: int | float, beta: int | float) -> Evaluate:
    """Values, gradients and Hessian-vector products for embeddings (s, n, d), in NumPy (`verify.optimize.spheres`).

    The loss is one of `theory.augmentation.expectation.LOSSES`; every group of the graph is one point.
    """

    last: list[tuple[Float[np.ndarray, "n d"], GraphLoss, Float[np.ndarray, "n n"], Float[np.ndarray, "n d"]]] = []

    def one(
        U: Float[np.ndarray, "n d"], V: Float[np.ndarray, "n d"] | None
    ) -> tuple[float, Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        # conjugate gradients ask for many products at one point
        if not (last and np.array_equal(last[0][0], U)):
            local = GraphLoss(loss, law, U @ U.T, k, beta)
            A = local.gradient + local.gradient.T
            last[:] = [(U.copy(), local, A, A @ U)]
        _, local, A, gradient = last[0]
        if V is None or not np.any(V):
            return local.value, gradient, np.zeros_like(U)
        change = V @ U.T
        change += change.T
        H = local.along(change)
        return local.value, gradient, A @ V + (H + H.T) @ U

    def evaluate(
        U: Float[np.ndarray, "s n d"], V: Float[np.ndarray, "s n d"] | None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s n d"], Float[np.ndarray, "s n d"]]:
        values, gradients, products = zip(
            *(one(row, None if V is None else V[i]) for i, row in enumerate(U)), strict=True
        )
        return np.array(values), np.stack(gradients), np.stack(products)

    return evaluate
