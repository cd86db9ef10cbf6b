"""E max_i z_{J_i} over `k` iid draws, exact for any `k` and also where values tie."""

from __future__ import annotations

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jax, jnp, promoting


@promoting
def expected_maximum(values: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
    """`E max_{i<=k} z_{J_i}`, `J_i` iid with these weights.

    The law of a maximum is a k-th power: with `F(z) = sum_j w_j [z_j <= z]`, the maximum equals `z` with
    probability `F(z)^k - F(z-)^k` (derived). Tied values share that probability in proportion to their weights, so
    that the derivative with respect to the values is the subgradient that treats ties alike.
    """
    weights = jnp.asarray(weights)
    flat = values.reshape(-1, values.shape[-1])
    return jax.vmap(lambda row: _row(row, weights, k))(flat).reshape(values.shape[:-1])


def _row(row: Float[Array, " n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, ""]:
    # one sort carries the weights along and is what every comparison below is made with: if the values were computed
    # again, and rounded otherwise, they would not find themselves
    ascending, w = jax.lax.sort((jnp.asarray(row), jnp.asarray(weights)), num_keys=1)
    cumulative = jnp.concatenate([jnp.zeros(1), jnp.cumsum(w)])
    cumulative = cumulative / cumulative[-1]
    at_most = cumulative[jnp.searchsorted(ascending, ascending, side="right")]
    below = cumulative[jnp.searchsorted(ascending, ascending, side="left")]
    share = (_power(at_most, k) - _power(below, k)) / (at_most - below)
    return jnp.sum(w * share * ascending) / jnp.sum(w)


def _power(base: Float[Array, " n"], k: Scalar) -> Float[Array, " n"]:
    positive = base > 0
    return jnp.where(positive, jnp.exp(k * jnp.log(jnp.where(positive, base, 1.0))), 0.0)
