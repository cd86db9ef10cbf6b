"""The losses that this checker encloses, in one table: what a row, a radius and a classifier need of each.

A loss of margins v enters through `X_i = e^(-v_i)`. Either it is a sum over the negatives, `l = sum_i g(X_i)`, so that
`L_k = k L_1` and no minimizer depends on k; or `l = log(one + w sum_i X_i)`, whose expectation `rows` integrates, with
w = 1, or w = q/n for n margins: the weighted logistic loss, whose statements have q beside the name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from verify.checker.intervals import Context, Interval, enclose, log, low
from verify.checker.reading import Fields
from verify.checker.verdict import Unreadable

LEAST_Q, LARGEST_Q = Fraction(1, 1000), Fraction(10**6)


@dataclass(frozen=True)
class Loss:
    """`strict` says whether it is strictly convex in the cosines, so that there is one minimizer."""

    name: str

    @property
    def strict(self) -> bool:
        raise NotImplementedError

    def curvature(self, ctx: Context, k: int, q: Interval) -> Interval:
        """The least second derivative in a margin, as in `dual` (6.); `q = e^(-2 beta)`."""
        raise NotImplementedError

    def at(self, ctx: Context, X: list[Interval]) -> tuple[Interval, list[Interval]]:
        """`l`, and `X_i dl/dX_i`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sum(Loss):
    """`l = sum_i g(X_i)`; `term` gives `g` and `g'`, `bend` is the least `X g' + X^2 g''` on [q, 1/q]."""

    term: Callable[[Context, Interval], tuple[Interval, Interval]]
    bend: Callable[[Interval], Interval]

    @property
    def strict(self) -> bool:
        return True

    def curvature(self, ctx: Context, k: int, q: Interval) -> Interval:
        return self.bend(q)

    def at(self, ctx: Context, X: list[Interval]) -> tuple[Interval, list[Interval]]:
        terms = [self.term(ctx, x) for x in X]
        return sum((g for g, _ in terms), ctx.mpf(0)), [x * slope for x, (_, slope) in zip(X, terms, strict=True)]


@dataclass(frozen=True)
class LogSum(Loss):
    """`l = log(one + w sum_i X_i)`, `one` 0 or 1."""

    one: int
    q: Fraction | None = None

    @property
    def strict(self) -> bool:
        return self.one == 1

    def scale(self, n: int) -> Fraction:
        """The w of n margins."""
        return Fraction(1) if self.q is None else self.q / n

    def curvature(self, ctx: Context, k: int, q: Interval) -> Interval:
        w = enclose(ctx, self.scale(k))
        ends = [w * x / (1 + w * (x + (k - 1))) ** 2 for x in (q, ctx.mpf(1))]
        return enclose(ctx, min(low(end) for end in ends))

    def at(self, ctx: Context, X: list[Interval]) -> tuple[Interval, list[Interval]]:
        scaled = X if self.q is None else [enclose(ctx, self.scale(len(X))) * x for x in X]
        S = self.one + sum(scaled)
        return log(ctx, S), [x / S for x in scaled]


LOSSES: dict[str, Sum | LogSum] = {
    loss.name: loss
    for loss in (
        LogSum("logistic", one=1),
        LogSum("decoupled", one=0),
        Sum("exponential", term=lambda ctx, X: (X, ctx.mpf(1)), bend=lambda q: q),
        Sum("separable", term=lambda ctx, X: (log(ctx, 1 + X), 1 / (1 + X)), bend=lambda q: q / (1 + q) ** 2),
    )
}
#: The losses with a parameter, at some value of it.
WEIGHTED: dict[str, LogSum] = {"weighted-logistic": LogSum("weighted-logistic", one=1, q=Fraction(1))}
NAMES = (*LOSSES, *WEIGHTED)


def read_loss(fields: Fields) -> Sum | LogSum:
    """The field loss of a statement, and q where the loss has it."""
    name = fields.choice("loss", NAMES)
    if name in LOSSES:
        return LOSSES[name]
    q = fields.rational("q")
    if not LEAST_Q <= q <= LARGEST_Q:
        raise Unreadable(f"{fields.name}.q: only {LEAST_Q} to {LARGEST_Q} is handled")
    return replace(WEIGHTED[name], q=q)


def read_strict(fields: Fields) -> Sum | LogSum:
    """The same, where the minimizer has to be one."""
    loss = read_loss(fields)
    if not loss.strict:
        raise Unreadable(f"{fields.name}.loss: the minimizer of this loss need not be unique")
    return loss
