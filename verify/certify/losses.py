r"""The losses that something can be proved of, in one table: what rows, radii and classifiers need of each, in balls.

A loss of margins v enters through `X_i = e^(-v_i)`. Either it is a sum over the margins, `l = sum_i g(X_i)`, so that
`L_k = k L_1` and no minimizer depends on k; or it is `l = log(one + sum_i X_i)`, whose expectation `rows` integrates.

*Curvature* (derived). In the margins the Hessian of a sum is diagonal, with entries `X g' + X^2 g''`. That of the
logarithm is `diag(p) - p p^T`, `p_i = X_i / (1 + S)`, S the sum; with `p_0 = 1 / (1 + S)`, Cauchy-Schwarz and `sum_i
p_i = 1 - p_0` it is at least `p_0 diag(p)`, and `p_0 p_i = x / (1 + x + s)^2`, s the other terms: falling in s, and in
x least at an end. Without the 1 nothing is left of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flint import arb

from theory.errors import InputError
from verify.certify.balls import Ball


@dataclass(frozen=True)
class Loss(ABC):
    """One loss; `strict` says whether it is strictly convex in the cosines, so that there is one minimizer."""

    name: str

    @property
    @abstractmethod
    def strict(self) -> bool: ...

    @abstractmethod
    def curvature(self, n: int, low: Ball, high: Ball) -> Ball:
        """The least w with `D^2 l >= w` on n margins whose X lie in [low, high]; row k of `L_k`, with `low = e^(-2
        beta)` and `high = 1`, has `D^2 >= k w sum_j rho_j delta_j^2`."""

    @abstractmethod
    def at(self, X: Sequence[Ball], counts: Sequence[int]) -> tuple[Ball, list[Ball]]:
        """`l`, and the sums of `X_i dl/dX_i` over the margins that are alike: `counts_i` have the value `X_i`."""


@dataclass(frozen=True)
class Sum(Loss):
    """`l = sum_i g(X_i)`; `term` gives `g` and `g'`, `bend` gives `X g' + X^2 g''`, least at an end of any interval."""

    term: Callable[[Ball], tuple[Ball, Ball]]
    bend: Callable[[Ball], Ball]

    @property
    def strict(self) -> bool:
        return True

    def curvature(self, n: int, low: Ball, high: Ball) -> Ball:
        del n
        return self.bend(low).min(self.bend(high))

    def at(self, X: Sequence[Ball], counts: Sequence[int]) -> tuple[Ball, list[Ball]]:
        terms = [self.term(x) for x in X]
        value = sum((n * g for n, (g, _) in zip(counts, terms, strict=True)), arb(0))
        return value, [n * x * slope for n, x, (_, slope) in zip(counts, X, terms, strict=True)]


@dataclass(frozen=True)
class LogSum(Loss):
    """`l = log(one + sum_i X_i)`, `one` 0 or 1."""

    one: int

    @property
    def strict(self) -> bool:
        return self.one == 1

    def curvature(self, n: int, low: Ball, high: Ball) -> Ball:
        if not self.strict:
            return arb(0)
        others = (n - 1) * high
        return (low / (1 + low + others) ** 2).min(high / (1 + high + others) ** 2)

    def at(self, X: Sequence[Ball], counts: Sequence[int]) -> tuple[Ball, list[Ball]]:
        S = self.one + sum((n * x for n, x in zip(counts, X, strict=True)), arb(0))
        return S.log(), [n * x / S for n, x in zip(counts, X, strict=True)]


LOSSES: dict[str, Sum | LogSum] = {
    loss.name: loss
    for loss in (
        LogSum("logistic", one=1),
        LogSum("decoupled", one=0),
        Sum("exponential", term=lambda X: (X, arb(1)), bend=lambda X: X),
        Sum("separable", term=lambda X: ((1 + X).log(), 1 / (1 + X)), bend=lambda X: X / (1 + X) ** 2),
    )
}


def find(name: str) -> Sum | LogSum | None:
    """The loss of this name if it is in the table."""
    return LOSSES.get(name)


def get(name: str) -> Sum | LogSum:
    """The loss of this name.

    Raises:
        InputError: if it is not in the table.
    """
    found = find(name)
    if found is None:
        raise InputError("loss", name, unproved())
    return found


def is_strict(name: str) -> bool:
    """Whether a loss is proven to be strictly convex in the cosines, so that the minimizer is one."""
    known = find(name)
    return known is not None and known.strict


def unproved() -> str:
    """What is said where a loss is not in the table."""
    return f"proven are {', '.join(LOSSES)}"
