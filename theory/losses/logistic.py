"""The logistic loss, `l(v) = log(1 + sum_i exp(-v_i))`: the InfoNCE or N-pair loss."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.expectation import positives as over_positives
from theory.expectation.expansion import Expansion, LogSumExp
from theory.expectation.integrals import LOG1P_NODES, log1p_expansion
from theory.expectation.moments import FULL, Resolution, log1p_nonnegative, log1p_sum_nonnegative, resolution
from theory.losses.base import Loss


@dataclass(frozen=True)
class Logistic(Loss):
    """`l(v) = log(1 + sum_i exp(-v_i))` [1]: strictly convex, strictly decreasing, submodular."""

    name: ClassVar[str] = "logistic"
    normalization: ClassVar[str] = "subtract_log_k"
    #: Nodes of the quadrature; see `theory.expectation.integrals` for the range that they cover.
    nodes: int = LOG1P_NODES
    #: Resolution of the class-level fast path; see `theory.expectation.moments`.
    resolution: Resolution = FULL

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        return LogSumExp(v, counts, one=True)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return log1p_expansion(margins, weights, k, self.nodes)

    def expected_nonnegative(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
    ) -> Float[Array, "*b"]:
        return log1p_sum_nonnegative(margins, weights, k, self.resolution)

    def expected_expansion_nonnegative(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
    ) -> Expansion:
        return log1p_nonnegative(margins, weights, k, self.resolution)

    def specialized(self, k: int | float, beta: int | float) -> Logistic:
        return self if math.isinf(k) else replace(self, resolution=resolution(k, 2 * beta))

    def resolved(self, k: int | float, beta: int | float) -> Logistic:
        needed = over_positives.nodes(k, beta)
        return self if needed <= self.nodes else replace(self, nodes=needed)

    def expected_over_positives(
        self,
        cosines: Float[Array, "rows n"],
        positives: Float[Array, "rows n"],
        negatives: Float[Array, " n"],
        k: Scalar,
        beta: Scalar,
    ) -> Float[Array, " rows"]:
        return over_positives.log1p_ratio(
            cosines, positives, negatives, k, beta, self.nodes, array_module(cosines, k, beta)
        )

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return ""

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        return LogSumExp(margins, weights)
