"""A loss and a representation with rational numbers throughout, and exactly how far they break the averaging step."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.losses.custom import Generic
from theory.points.averaging import averaging_margins
from theory.points.loss import points_loss
from theory.points.mixture import Mixture
from theory.points.representation import Representation, representation
from verify.certify.document import document, down, ratio, up

if TYPE_CHECKING:
    from flint import arb

Points = tuple[tuple[tuple[Fraction, ...], ...], ...]
_PRECISION = 256
# Bounds are rounded outwards to so many decimals, far below any excess that is reported.
_EXCESS_DIGITS = 20


@dataclass(frozen=True)
class Candidate:
    """An exact problem: everything rational, every embedding exactly of length 1.

    Attributes:
        loss: the loss, a member of the family.
        k: the number of negatives.
        rho: the prior.
        weights: C x N.
        embeddings: C x N x d.
        collapsed: the class `c*` that the step collapses.
    """

    loss: Mixture
    k: int
    rho: tuple[Fraction, ...]
    weights: tuple[tuple[Fraction, ...], ...]
    embeddings: Points
    collapsed: int = 0

    def as_floats(self) -> Representation:
        """The representation in double precision."""
        points = [point for row in self.embeddings for point in row]
        weights = [weight for row in self.weights for weight in row]
        labels = np.repeat(np.arange(len(self.rho)), [len(row) for row in self.weights])
        F, law, rho = (np.array(x, dtype=float) for x in (points, weights, self.rho))
        return representation(F, labels, law, rho)


@dataclass(frozen=True)
class Counterexample:
    """A loss and a representation on which the averaging step fails, by at least `excess_lower > 0`.

    Attributes:
        candidate: the exact problem.
        every_point: whether the excess is that of the best point, `min_x* L(f_x*) - L(f)`, and not of the average,
            `E_x*[L(f_x*)] - L(f)`. It refutes the conclusion of the step as well: that some `x*` does not lose.
        excess_lower: rational lower bound of the excess.
        excess_upper: rational upper bound.
        value: `L(f)`, a float.
        best_margin: `L(f) - min_x* L(f_x*)`, a float: positive where the best single point still improves.
        starts: random starts that were tried.
        seconds: time of the search and the proof.
    """

    candidate: Candidate
    every_point: bool
    excess_lower: Fraction
    excess_upper: Fraction
    value: float
    best_margin: float
    starts: int
    seconds: float

    def certificate(self) -> dict[str, Any]:
        """The certificate `averaging-step-refuted`, complete in its statement."""
        c = self.candidate
        return document(
            {
                "kind": "averaging-step-refuted",
                "loss": {name: ratio(value) for name, value in vars(c.loss).items()},
                "k": c.k,
                "temperature": "1/1",
                "rho": [ratio(x) for x in c.rho],
                "d": len(c.embeddings[0][0]),
                "weights": [[ratio(x) for x in row] for row in c.weights],
                "embeddings": [[ratio(x) for x in point] for row in c.embeddings for point in row],
                "class": c.collapsed,
                "excess_of": "every point" if self.every_point else "average",
                "excess_lower": ratio(self.excess_lower),
            },
            {},
        )


def margins(candidate: Candidate) -> tuple[float, float, float]:
    """`L(f)`, the step's margin `L(f) - E_x*[L(f_x*)]` and `L(f) - min_x* L(f_x*)`, in floats."""
    f, loss, c = candidate.as_floats(), Generic(candidate.loss), candidate.collapsed
    step = averaging_margins(loss, f, float(candidate.k))
    return float(points_loss(loss, f, float(candidate.k))), float(step.margin[c]), float(step.best[c])


def enclose_excess(candidate: Candidate, *, every_point: bool = False) -> tuple[Fraction, Fraction]:
    """Rational bounds of the excess of the average, or of the best point: plain enumeration at exact margins."""
    from flint import arb, ctx, fmpq

    def number(q: Fraction) -> arb:
        return arb(fmpq(q.numerator, q.denominator))

    @cache
    def exponential(q: Fraction) -> arb:
        return number(q).exp()

    @cache
    def loss(v: tuple[Fraction, ...]) -> arb:
        m = candidate.loss
        separable = sum((exponential(-m.separable_rate * x) for x in v), arb(0))
        odds = sum((exponential(-x) for x in v), arb(1))
        joint = exponential(-m.joint_rate * sum(v, Fraction(0)))
        return number(m.separable) * separable + number(m.joint) * joint + number(m.logistic) * odds.log()

    def expected(F: Points) -> arb:
        atoms = [(c, candidate.weights[c][i], point) for c, row in enumerate(F) for i, point in enumerate(row)]
        total = arb(0)
        for c, weight, anchor in atoms:
            for other, positive_weight, positive in atoms:
                if other != c:
                    continue
                pair = candidate.rho[c] * weight * positive_weight
                differences = [_dot(anchor, positive) - _dot(anchor, point) for _, _, point in atoms]
                masses = [candidate.rho[e] * w for e, w, _ in atoms]
                for draw in product(range(len(atoms)), repeat=candidate.k):
                    probability = pair
                    for n in draw:
                        probability *= masses[n]
                    total += number(probability) * loss(tuple(sorted(differences[n] for n in draw)))
        return total

    with ctx.workprec(_PRECISION):
        c, F = candidate.collapsed, candidate.embeddings
        before = expected(F)
        after = [expected((*F[:c], (point,) * len(F[c]), *F[c + 1 :])) - before for point in F[c]]
        if every_point:
            lower = min(_rational(excess.lower()) for excess in after)
            upper = min(_rational(excess.upper()) for excess in after)
        else:
            mean = sum(
                (number(weight) * excess for weight, excess in zip(candidate.weights[c], after, strict=True)), arb(0)
            )
            lower, upper = _rational(mean.lower()), _rational(mean.upper())
    return down(lower, _EXCESS_DIGITS), up(upper, _EXCESS_DIGITS)


def _rational(ball: arb) -> Fraction:
    """An exact dyadic ball as a fraction."""
    mantissa, exponent = ball.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def _dot(x: tuple[Fraction, ...], y: tuple[Fraction, ...]) -> Fraction:
    return sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0))
