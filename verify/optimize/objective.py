"""The population loss as a function of embeddings, batched over starts, with first and second derivatives."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jax, jnp
from theory.losses import Loss
from theory.population import population_loss

#: Up to this many classes the Hessian-vector product is cheaper than a second compiled function without it.
_ALWAYS_BOTH = 64

#: Side of the tiles of a transposition; not a power of two, whose rows would meet in the same lines of the cache.
_TILE = 100


class Objective:
    """`U -> L_k(U U^T)` for a batch of embeddings, in double precision.

    One compiled function gives the value, the gradient and (for many classes: if asked for) a Hessian-vector product;
    `rho`, `k` and `beta` are traced, so that problems of the same shape and resolution (`Loss.specialized`) share it.
    Value and gradient cost two products of the size of `U U^T` and little more, the Hessian-vector product three.
    Where a batch of priors is given, start `i` belongs to prior `i`.

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
        self._loss, self._k, self._beta = loss.specialized(k, beta), float(k), float(beta)
        self.evaluations = 0

    def __call__(
        self, U: Float[np.ndarray, "s C d"], V: Float[np.ndarray, "s C d"] | None = None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C d"], Float[np.ndarray, "s C d"]]:
        """Values, Euclidean gradients, and Hessians applied to `V` (0 if none is given)."""
        self.evaluations += 1
        direction = np.zeros_like(U) if V is None and U.shape[1] <= _ALWAYS_BOTH else V
        rho = np.broadcast_to(self._rho, U.shape[:-1])
        found = _evaluate(U, direction, rho, self._k, self._beta, loss=self._loss, static_k=self._static_k)
        value, gradient, product = (np.asarray(part) for part in (*found, np.zeros_like(U))[:3])
        return value, gradient, product


@partial(jax.jit, static_argnames=("loss", "static_k"))
def _evaluate(
    U: Float[Array, "s C d"],
    V: Float[Array, "s C d"] | None,
    rho: Float[Array, "s C"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: int | float | None,
) -> tuple[Array, ...]:
    """With `A` the symmetric gradient: `L`, `2 A U`, and `2 A V + 2 A'[U V^T + V U^T] U`."""

    def one(U: Float[Array, "C d"], V: Float[Array, "C d"] | None, rho: Float[Array, " C"]) -> tuple[Array, ...]:
        def slope(G: Float[Array, "C C"]) -> tuple[Float[Array, ""], Float[Array, "C C"]]:
            exponent = k if static_k is None else static_k
            value, A = jax.value_and_grad(lambda G: population_loss(loss, G, rho, exponent, beta))(G)
            return value, symmetrized(A)

        if V is None:
            value, A = slope(U @ U.T)
            return value, A @ U
        (value, A), (_, change) = jax.jvp(slope, (U @ U.T,), (symmetrized(V @ U.T),))
        return value, A @ U, A @ V + change @ U

    if len(U) == 1:
        # a batch of one costs a tenth more than none
        found = one(U[0], None if V is None else V[0], rho[0])
        return tuple(array[None] for array in found)
    return jax.vmap(one)(U, V, rho)


def symmetrized(A: Float[Array, "C C"]) -> Float[Array, "C C"]:
    """`A + A^T`; by tiles where `C` is large, since XLA's own loop over a transposed matrix misses the cache."""
    C = A.shape[-1]
    if C <= 2 * _TILE:
        return A + A.T
    tiles = -(-C // _TILE)
    # without the barrier XLA computes every entry of A twice, the second time in the order that misses the cache
    stored = jax.lax.optimization_barrier(A)  # type: ignore[no-untyped-call]
    padded = jnp.pad(stored, ((0, tiles * _TILE - C),) * 2)
    blocks = padded.reshape(tiles, _TILE, tiles, _TILE)
    return (blocks + jnp.transpose(blocks, (2, 3, 0, 1))).reshape(padded.shape)[:C, :C]


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
    value, gradient = _gram_gradient(G, rho, float(k), float(beta), loss=loss.specialized(k, beta), static_k=static_k)
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
    one = partial(_gram_gradient, loss=loss.specialized(k, beta), static_k=static_k)
    batched = jax.vmap(one, in_axes=(0, 0, None, None))
    value, gradient = batched(G, rho, float(k), float(beta))
    return np.asarray(value), np.asarray(gradient)
