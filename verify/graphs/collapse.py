"""Whether the classes are collapsed at the optimum, decided by the theorem of `theory.augmentation.thresholds`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from theory.augmentation.chains import gap_matrix, mates_rate, members, spectral_gaps
from theory.augmentation.graph import Graph
from theory.augmentation.thresholds import collapse_thresholds
from theory.groups import class_gram, cosines
from theory.priors import Prior
from theory.problem import Problem
from verify.certify.balls import Ball, ball, bounds
from verify.certify.definite import is_positive_definite
from verify.certify.losses import is_strict
from verify.graphs.proof import anchors_at
from verify.supervised.minimizer import Enclosing, Minimizer

#: Enclosures of the class-level minimizer, and what they are refined to where a gap is near a threshold.
_RADII = (Fraction(1, 10**12), Fraction(1, 10**24))
_GAP_BITS = 160


def class_graph(prior: Prior) -> Graph:
    """The class-level problem as a graph: every class is a point, and its own positive."""
    return Graph((1,) * prior.C, prior.rho, {}, tuple(range(prior.C)))


@dataclass(frozen=True)
class ClassLevel:
    """The class-level problem: its minimizer and the thresholds, in double precision and enclosed where they are.

    Attributes:
        gram: the minimizer in double precision, C x C.
        thresholds: `alpha*_c`.
        enclosures: proven bounds on each threshold, or None.
        minimizer: its enclosure, or the reason why there is none.
    """

    problem: Problem[Graph]
    enclosing: Enclosing
    gram: Float[np.ndarray, "C C"]
    thresholds: tuple[float, ...]
    enclosures: tuple[tuple[Fraction, Fraction], ...] | None
    minimizer: Minimizer | str

    @cached_property
    def prior(self) -> Prior:
        """The masses of the classes."""
        return self.problem.population.prior

    def nce(self) -> tuple[Fraction, Fraction] | None:
        """Proven bounds on the class-level minimum."""
        if isinstance(self.minimizer, str) or not isinstance(self.problem.k, int):
            return None
        return self.enclosing.nce_bounds(self.minimizer)


def class_level(of: Problem, *, exact: bool = True) -> ClassLevel:
    """Solve the class-level problem, and enclose it if `exact` and `k` is an integer.

    Raises:
        InputError: for a loss without a threshold.
    """
    prior, loss, k = of.population, of.loss_name, of.k
    problem = Problem(class_graph(prior), k, of.d, of.loss, of.temperature, loss)
    enclosing = Enclosing(of, by_class=True)
    gram = _class_gram(enclosing)
    found = collapse_thresholds(of.loss, gram, prior.as_array(), k, float(of.beta))
    strict = is_strict(loss)
    if not exact or not isinstance(k, int) or not strict:
        reason = "k is not an integer" if strict else f"the minimizer of the loss '{loss}' is not enclosed"
        return ClassLevel(problem, enclosing, gram, tuple(found.tolist()), None, reason)
    minimizer: Minimizer | str = "not tried"
    enclosures = None
    for radius in _RADII:
        minimizer = enclosing.minimizer(radius)
        if isinstance(minimizer, str):
            continue
        enclosures = enclose_thresholds(problem, minimizer)
        if max(high - low for low, high in enclosures) < Fraction(1, 10**10):
            break
    return ClassLevel(problem, enclosing, gram, tuple(found.tolist()), enclosures, minimizer)


def _class_gram(enclosing: Enclosing) -> Float[np.ndarray, "C C"]:
    prior = enclosing.problem.population
    if prior.is_uniform or prior.C == 2:
        gram = np.full((prior.C, prior.C), -1.0 / (prior.C - 1))
        np.fill_diagonal(gram, 1.0)
        return gram
    found = enclosing.solution
    if len(found.groups.masses) == prior.C:
        return found.means
    return class_gram(cosines(found.means, found.groups), found.groups, prior)


def enclose_thresholds(problem: Problem[Graph], minimizer: Minimizer) -> tuple[tuple[Fraction, Fraction], ...]:
    """`alpha*_c = (Ds G*)_cc / (D 1)_c` in balls over the enclosure of G*."""
    rho = problem.population.prior.rho
    classes = range(len(rho))
    scale = minimizer.radius or Fraction(1, 1 << 100)
    bits = 64 + (scale.denominator // scale.numerator).bit_length()
    assert isinstance(problem.k, int)
    with ctx.workprec(bits + 2 * problem.k.bit_length() + 24):
        gram = minimizer.balls()
        rows, names = anchors_at(problem, gram, bits)
        D = [[ball(rho[c] * rho[j]) * _X(problem, gram[c][j]) * rows[c].negative[names[c][j]] for j in classes]
             for c in classes]  # fmt: skip
        found = []
        for c in classes:
            product = sum(((D[c][j] + D[j][c]) / 2 * gram[c][j] for j in classes), arb(0))
            found.append(bounds(product / sum(D[c], arb(0))))
    return tuple(found)


def _X(problem: Problem[Graph], cosine: Ball) -> Ball:
    return (ball(problem.beta) * (cosine - 1)).exp()


def gap_is_at_least(graph: Graph, c: int, a: Fraction) -> bool | None:
    """Whether `gap_c >= a`: True and False are proven, None is undecided. True for a class of one point.

    False means at most a: `gap_c >= a'` fails for every a' > a.
    """
    rates = [rate for g in members(graph, c) if (rate := mates_rate(graph, g)) is not None]
    if any(1 - rate < a for rate in rates):
        return False
    with ctx.workprec(_GAP_BITS):
        return is_positive_definite([[ball(x) for x in row] for row in gap_matrix(graph, c, a)])


def decide(graph: Graph, level: ClassLevel) -> tuple[str, str]:
    """Whether all classes are collapsed at the optimum, in the words of `verify.results.Status`, and a note."""
    if graph.crosses:
        return "undecided", "a positive pair crosses classes: the theorem does not apply"
    if level.enclosures is not None:
        answers = [gap_is_at_least(graph, c, high) for c, (_, high) in enumerate(level.enclosures)]
        if all(answers):
            return "proved", ""
        for c, (low, _) in enumerate(level.enclosures):
            below = low - Fraction(1, 10**30)
            if gap_is_at_least(graph, c, below) is False:
                return "refuted", ""
        return "undecided", "a gap is too near to its threshold"
    gaps: Sequence[float | None] = spectral_gaps(graph)
    pairs = [(gap, threshold) for gap, threshold in zip(gaps, level.thresholds, strict=True) if gap is not None]
    if any(abs(gap - threshold) < 1e-8 for gap, threshold in pairs):
        return "undecided", "a gap is too near to its threshold"
    reason = level.minimizer if isinstance(level.minimizer, str) else ""
    if all(gap >= threshold for gap, threshold in pairs):
        return "numerical", f"not proved: {reason}"
    return "undecided", f"numerically not collapsed; not proved: {reason}"


def is_collapsed_numerically(graph: Graph, level: ClassLevel) -> bool:
    """Whether every gap is at least its threshold in double precision."""
    gaps = spectral_gaps(graph)
    return all(gap is None or gap >= a for gap, a in zip(gaps, level.thresholds, strict=True))
