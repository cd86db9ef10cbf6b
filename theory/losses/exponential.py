"""The exponential loss, `l(v) = sum_i exp(-v_i)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.expectation.expansion import Additive, Expansion
from theory.losses.base import Loss


@dataclass(frozen=True)
class Exponential(Loss):
    """`l(v) = sum_i exp(-v_i)`: strictly convex, strictly decreasing; its expectation is linear in `k`."""

    name: ClassVar[str] = "exponential"
    normalization: ClassVar[str] = "divide_by_k"
    additive: ClassVar[bool] = True

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        return _sum(v, 1.0 if counts is None else counts, 1.0)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return _sum(margins, weights, k)

    def expected_over_positives(
        self,
        cosines: Float[Array, "rows n"],
        positives: Float[Array, "rows n"],
        negatives: Float[Array, " n"],
        k: Scalar,
        beta: Scalar,
    ) -> Float[Array, " rows"]:
        xp = array_module(cosines, positives, beta)
        # positive and negative are independent
        away = xp.sum(positives * xp.exp(-beta * cosines), axis=-1)
        return self.expected(-beta * cosines, negatives, k) * away

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return ""

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        return _sum(margins, weights, 1.0)


def _sum(v: Float[Array, "*b n"], weights: Float[Array, "*w n"] | float, times: Scalar) -> Expansion:
    e = array_module(v, weights).exp(-v)
    return Additive(e, -e, e, weights, times)
