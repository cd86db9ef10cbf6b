"""The decoupled loss, `l(v) = log sum_i exp(-v_i)`: logistic without the positive pair in the denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.expectation.expansion import Expansion, LogSumExp
from theory.expectation.integrals import LOG_NODES, log_expansion
from theory.losses.base import Loss


@dataclass(frozen=True)
class Decoupled(Loss):
    """`l(v) = log sum_i exp(-v_i)` (Yeh et al. 2022): convex, strictly decreasing; linear for `k = 1`."""

    name: ClassVar[str] = "decoupled"
    normalization: ClassVar[str] = "subtract_log_k"
    #: Nodes of the quadrature; see `theory.expectation.integrals` for the range that they cover.
    nodes: int = LOG_NODES

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        return LogSumExp(v, counts)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return log_expansion(margins, weights, k, self.nodes)

    def expected_over_positives(
        self,
        cosines: Float[Array, "rows n"],
        positives: Float[Array, "rows n"],
        negatives: Float[Array, " n"],
        k: Scalar,
        beta: Scalar,
    ) -> Float[Array, " rows"]:
        # log sum exp(-v) = log sum exp(beta g_J) - beta g_P
        return self.expected(-beta * cosines, negatives, k) - beta * array_module(cosines, positives, beta).sum(
            positives * cosines, axis=-1
        )

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del beta
        return "with one negative the decoupled loss is linear: sum_c u_c = 0 is all it asks" if k == 1 else ""

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        return LogSumExp(margins, weights)
