"""Steps of a derivation, and what it takes to call one proved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

import sympy as sp

Relation = Literal["zero", "positive", "nonnegative"]
Status = Literal["proved", "refuted", "undecided"]


@dataclass(frozen=True)
class Obligation:
    """`expression` is zero, positive or nonnegative, for all values that its symbols' assumptions allow."""

    what: str
    expression: sp.Expr
    relation: Relation

    def holds(self) -> bool | None:
        """True if it reduces exactly, False if its negation does, None if neither is found.

        Only rewriting is used for identities; a sign is read off from the assumptions on the symbols.
        """
        if self.relation == "zero":
            reduced = reduce(self.expression)
            if reduced == 0:
                return True
            return False if _sign_known(reduced) else None
        answer = self._sign(self.expression)
        if answer is None:  # most signs are seen as they stand, and rewriting takes a hundred times as long
            reduced = reduce(self.expression)
            answer = self._sign(reduced)
            answer = self._sign(sp.factor(reduced)) if answer is None else answer
        return answer

    def _sign(self, form: sp.Expr) -> bool | None:
        answer = form.is_positive if self.relation == "positive" else form.is_nonnegative
        return None if answer is None else bool(answer)


@dataclass(frozen=True)
class Step:
    """A statement, where it comes from, and the obligations that it reduces to.

    `scope` says for which `n` the obligations are checked: "symbolic" for all of them at once.
    """

    name: str
    statement: str
    source: str
    obligations: Callable[[], Iterator[Obligation]]
    scope: str = "symbolic"


@dataclass(frozen=True)
class Proof:
    """The outcome of a step: `proved` if every obligation reduced, `refuted` if one reduced to its negation."""

    step: Step
    status: Status
    obligations: tuple[tuple[str, bool | None], ...]


@cache
def prove(step: Step) -> Proof:
    """Reduce every obligation of a step; once, as several claims may rest on it."""
    outcome = tuple((obligation.what, obligation.holds()) for obligation in step.obligations())
    if any(holds is False for _, holds in outcome):
        status: Status = "refuted"
    else:
        status = "proved" if outcome and all(holds for _, holds in outcome) else "undecided"
    return Proof(step, status, outcome)


def equal(what: str, left: sp.Expr, right: sp.Expr) -> Obligation:
    """The obligation `left = right`."""
    return Obligation(what, sp.sympify(left) - sp.sympify(right), "zero")


def positive(what: str, expression: sp.Expr) -> Obligation:
    """The obligation `expression > 0`."""
    return Obligation(what, sp.sympify(expression), "positive")


def nonnegative(what: str, expression: sp.Expr) -> Obligation:
    """The obligation `expression >= 0`."""
    return Obligation(what, sp.sympify(expression), "nonnegative")


def reduce(expression: sp.Expr) -> sp.Expr:
    """An equal expression, 0 where the rewriting rules reach it."""
    # the canonical form of a rational function is found much sooner than by trying everything
    first = sp.cancel if expression.is_rational_function() else sp.expand
    for rewrite in (first, sp.simplify, sp.gammasimp, sp.factor, sp.radsimp):
        expression = rewrite(expression)
        if expression == 0:
            break
    return expression


def _sign_known(expression: sp.Expr) -> bool:
    """Whether the assumptions (not the digits) of an expression say that it is not zero."""
    return bool(expression.is_Rational or expression.free_symbols) and expression.is_nonzero is True
