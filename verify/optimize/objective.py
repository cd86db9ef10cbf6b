"""The population loss as a function of embeddings, batched over starts, with first and second derivatives."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jax
from theory.losses import Loss
from theory.population import population_loss


class Objective:
    """`U -> L_k(U U^T)` for a batch of embeddings, in double precision.

    One compiled function gives the value, the gradient and a Hessian-vector product together; `rho`, `k` and `beta`
    are traced, so that problems of the same shape share it. Where a batch of priors is given, start `i` belongs to
    prior `i`.

    Attributes:
        evaluations: how many times a whole batch was evaluated.
    """

    def __init__(
        self,
        loss: Loss,
        rho: Float[np.ndarray, "*b C"],
        k: int | float,
        beta: int | float = 1.0,
    ) -> None:
        self._rho = np.asarray(rho, dtype=float)
        # a loss that enumerates needs k before compilation, and so does the limit
        self._static_k = k if math.isinf(k) or not loss.convex else None
        self._loss, self._k, self._beta = loss, float(k), float(beta)
        self.evaluations = 0

    def __call__(
        self, U: Float[np.ndarray, "s C d"], V: Float[np.ndarray, "s C d"] | None = None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C d"], Float[np.ndarray, "s C d"]]:
        """Values, Euclidean gradients, and Hessians applied to `V` (0 if none is given)."""
        self.evaluations += 1
        direction = np.zeros_like(U) if V is None else V
        rho = np.broadcast_to(self._rho, U.shape[:-1])
        value, gradient, product = _evaluate(
            U, direction, rho, self._k, self._beta, loss=self._loss, static_k=self._static_k
        )
        return np.asarray(value), np.asarray(gradient), np.asarray(product)


@partial(jax.jit, static_argnames=("loss", "static_k"))
def _evaluate(
    U: Float[Array, "s C d"],
    V: Float[Array, "s C d"],
    rho: Float[Array, "s C"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: int | float | None,
) -> tuple[Float[Array, " s"], Float[Array, "s C d"], Float[Array, "s C d"]]:
    def one(
        U: Float[Array, "C d"], V: Float[Array, "C d"], rho: Float[Array, " C"]
    ) -> tuple[Float[Array, ""], Float[Array, "C d"], Float[Array, "C d"]]:
        def value(W: Float[Array, "C d"]) -> Float[Array, ""]:
            return population_loss(loss, W @ W.T, rho, k if static_k is None else static_k, beta)

        (loss_value, gradient), (_, product) = jax.jvp(jax.value_and_grad(value), (U,), (V,))
        return loss_value, gradient, product

    return jax.vmap(one)(U, V, rho)


@partial(jax.jit, static_argnames=("loss", "static_k"))
def _gram_gradient(
    G: Float[Array, "C C"],
    rho: Float[Array, " C"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: int | float | None,
) -> tuple[Float[Array, ""], Float[Array, "C C"]]:
    def value(G: Float[Array, "C C"]) -> Float[Array, ""]:
        return population_loss(loss, G, rho, k if static_k is None else static_k, beta)

    return jax.value_and_grad(value)(G)


def gram_value_and_gradient(
    loss: Loss, G: Float[np.ndarray, "C C"], rho: Float[np.ndarray, " C"], k: int | float, beta: int | float = 1.0
) -> tuple[float, Float[np.ndarray, "C C"]]:
    """`L_k(G)` and `dL_k/dG_cj` (row `c` is the anchor; 0 on the diagonal, which is fixed)."""
    static_k = k if math.isinf(k) or not loss.convex else None
    value, gradient = _gram_gradient(G, rho, float(k), float(beta), loss=loss, static_k=static_k)
    return float(value), np.asarray(gradient)


def gram_values_and_gradients(
    loss: Loss,
    G: Float[np.ndarray, "s C C"],
    rho: Float[np.ndarray, "s C"],
    k: int | float,
    beta: int | float = 1.0,
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C C"]]:
    """`gram_value_and_gradient` for a batch of Gram matrices and priors, at one `k`."""
    static_k = k if math.isinf(k) or not loss.convex else None
    batched = jax.vmap(partial(_gram_gradient, loss=loss, static_k=static_k), in_axes=(0, 0, None, None))
    value, gradient = batched(G, rho, float(k), float(beta))
    return np.asarray(value), np.asarray(gradient)
