"""The multiclass hinge loss, and the smooth loss that stands in for it while it is optimized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.extremes import expected_maximum
from theory.expectation.integrals import log1p_sum
from theory.float64 import jax, jnp
from theory.losses.base import Loss


@dataclass(frozen=True)
class Hinge(Loss):
    """`l(v) = max(0, 1 + max_i(-v_i))` [1]: convex and non-increasing, neither strictly."""

    name: ClassVar[str] = "hinge"
    normalization: ClassVar[str] = "none"
    smooth: ClassVar[bool] = False

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return jax.nn.relu(1.0 + jnp.max(-v, axis=-1))

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
        return expected_maximum(jax.nn.relu(1.0 - margins), weights, k)

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        del weights  # every value is drawn in the end
        return jax.nn.relu(1.0 + jnp.max(-margins, axis=-1))


@dataclass(frozen=True)
class SmoothedHinge(Loss):
    """`l(v) = w log(1 + sum_i exp((1 - v_i) / w))` of width `w`: convex, and above the hinge by at most
    `w log(1 + k)`."""

    name: ClassVar[str] = "smoothed-hinge"
    normalization: ClassVar[str] = "none"
    width: float = 0.25

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return self.width * jnp.logaddexp(0.0, jax.nn.logsumexp((1.0 - v) / self.width, axis=-1))

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
        nodes = 192 + int(4 / self.width)
        return self.width * log1p_sum((margins - 1.0) / self.width, weights, k, nodes)

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        raise NotImplementedError("the smoothed hinge grows like w log k; use the hinge's own limit")
