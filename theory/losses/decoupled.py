"""The decoupled loss, `l(v) = log sum_i exp(-v_i)`: logistic without the positive pair in the denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.integrals import LOG_NODES, log_sum
from theory.float64 import jax, jnp
from theory.losses.base import Loss


@dataclass(frozen=True)
class Decoupled(Loss):
    """`l(v) = log sum_i exp(-v_i)` (Yeh et al. 2022): convex, strictly decreasing; linear for `k = 1`."""

    name: ClassVar[str] = "decoupled"
    normalization: ClassVar[str] = "subtract_log_k"
    #: Nodes of the quadrature; see `theory.expectation.integrals` for the range that they cover.
    nodes: int = LOG_NODES

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return jax.nn.logsumexp(-v, axis=-1)

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
        return log_sum(margins, weights, k, self.nodes)

    def expected_over_positives(
        self,
        cosines: Float[Array, "rows n"],
        positives: Float[Array, "rows n"],
        negatives: Float[Array, " n"],
        k: Scalar,
        beta: Scalar,
    ) -> Float[Array, " rows"]:
        # log sum exp(-v) = log sum exp(beta g_J) - beta g_P
        return self.expected(-beta * cosines, negatives, k) - beta * jnp.sum(positives * cosines, axis=-1)

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        return jax.nn.logsumexp(-margins, b=weights, axis=-1)
