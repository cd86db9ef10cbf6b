r"""The losses that something can be proved of, in one table: what rows, radii and classifiers need of each, in balls.

A loss of margins v enters through `X_i = e^(-v_i)`. Either it is a sum over the margins, `l = sum_i g(X_i)`, so that
`L_k = k L_1` and no minimizer depends on k; or it is `l = log(one + w sum_i X_i)`, whose expectation `rows`
integrates, with w = 1, or w = q/n for n margins: the weighted logistic loss.

*Curvature* (derived). In the margins the Hessian of a sum is diagonal, with entries `X g' + X^2 g''`. That of the
logarithm is `diag(p) - p p^T`, `p_i = w X_i / (1 + S)`, S the sum of `w X_i`; with `p_0 = 1 / (1 + S)`, Cauchy-Schwarz
and `sum_i p_i = 1 - p_0` it is at least `p_0 diag(p)`, and `p_0 p_i = w x / (1 + w x + s)^2`, s the other terms:
falling in s, and in x least at an end. Without the 1 nothing is left of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from flint import arb

from theory.errors import InputError
from theory.losses import WeightedLogistic
from verify.certify.balls import Ball, ball
from verify.certify.document import ratio


@dataclass(frozen=True)
class Loss(ABC):
    """One loss; `strict` says whether it is strictly convex in the cosines, so that there is one minimizer."""

    name: str

    @property
    @abstractmethod
    def strict(self) -> bool: ...

    def stated(self) -> dict[str, str]:
        """The fields of a statement that say which loss it is."""
        return {"loss": self.name}

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
    """`l = log(one + w sum_i X_i)`, `one` 0 or 1; `w = q/n` for n margins, or 1 where there is no q."""

    one: int
    q: Fraction | None = None

    @property
    def strict(self) -> bool:
        return self.one == 1

    def stated(self) -> dict[str, str]:
        return {"loss": self.name} | ({} if self.q is None else {"q": ratio(self.q)})

    def scale(self, n: int) -> Fraction:
        """The w of n margins."""
        return Fraction(1) if self.q is None else self.q / n

    def curvature(self, n: int, low: Ball, high: Ball) -> Ball:
        if not self.strict:
            return arb(0)
        w = ball(self.scale(n))
        others = (n - 1) * high
        return (w * low / (1 + w * (low + others)) ** 2).min(w * high / (1 + w * (high + others)) ** 2)

    def at(self, X: Sequence[Ball], counts: Sequence[int]) -> tuple[Ball, list[Ball]]:
        w = ball(self.scale(sum(counts)))
        terms = [w * n * x for n, x in zip(counts, X, strict=True)]
        S = self.one + sum(terms, arb(0))
        return S.log(), [term / S for term in terms]


LOSSES: dict[str, Sum | LogSum] = {
    loss.name: loss
    for loss in (
        LogSum("logistic", one=1),
        LogSum("decoupled", one=0),
        Sum("exponential", term=lambda X: (X, arb(1)), bend=lambda X: X),
        Sum("separable", term=lambda X: ((1 + X).log(), 1 / (1 + X)), bend=lambda X: X / (1 + X) ** 2),
    )
}


#: The losses with a parameter, written `name:parameter` as in `theory.losses`.
FAMILIES: dict[str, Callable[[str], Sum | LogSum]] = {
    "weighted-logistic": lambda q: LogSum("weighted-logistic", one=1, q=WeightedLogistic.parse(q).q)
}


def find(name: str) -> Sum | LogSum | None:
    """The loss of this name, or `name:parameter`, if it is in the table."""
    family, colon, parameter = name.partition(":")
    return FAMILIES[family](parameter) if colon and family in FAMILIES else LOSSES.get(name)


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
    return f"proven are {', '.join([*LOSSES, *(f'{family}:Q' for family in FAMILIES)])}"
