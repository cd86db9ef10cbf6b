"""The multiclass hinge loss, and the smooth loss that stands in for it while it is optimized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.expectation.expansion import Expansion, LogSumExp, Rescaled
from theory.expectation.extremes import Hinged
from theory.expectation.integrals import log1p_expansion
from theory.losses.base import Loss


@dataclass(frozen=True)
class Hinge(Loss):
    """`l(v) = max(0, 1 + max_i(-v_i))` [1]: convex and non-increasing, neither strictly."""

    name: ClassVar[str] = "hinge"
    normalization: ClassVar[str] = "none"
    smooth: ClassVar[bool] = False

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        xp = array_module(v, counts)
        present = v if counts is None else xp.where(counts > 0, v, xp.inf)
        # the largest of all terms, as if infinitely many were drawn
        return self.limit_expansion(present, xp.ones(v.shape[-1]))

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return Hinged(margins, weights, k)

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        if k == float("inf"):
            return "in the limit every embedding has the hinge loss 1"
        if beta >= 1:
            return "every Gram matrix with all cosines <= 1 - T is optimal for the hinge loss"
        return "the hinge loss is not strictly convex; other optima are not excluded"

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        return Hinged(margins, weights, None)


@dataclass(frozen=True)
class SmoothedHinge(Loss):
    """`l(v) = w log(1 + sum_i exp((1 - v_i) / w))` of width `w`: convex, and above the hinge by at most
    `w log(1 + k)`."""

    name: ClassVar[str] = "smoothed-hinge"
    normalization: ClassVar[str] = "none"
    width: float = 0.25

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        return Rescaled(LogSumExp((v - 1.0) / self.width, counts, one=True), self.width)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        nodes = 192 + int(4 / self.width)
        return Rescaled(log1p_expansion((margins - 1.0) / self.width, weights, k, nodes), self.width)

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return ""

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        raise NotImplementedError("the smoothed hinge grows like w log k; use the hinge's own limit")
