r"""Equal classes of equal points, enclosed to many digits: one unknown, and the sign of one derivative.

Where every class is one group, all of one size and one law, and no pair crosses classes, the minimizer is (g, b(g)) of
`theory.augmentation.block`: permutations of points and classes, and uniqueness. `F_k` is convex, so a sign of
`dF_k/dg` on either side of a number encloses g, and `F_k(g0) - |F_k'(g0)| |g - g0| <= min <= F_k(g0)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flint import arb, ctx

from theory.augmentation.block import Block
from theory.augmentation.graph import Graph
from theory.problem import Problem
from verify.certify.balls import Ball, ball, bounds
from verify.certify.document import down, up
from verify.certify.losses import is_strict
from verify.certify.rows import law
from verify.graphs.rows import AnchorRow, anchor_rows

_BITS = 192
#: Half the width of the enclosure of g.
_RADIUS = Fraction(1, 1 << 96)
_STEPS = 12


@dataclass(frozen=True)
class UniformProof:
    """g is within `radius` of `within`, `b = -(1 + (m-1) g)/((C-1) m)`, and the minimum in [lower, upper]."""

    problem: Problem[Graph]
    within: Fraction
    radius: Fraction
    lower: Fraction
    upper: Fraction

    @property
    def between(self) -> Fraction:
        """b at `within`; its radius is smaller."""
        C, m = len(self.problem.population.counts), self.problem.population.counts[0]
        return -(1 + (m - 1) * self.within) / ((C - 1) * m)


def is_uniform(graph: Graph) -> bool:
    """Whether all classes are one group each, of one size (two points or more) and one law, without crossing pairs."""
    diagonal = {graph.joint.get((g, g)) for g in range(len(graph.counts))}
    return (
        graph.labels is not None
        and sorted(graph.labels) == list(range(len(graph.counts)))
        and len(set(graph.counts)) == len(set(graph.same)) == len(diagonal) == 1
        and graph.counts[0] > 1
        and not graph.crosses
    )


def prove_uniform(problem: Problem[Graph]) -> UniformProof | str:
    """Enclose the minimizer of a uniform graph whose classes are not collapsed; else the reason why not."""
    graph = problem.population
    if not isinstance(problem.k, int) or not is_strict(problem.loss_name):
        return "the minimizer is not enclosed"
    C, m = len(graph.counts), graph.counts[0]
    share = float(graph.joint.get((0, 0), Fraction(0)) * C)
    start = Block(C, m, 1 - share, share).cosine(problem.loss_name, problem.k, float(problem.beta))
    with ctx.workprec(_BITS + 2 * problem.k.bit_length() + 32):
        g0, g1 = Fraction(start), Fraction(start) + Fraction(1, 1 << 40)
        f0, f1 = (_slope(problem, g) for g in (g0, g1))
        for _ in range(_STEPS):  # the secant method, on midpoints
            rise = bounds((f1 - f0).mid())[0]
            if rise == 0 or abs(g1 - g0) < _RADIUS / 16:
                break
            step = bounds(f1.mid())[0] * (g1 - g0) / rise
            g0, f0 = g1, f1
            g1 = _rounded(g1 - step)
            f1 = _slope(problem, g1)
        below, above = g1 - _RADIUS, g1 + _RADIUS
        if not (above < 1 and _slope(problem, below) < 0 and _slope(problem, above) > 0):
            return "the sign of the derivative was not decided"
        value = _rows(problem, g1).loss
        loss = bounds(value)
        spare = bounds(abs(f1))[1] * _RADIUS + Fraction(1, 1 << 80)
    digits = len(str((64 / spare).__ceil__()))
    return UniformProof(problem, g1, _RADIUS, down(loss[0] - spare, digits), up(loss[1] + spare / 8, digits))


def _rounded(g: Fraction) -> Fraction:
    return Fraction(round(g * (1 << 128)), 1 << 128)


def _rows(problem: Problem[Graph], g: Fraction) -> AnchorRow:
    graph = problem.population
    C, m = len(graph.counts), graph.counts[0]
    b = -(1 + (m - 1) * g) / ((C - 1) * m)
    negative = law([(0, Fraction(1, C * m)), (1, Fraction(m - 1, C * m)), (2, Fraction(C - 1, C))])
    mates = graph.joint.get((0, 0), Fraction(0)) * C
    positive = law([(0, 1 - mates), (1, mates)])
    beta = problem.beta
    logarithms = [arb(0), ball(beta * (g - 1)), ball(beta * (b - 1))]
    assert isinstance(problem.k, int)
    return anchor_rows(problem.loss_name, problem.k, logarithms, [(negative, positive)], _BITS)[0]


def _slope(problem: Problem[Graph], g: Fraction) -> Ball:
    """`dF_k/dg` over `beta p_g`."""
    graph = problem.population
    C, m = len(graph.counts), graph.counts[0]
    b = -(1 + (m - 1) * g) / ((C - 1) * m)
    row = _rows(problem, g)
    X_g, X_b = (ball(problem.beta * (x - 1)).exp() for x in (g, b))
    mates = graph.joint.get((0, 0), Fraction(0)) * C
    ratio = mates / Fraction(m - 1, C * m)
    positive = ball(ratio) * row.positive[1] if mates else arb(0)
    return X_g * (row.negative[1] + positive) - X_b * row.negative[2]
