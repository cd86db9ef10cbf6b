"""What is known of the optimum on a graph at one `k`: the minimum, collapse, and the downstream loss of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from theory.augmentation.graph import Graph
from theory.geometry import rank
from theory.problem import Problem
from verify import limits
from verify.certify.balls import ball
from verify.certify.losses import is_strict
from verify.graphs.classifier import Bracket, Head, Masses, best_head, bracket
from verify.graphs.collapse import ClassLevel, class_level, decide, is_collapsed_numerically
from verify.graphs.linear import minimize_linear
from verify.graphs.means import GraphMeans
from verify.graphs.proof import GraphProof, prove_minimum
from verify.graphs.solution import check_points, solve
from verify.graphs.uniform import UniformProof, is_uniform, prove_uniform
from verify.optimize.barrier import dual_bound
from verify.optimize.threads import small_matrices
from verify.supervised.minimizer import Minimizer


@dataclass(frozen=True)
class Setting:
    """A problem on a graph, and the tasks: the mass of each class of a task in each group.

    With `features` embeddings are linear in these, of unit length (`verify.graphs.linear`).
    """

    problem: Problem[Graph]
    tasks: Mapping[str, Masses]
    features: Float[np.ndarray, "n p"] | None = None

    @property
    def graph(self) -> Graph:
        """The population of the problem."""
        return self.problem.population

    def at(self, k: int | float) -> Setting:
        """The same for another number of negatives."""
        return replace(self, problem=replace(self.problem, k=k))

    @cached_property
    def points_of_class(self) -> list[list[int]]:
        """The groups of each class, empty where a group has points of several."""
        labels = self.graph.labels
        if labels is None:
            return []
        return [[g for g, label in enumerate(labels) if label == c] for c in range(self.graph.C)]


@dataclass(frozen=True)
class Representation:
    """The minimizer: mean embeddings of the rows (classes where they are collapsed, else groups).

    Attributes:
        means: their Gram matrix in double precision.
        centre: exact numbers near its entries, and `radius` for each: the minimizer is within, or None.
        collapsed: whether the rows are the classes.
        rank: of the Gram matrix of all points, in double precision.
    """

    means: Float[np.ndarray, "r r"]
    centre: Sequence[Sequence[Fraction]] | None
    radius: Sequence[Sequence[Fraction]] | None
    collapsed: bool
    rank: int

    def balls(self) -> tuple[list[list[Any]], int] | None:
        """The enclosure as balls, and the bits that they are worth."""
        if self.centre is None or self.radius is None:
            return None
        widest = max((r for row in self.radius for r in row), default=Fraction(0)) or Fraction(1, 1 << 128)
        bits = 96 + (widest.denominator // widest.numerator).bit_length()
        with ctx.workprec(bits):
            rows = [
                [ball(x) + (arb(0, ball(r).upper()) if r else arb(0)) for x, r in zip(*pair, strict=True)]
                for pair in zip(self.centre, self.radius, strict=True)
            ]
        return rows, bits


@dataclass(frozen=True)
class TaskLoss:
    """The downstream loss of one task: the head found, and the proven bracket."""

    head: Head | None
    bracket: Bracket | None


@dataclass(frozen=True)
class Point:
    """All that is known at one `k`.

    Attributes:
        level: the class-level problem; None where a positive pair crosses classes.
        collapsed: "proved", "refuted", "numerical" or "undecided".
        numerical: loss and lower bound in double precision.
        nce: proven bounds on the minimum.
        proof: of the minimum, where the classes are not collapsed.
    """

    k: int | float
    level: ClassLevel | None
    collapsed: str
    numerical: tuple[float, float]
    nce: tuple[Fraction, Fraction] | None
    representation: Representation
    proof: GraphProof | UniformProof | None
    tasks: Mapping[str, TaskLoss]
    note: str


def settle(setting: Setting) -> Point:
    """Solve and enclose at the `k` of the problem.

    Raises:
        InputError: for a loss without an expectation here, or more points than are solved.
    """
    graph, problem = setting.graph, setting.problem
    if setting.features is not None:
        return _spread(setting, None, "undecided", "a linear encoder: in double precision")
    level, collapsed, note = None, "undecided", "a positive pair crosses classes: no threshold"
    if not graph.crosses:
        of_classes = Problem(graph.prior, problem.k, None, problem.loss, problem.temperature, problem.loss_name)
        level = class_level(of_classes)
        numerically = is_collapsed_numerically(graph, level)
        if not numerically:
            check_points(problem)  # before the decision, which takes minutes where there are many
        collapsed, note = decide(graph, level)
        if collapsed == "proved" or (collapsed != "refuted" and numerically):
            return _collapsed(setting, level, collapsed, note)
    return _spread(setting, level, collapsed, note)


def _collapsed(setting: Setting, level: ClassLevel, collapsed: str, note: str) -> Point:
    minimizer = level.minimizer
    nce = level.nce() if collapsed == "proved" else None
    means = GraphMeans(level.problem)
    local = means.derivatives(level.gram, hessian=False)
    value, lower = means.scale * local.value, means.scale * dual_bound(means, level.gram, local)
    centre = radius = None
    if isinstance(minimizer, Minimizer) and collapsed == "proved":
        centre = minimizer.cosines
        radius = [[Fraction(0) if c == j else minimizer.radius for j in range(len(centre))] for c in range(len(centre))]
    representation = Representation(level.gram, centre, radius, True, rank(level.gram))
    tasks = {name: _task(setting, representation, _by_class(setting, masses)) for name, masses in setting.tasks.items()}
    numerical = (value, min(lower, value))
    return Point(setting.problem.k, level, collapsed, numerical, nce, representation, None, tasks, note)


def _by_class(setting: Setting, masses: Masses) -> Masses:
    """A task's masses on classes instead of groups."""
    return tuple(
        tuple(sum((masses[g][y] for g in groups), Fraction(0)) for y in range(len(masses[0])))
        for groups in setting.points_of_class
    )


def _spread(setting: Setting, level: ClassLevel | None, collapsed: str, note: str) -> Point:
    graph, problem = setting.graph, setting.problem
    optimum = solve(problem) if setting.features is None else minimize_linear(problem, setting.features)
    m = len(graph.counts)
    proof: GraphProof | UniformProof | str = f"proofs are made for at most {limits.GRAPH_PROOF_GROUPS} groups"
    if setting.features is not None:
        proof = "the encoder is restricted"
    elif m <= limits.GRAPH_PROOF_GROUPS:
        proof = (
            prove_uniform(problem)
            if is_uniform(graph) and is_strict(problem.loss_name)
            else prove_minimum(problem, optimum.means)
        )
    cosines = GraphMeans(problem).cosines(optimum.means)
    centre, radius = (None, None) if isinstance(proof, str) else _enclosure(problem, proof)
    if centre is not None and radius is not None and collapsed == "undecided" and _is_spread(setting, centre, radius):
        collapsed, note = "refuted", ""
    if isinstance(proof, str):
        note = "; ".join(text for text in (note, f"not proved: {proof}") if text)
    free = int(sum(n - 1 for n, t in zip(graph.counts, np.diag(cosines), strict=True) if n > 1 and t < 1 - 1e-7))
    representation = Representation(optimum.means, *_means(problem, centre, radius), False, rank(optimum.means) + free)
    tasks = {name: _task(setting, representation, masses) for name, masses in setting.tasks.items()}
    nce = (proof.lower, proof.upper) if not isinstance(proof, str) else None
    kept = None if isinstance(proof, str) else proof
    return Point(
        problem.k,
        level,
        collapsed,
        (optimum.value, min(optimum.lower, optimum.value)),
        nce,
        representation,
        kept,
        tasks,
        note,
    )


def _enclosure(
    problem: Problem[Graph], proof: GraphProof | UniformProof
) -> tuple[Sequence[Sequence[Fraction]], Sequence[Sequence[Fraction]] | None]:
    """The cosines and their radii."""
    if isinstance(proof, GraphProof):
        return proof.cosines, proof.radius
    C = len(problem.population.counts)
    centre = [[proof.within if g == h else proof.between for h in range(C)] for g in range(C)]
    return centre, [[proof.radius] * C for _ in range(C)]


def _means(
    problem: Problem[Graph],
    cosines: Sequence[Sequence[Fraction]] | None,
    radius: Sequence[Sequence[Fraction]] | None,
) -> tuple[Sequence[Sequence[Fraction]] | None, Sequence[Sequence[Fraction]] | None]:
    """The enclosure of B from that of the cosines."""
    if cosines is None or radius is None:
        return None, None
    counts = problem.population.counts
    centre, wide = [list(row) for row in cosines], [list(row) for row in radius]
    for g, n in enumerate(counts):
        centre[g][g] = (1 + (n - 1) * centre[g][g]) / n if n > 1 else Fraction(1)
        wide[g][g] = wide[g][g] * (n - 1) / n if n > 1 else Fraction(0)
    return centre, wide


def _is_spread(setting: Setting, cosines: Sequence[Sequence[Fraction]], radius: Sequence[Sequence[Fraction]]) -> bool:
    """Whether two points of one class are proven apart."""
    graph = setting.graph
    return any(
        cosines[g][h] + radius[g][h] < 1
        for groups in setting.points_of_class
        for g in groups
        for h in groups
        if g != h or graph.counts[g] > 1
    )


def _task(setting: Setting, representation: Representation, masses: Masses) -> TaskLoss:
    loss, beta = setting.problem.loss_name, setting.problem.beta
    if not is_strict(loss):
        return TaskLoss(None, None)
    doubles = np.array([[float(x) for x in row] for row in masses])
    with small_matrices(len(doubles)):
        head = best_head(loss, representation.means, doubles, float(beta))
    enclosed = representation.balls()
    if enclosed is None:
        return TaskLoss(head, None)
    return TaskLoss(head, bracket(loss, enclosed[0], masses, beta, head.coefficients, enclosed[1]))


def within_class_cosines(setting: Setting, point: Point) -> list[float | None]:
    """The mean cosine over pairs of distinct points, for each class; None for a class of one point."""
    graph = setting.graph
    if point.representation.collapsed:
        sizes = [sum(graph.counts[g] for g in groups) for groups in setting.points_of_class]
        return [1.0 if n > 1 else None for n in sizes]
    B, counts = point.representation.means, np.array(graph.counts, dtype=float)
    cosines: list[float | None] = []
    for groups in setting.points_of_class:
        n = counts[groups]
        pairs = float(np.sum(n)) ** 2 - float(np.sum(n))
        # the sum over all pairs, the points with themselves included, is that of the means
        total = float(n @ B[np.ix_(groups, groups)] @ n) - float(np.sum(n))
        cosines.append(total / pairs if pairs else None)
    return cosines


def proven_rise(first: TaskLoss, second: TaskLoss) -> Fraction | None:
    """What the brackets prove of the rise of the downstream loss, if they do."""
    if first.bracket is None or second.bracket is None:
        return None
    return second.bracket.lower - first.bracket.upper


def best_rise(points: Sequence[Point], task: str) -> tuple[int, int, Fraction] | None:
    """The largest proven rise of a task's loss: two positions in the series, and what it exceeds."""
    best: tuple[int, int, Fraction] | None = None
    for i, first in enumerate(points):
        for j in range(i + 1, len(points)):
            rise = proven_rise(first.tasks[task], points[j].tasks[task])
            if rise is not None and rise > (best[2] if best else 0):
                best = (i, j, rise)
    return best
