"""The losses that this checker encloses, in one table: what a row, a radius and a classifier need of each.

A loss of margins v enters through `X_i = e^(-v_i)`. Either it is a sum over the negatives, `l = sum_i g(X_i)`, so that
`L_k = k L_1` and no minimizer depends on k; or `l = log(one + sum_i X_i)`, whose expectation `rows` integrates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from verify.checker.intervals import Context, Interval, log


@dataclass(frozen=True)
class Loss:
    """`curvature(k, q)`, `q = e^(-2 beta)`, is the w of `dual` (6.); None where the minimizer need not be unique."""

    name: str
    curvature: Callable[[int, Interval], Interval] | None

    def at(self, ctx: Context, X: list[Interval]) -> tuple[Interval, list[Interval]]:
        """`l`, and `X_i dl/dX_i`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Sum(Loss):
    """`l = sum_i g(X_i)`; `term` gives `g` and `g'`."""

    term: Callable[[Context, Interval], tuple[Interval, Interval]]

    def at(self, ctx: Context, X: list[Interval]) -> tuple[Interval, list[Interval]]:
        terms = [self.term(ctx, x) for x in X]
        return sum((g for g, _ in terms), ctx.mpf(0)), [x * slope for x, (_, slope) in zip(X, terms, strict=True)]


@dataclass(frozen=True)
class LogSum(Loss):
    """`l = log(one + sum_i X_i)`, `one` 0 or 1."""

    one: int

    def at(self, ctx: Context, X: list[Interval]) -> tuple[Interval, list[Interval]]:
        S = self.one + sum(X)
        return log(ctx, S), [x / S for x in X]


LOSSES: dict[str, Sum | LogSum] = {
    loss.name: loss
    for loss in (
        LogSum("logistic", lambda k, q: q / (k + q) ** 2, one=1),
        LogSum("decoupled", None, one=0),
        Sum("exponential", lambda k, q: q, term=lambda ctx, X: (X, ctx.mpf(1))),
        Sum("separable", lambda k, q: q / (1 + q) ** 2, term=lambda ctx, X: (log(ctx, 1 + X), 1 / (1 + X))),
    )
}
#: Strictly convex in the cosines, so that the minimizer is one, and enclosed.
STRICT = tuple(name for name, loss in LOSSES.items() if loss.curvature is not None)
