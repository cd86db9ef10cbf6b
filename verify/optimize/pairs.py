"""The loss of points on the sphere whose positives are pairs of an augmentation graph, as optimizers call it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.augmentation.graph import GraphArrays
from theory.augmentation.loss import graph_product, graph_value_and_gradient
from verify.optimize.spheres import Evaluate


def objective(loss: str, law: GraphArrays, k: int | float, beta: int | float) -> Evaluate:
    """Values, gradients and Hessian-vector products for embeddings (s, n, d), in NumPy (`verify.optimize.spheres`).

    The loss is one of `theory.augmentation.expectation.LOSSES`; every group of the graph is one point.
    """

    def one(
        U: Float[np.ndarray, "n d"], V: Float[np.ndarray, "n d"] | None
    ) -> tuple[float, Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        G = U @ U.T
        value, A = graph_value_and_gradient(loss, law, G, k, beta)
        A = A + A.T
        product = np.zeros_like(U)
        if V is not None and np.any(V):
            change = V @ U.T
            change += change.T
            H = graph_product(loss, law, G, change, k, beta)
            product = A @ V + (H + H.T) @ U
        return value, A @ U, product

    def evaluate(
        U: Float[np.ndarray, "s n d"], V: Float[np.ndarray, "s n d"] | None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s n d"], Float[np.ndarray, "s n d"]]:
        values, gradients, products = zip(
            *(one(row, None if V is None else V[i]) for i, row in enumerate(U)), strict=True
        )
        return np.array(values), np.stack(gradients), np.stack(products)

    return evaluate
