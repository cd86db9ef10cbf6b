"""The exponential loss, `l(v) = sum_i exp(-v_i)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jnp
from theory.losses.base import Loss


@dataclass(frozen=True)
class Exponential(Loss):
    """`l(v) = sum_i exp(-v_i)`: strictly convex, strictly decreasing; its expectation is linear in `k`."""

    name: ClassVar[str] = "exponential"
    normalization: ClassVar[str] = "divide_by_k"

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return jnp.sum(jnp.exp(-v), axis=-1)

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
        return k * self.limit(margins, weights)

    def expected_over_positives(
        self,
        cosines: Float[Array, "rows n"],
        positives: Float[Array, "rows n"],
        negatives: Float[Array, " n"],
        k: Scalar,
        beta: Scalar,
    ) -> Float[Array, " rows"]:
        # positive and negative are independent
        away = jnp.sum(positives * jnp.exp(-beta * cosines), axis=-1)
        return self.expected(-beta * cosines, negatives, k) * away

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        return jnp.exp(-margins) @ weights
