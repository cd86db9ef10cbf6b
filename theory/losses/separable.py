"""The separable logistic loss, `l(v) = sum_i log(1 + exp(-v_i))`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jax, jnp
from theory.losses.base import Loss


@dataclass(frozen=True)
class Separable(Loss):
    """`l(v) = sum_i log(1 + exp(-v_i))`: strictly convex, strictly decreasing; linear in `k` in expectation."""

    name: ClassVar[str] = "separable"
    normalization: ClassVar[str] = "divide_by_k"

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return jnp.sum(jax.nn.softplus(-v), axis=-1)

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
        return k * self.limit(margins, weights)

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        return jax.nn.softplus(-margins) @ weights
