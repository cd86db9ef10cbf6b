"""The augmentation graph: the joint law of positive pairs, exact, with exchangeable points taken together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.errors import InputError
from theory.priors import Prior


class GraphArrays(NamedTuple):
    """The law in double precision, one row a group, each number correctly rounded.

    Attributes:
        counts: points of each group.
        marginal: mass of each group.
        same: given an anchor of the group, the probability that the positive is the same point.
        others: `others[g, h]`, the probability that it is another point, of group h; with `same` a row sums to 1.
    """

    counts: Float[np.ndarray, " m"]
    marginal: Float[np.ndarray, " m"]
    same: Float[np.ndarray, " m"]
    others: Float[np.ndarray, "m m"]


@dataclass(frozen=True)
class Graph:
    """A symmetric law of pairs `(x, x+)` on points, which come in groups of exchangeable ones.

    Group `g` has `counts[g]` points. `same[g]` is the mass of the pairs `x = x+` in it, spread evenly over its points;
    `joint[g, h]`, `g <= h`, that of the pairs of *different* points with `x` in `g` and `x+` in `h` (for `g < h` the
    pairs from `h` to `g` have the same mass once more), spread evenly over these pairs. A graph without symmetry has
    one point in every group. Permutations within groups leave the law as it is, so that a convex loss has a minimizer
    with one cosine for each two groups and one within each (`theory.groups`).

    Attributes:
        labels: the class of each group, all of 0..C-1; None where a group has points of several classes.

    Raises:
        InputError: naming what is off: masses that are negative or do not sum to 1, a point of no mass, labels that
            do not fit.
    """

    counts: tuple[int, ...]
    same: tuple[Fraction, ...]
    joint: Mapping[tuple[int, int], Fraction]
    labels: tuple[int, ...] | None

    def __post_init__(self) -> None:
        m = len(self.counts)
        if len(self.same) != m or any(n < 1 for n in self.counts):
            raise InputError("graph", f"{m} groups", "every group needs a mass of equal pairs and at least one point")
        if any(mass < 0 for mass in self.same) or any(mass < 0 for mass in self.joint.values()):
            raise InputError("graph", "a negative mass", "the masses of pairs must be >= 0")
        for g, h in self.joint:
            if not 0 <= g <= h < m or (g == h and self.counts[g] == 1):
                raise InputError("graph", f"pair {g}, {h}", "pairs of two different points, each given once")
        total = sum(self.marginal, Fraction(0))
        if total != 1:
            raise InputError(
                "graph", f"total mass {float(total):.17g}", "the masses of all pairs must sum to 1 exactly"
            )
        for g, mass in enumerate(self.marginal):
            if mass == 0:
                raise InputError("graph", f"point {self._first(g)} without pairs", "every point needs a positive mass")
        if self.labels is not None:
            check_labels(self.labels, m)

    def _first(self, g: int) -> int:
        return sum(self.counts[:g])

    @cached_property
    def marginal(self) -> tuple[Fraction, ...]:
        """`pi`, the mass of each group."""
        masses = list(self.same)
        for (g, h), mass in self.joint.items():
            masses[g] += mass
            if g != h:
                masses[h] += mass
        return tuple(masses)

    @property
    def points(self) -> int:
        """The number of points."""
        return sum(self.counts)

    @cached_property
    def crosses(self) -> bool:
        """Whether some positive pair has points of two classes."""
        labels = self.labels
        return labels is None or any(labels[g] != labels[h] for (g, h), mass in self.joint.items() if mass)

    @property
    def C(self) -> int:
        """The number of classes."""
        return len(self.class_masses)

    @cached_property
    def class_masses(self) -> tuple[Fraction, ...]:
        """The mass of each class."""
        return tuple(sum(column, Fraction(0)) for column in zip(*self.task(self.labels), strict=True))

    @property
    def prior(self) -> Prior:
        """The classes' masses as a prior, in the order of the labels."""
        return Prior(self.class_masses, (1,) * self.C)

    def task(self, labels: Sequence[int] | None) -> tuple[tuple[Fraction, ...], ...]:
        """The mass of each class in each group, m x C, for a labeling of the groups.

        Raises:
            InputError: if the labels do not fit.
        """
        if labels is None:
            raise InputError("labels", "None", "a group has points of several classes")
        C = check_labels(labels, len(self.counts))
        return tuple(
            tuple(mass if c == label else Fraction(0) for c in range(C))
            for mass, label in zip(self.marginal, labels, strict=True)
        )

    @cached_property
    def arrays(self) -> GraphArrays:
        """The law in double precision."""
        m = len(self.counts)
        others = np.zeros((m, m))
        for (g, h), mass in self.joint.items():
            others[g, h] = float(mass / self.marginal[g])
            others[h, g] = float(mass / self.marginal[h])
        same = np.array([float(s / p) for s, p in zip(self.same, self.marginal, strict=True)])
        return GraphArrays(
            np.array(self.counts, dtype=float), np.array([float(p) for p in self.marginal]), same, others
        )

    def expanded(self) -> Graph:
        """The same law with one group for every point."""
        owner = [g for g, count in enumerate(self.counts) for _ in range(count)]
        same = tuple(self.same[g] / self.counts[g] for g in owner)
        joint = {}
        for i, g in enumerate(owner):
            for j in range(i + 1, len(owner)):
                h = owner[j]
                mass = self.joint.get((min(g, h), max(g, h)), Fraction(0))
                if mass:
                    joint[i, j] = mass / (self.counts[g] * (self.counts[h] - (g == h)))
        return Graph(
            (1,) * len(owner), same, joint, None if self.labels is None else tuple(self.labels[g] for g in owner)
        )


def quotient(graph: Graph, cells: Sequence[int]) -> Graph:
    """The law between the cells of a partition, one cell number for each *point*: what an encoder sees that is
    constant on cells. The same problem with the cells as points (derived: the loss depends on embeddings only).

    Raises:
        InputError: if the cells do not fit the points.
    """
    if graph.points != len(cells):
        raise InputError("encoder", f"{len(cells)} cells", f"one cell for each of {graph.points} points")
    count = check_labels(cells, len(cells), "encoder", least=1)
    points = graph if max(graph.counts) == 1 else graph.expanded()
    same, joint = [Fraction(0)] * count, dict[tuple[int, int], Fraction]()
    for cell, mass in zip(cells, points.same, strict=True):
        same[cell] += mass
    for (i, j), mass in points.joint.items():
        a, b = sorted((cells[i], cells[j]))
        if a == b:
            same[a] += 2 * mass
        else:
            joint[a, b] = joint.get((a, b), Fraction(0)) + mass
    labels = None
    if points.labels is not None:
        seen = [{points.labels[i] for i, cell in enumerate(cells) if cell == a} for a in range(count)]
        labels = tuple(classes.pop() for classes in seen) if all(len(classes) == 1 for classes in seen) else None
    return Graph((1,) * count, tuple(same), joint, labels)


def cell_task(graph: Graph, cells: Sequence[int], labels: Sequence[int]) -> tuple[tuple[Fraction, ...], ...]:
    """The mass of each class in each cell, for a labeling of the points."""
    points = graph if max(graph.counts) == 1 else graph.expanded()
    C, count = check_labels(labels, len(cells)), max(cells) + 1
    table = [[Fraction(0)] * C for _ in range(count)]
    for cell, label, mass in zip(cells, labels, points.marginal, strict=True):
        table[cell][label] += mass
    return tuple(tuple(row) for row in table)


def check_labels(labels: Sequence[int], m: int, option: str = "labels", least: int = 2) -> int:
    """The number of classes.

    Raises:
        InputError: naming `option`, if these are not m labels from 0 to C-1, C >= `least`, each of some point.
    """
    if len(labels) != m:
        raise InputError(option, f"{len(labels)} labels", f"one label for each of {m} points is needed")
    if min(labels) < 0:
        raise InputError(option, min(labels), "accepted: integers from 0")
    classes = set(labels)
    C = max(classes) + 1
    if len(classes) != C:
        missing = next(c for c in range(C) if c not in classes)
        raise InputError(option, f"class {missing} without points", f"every class from 0 to {C - 1} needs a point")
    if least > C:
        raise InputError(option, f"{C} class", f"at least {least} classes are needed")
    return C


def from_pairs(pairs: np.ndarray, labels: np.ndarray) -> Graph:
    """The graph with these weights of ordered pairs, read exactly and divided by their exact sum.

    Raises:
        InputError: if the matrix is not square and exactly symmetric, or has an entry that is negative or not finite.
    """
    if pairs.ndim != 2 or pairs.shape[0] != pairs.shape[1]:
        raise InputError("graph", pairs.shape, "'pairs' must be a square matrix")
    if pairs.dtype.kind not in "iufb" or labels.dtype.kind not in "iu":
        raise InputError("graph", f"{pairs.dtype}, {labels.dtype}", "'pairs' are real numbers and 'labels' integers")
    if len(labels) != len(pairs):
        raise InputError("labels", f"{len(labels)} labels", f"one label for each of {len(pairs)} points is needed")
    if not np.all(np.isfinite(pairs)):
        raise InputError("graph", "an entry that is not finite", "the weights of pairs must be finite")
    if not np.array_equal(pairs, pairs.T):
        i, j = np.argwhere(pairs != pairs.T)[0]
        raise InputError("graph", f"pairs[{i}, {j}] != pairs[{j}, {i}]", "the matrix must be exactly symmetric")
    rows, columns = np.nonzero(np.triu(pairs))
    values = pairs[rows, columns].tolist()
    entries = {(i, j): Fraction(v) for i, j, v in zip(rows.tolist(), columns.tolist(), values, strict=True)}
    return from_entries(entries, [int(label) for label in labels])


def from_entries(entries: Mapping[tuple[int, int], Fraction], labels: Sequence[int]) -> Graph:
    """The graph with weight `entries[i, j]`, `i <= j`, on each of the ordered pairs (i, j) and (j, i)."""
    total = sum((mass if i == j else 2 * mass for (i, j), mass in entries.items()), Fraction(0))
    if total <= 0 or any(mass < 0 for mass in entries.values()):
        raise InputError("graph", "a negative or no mass", "the weights of pairs must be >= 0, and not all 0")
    same = [Fraction(0)] * len(labels)
    joint = {}
    for (i, j), mass in entries.items():
        if not 0 <= i <= j < len(labels):
            raise InputError("graph", f"pair {i}, {j}", f"one label for each point is needed, got {len(labels)}")
        if i == j:
            same[i] = mass / total
        elif mass:
            joint[i, j] = mass / total
    return Graph((1,) * len(labels), tuple(same), joint, tuple(labels))
