"""The weighted logistic loss, `l(v) = log(1 + (q/k) sum_i exp(-v_i))`: the negatives together have the weight q.

For q = k it is the logistic loss. As a function of any number of margins, those of a classifier included, it is
`log(1 + q mean_i exp(-v_i))` (Chuang et al. 2020, where it is what is debiased).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.errors import InputError
from theory.expectation.expansion import Expansion, LogSumExp
from theory.expectation.integrals import LOG1P_NODES, log1p_expansion
from theory.expectation.moments import Resolution, log1p_nonnegative, log1p_sum_nonnegative, resolution
from theory.losses.base import Loss
from theory.priors import number

FAMILY = "weighted-logistic"
#: The weights for which the quadrature in double precision is tested.
LEAST, LARGEST = Fraction(1, 1000), Fraction(10**6)


@dataclass(frozen=True)
class WeightedLogistic(Loss):
    """`l(v) = log(1 + (q/k) sum_i exp(-v_i))` of k margins, `q` exact: strictly convex, strictly decreasing.

    Its expectation is that of the logistic loss at margins `v + log(k/q)` (`theory.expectation.integrals`), and tends
    to `log(1 + q E exp(-v))` as `k -> inf`, without any normalization.

    Raises:
        InputError: if `q` is out of range.
    """

    normalization: ClassVar[str] = "none"

    q: Fraction
    #: Resolution of the fast path for class-level margins, where `v + log(k/q)` is known to be at least 0.
    resolution: Resolution | None = None

    def __post_init__(self) -> None:
        if not LEAST <= self.q <= LARGEST:
            raise InputError("loss", f"{FAMILY}:{self.q}", f"accepted: {FAMILY}:Q, Q from {LEAST} to {LARGEST}")

    @classmethod
    def parse(cls, weight: str) -> WeightedLogistic:
        """The loss of this weight, read exactly: "3", "5/2" or "2.5".

        Raises:
            InputError: if it is no number, or out of range.
        """
        return cls(number(weight, "loss"))

    @property
    def name(self) -> str:
        """With q in lowest terms: "weighted-logistic:5/2"."""
        return f"{FAMILY}:{self.q}"

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        xp = array_module(v, counts)
        n = v.shape[-1] if counts is None else xp.sum(counts, axis=-1, keepdims=True)
        return LogSumExp(v + self._shift(n), counts, one=True)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return log1p_expansion(margins + self._shift(k), weights, k, LOG1P_NODES)

    def expected_expansion_nonnegative(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
    ) -> Expansion:
        if self.resolution is None:
            return self.expected_expansion(margins, weights, k)
        return log1p_nonnegative(margins + self._shift(k), weights, k, self.resolution)

    def expected_nonnegative(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
    ) -> Float[Array, "*b"]:
        if self.resolution is None:
            return self.expected(margins, weights, k)
        return log1p_sum_nonnegative(margins + self._shift(k), weights, k, self.resolution)

    def specialized(self, k: int | float, beta: int | float) -> WeightedLogistic:
        if math.isinf(k) or k < self.q:
            return self
        return replace(self, resolution=resolution(k, 2 * beta + math.log(k / float(self.q))))

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return ""

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        return LogSumExp(margins - math.log(self.q), weights, one=True)

    def _shift(self, n: Scalar | Float[Array, "*b"]) -> Float[Array, "*b"]:
        """`log(n / q)`."""
        return array_module(n).log(n) - math.log(self.q)
