"""The separable logistic loss, `l(v) = sum_i log(1 + exp(-v_i))`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.expectation.expansion import Additive, Expansion
from theory.losses.base import Loss


@dataclass(frozen=True)
class Separable(Loss):
    """`l(v) = sum_i log(1 + exp(-v_i))`: strictly convex, strictly decreasing; linear in `k` in expectation."""

    name: ClassVar[str] = "separable"
    normalization: ClassVar[str] = "divide_by_k"
    additive: ClassVar[bool] = True

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        return _sum(v, 1.0 if counts is None else counts, 1.0)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return _sum(margins, weights, k)

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return ""

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        return _sum(margins, weights, 1.0)


def _sum(v: Float[Array, "*b n"], weights: Float[Array, "*w n"] | float, times: Scalar) -> Expansion:
    xp = array_module(v, weights)
    values = xp.logaddexp(0.0, -v)
    p = xp.exp(-v - values)  # 1 / (1 + e^v)
    return Additive(values, -p, p * (1 - p), weights, times)
