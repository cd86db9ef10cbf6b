"""The simplex of shares as cells that can be refined: segments for two shares, triangles for three.

The shares `s_1, ..., s_g > 0` with sum 1 (`g` = 2 or 3; `experiments.unbalanced.families` makes priors of them) fill a
simplex, which a grid of resolution `N` at level `l` cuts into `(N 2^l)^(g-1)` equal cells. A cell is named by its
centroid, whose coordinates are integers over `g N 2^l`, all with the same residue mod `g`: 1 where a triangle points
like the whole simplex, 2 where it is turned over (segments: 1). Halving every edge cuts a cell into `2^(g-1)` equal
ones, the middle one with the same centroid.

Shares of the same kind may be exchanged: a cell stands for all that arise so, and its weight counts them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from theory.errors import InputError

#: The most cells of level 0: a million triangles take about a minute to be listed, and days to be solved.
MAX_CELLS = 1_000_000


class Cell(NamedTuple):
    """A cell by its level and the integer coordinates of its centroid (module docstring)."""

    level: int
    centre: tuple[int, ...]


@dataclass(frozen=True)
class Grid:
    """The grid of resolution `N` over shares of these `kinds`: 2 or 3 labels, equal where shares may be exchanged.

    Raises:
        InputError: unless there are two or three shares, `N >= 1`, and at most `MAX_CELLS` cells.
    """

    kinds: tuple[int, ...]
    resolution: int

    def __post_init__(self) -> None:
        if len(self.kinds) not in (2, 3):
            raise InputError("groups", self.kinds, "accepted: two or three")
        if self.resolution < 1:
            raise InputError("resolution", self.resolution, "accepted: an integer >= 1")
        if self.resolution ** (len(self.kinds) - 1) > MAX_CELLS:
            most = round(MAX_CELLS ** (1 / (len(self.kinds) - 1)))
            reason = f"accepted: at most {most} with {len(self.kinds)} free masses (refinement, --levels, goes further)"
            raise InputError("resolution", self.resolution, reason)

    @property
    def groups(self) -> int:
        return len(self.kinds)

    def base(self) -> list[Cell]:
        """The cells of level 0, each class of exchangeable ones once."""
        g, total = self.groups, self.groups * self.resolution
        found = set()
        for residue in range(1, g):
            values = range(residue, total, g)
            for head in itertools.product(values, repeat=g - 1):
                last = total - sum(head)
                if last > 0:
                    found.add(self.canonical(Cell(0, (*head, last))))
        return sorted(found)

    def canonical(self, cell: Cell) -> Cell:
        """The representative among cells that differ by an exchange of shares of one kind: these fall."""
        centre = list(cell.centre)
        for kind in set(self.kinds):
            places = [i for i, s in enumerate(self.kinds) if s == kind]
            for i, value in zip(places, sorted((centre[i] for i in places), reverse=True), strict=True):
                centre[i] = value
        return Cell(cell.level, tuple(centre))

    def weight(self, cell: Cell) -> Fraction:
        """The share of the whole simplex that the cell stands for."""
        orbit = 1
        for kind in set(self.kinds):
            values = [v for v, s in zip(cell.centre, self.kinds, strict=True) if s == kind]
            orbit *= math.factorial(len(values))
            for value in set(values):
                orbit //= math.factorial(values.count(value))
        return Fraction(orbit, (self.resolution << cell.level) ** (self.groups - 1))

    def children(self, cell: Cell) -> list[Cell]:
        """The equal cells that it is cut into, each class of exchangeable ones once."""
        corners = [
            Cell(cell.level + 1, tuple(2 * c + o for c, o in zip(cell.centre, offset, strict=True)))
            for offset in self._offsets(cell)
        ]
        middle = [Cell(cell.level + 1, tuple(2 * c for c in cell.centre))] if self.groups == 3 else []
        return sorted({self.canonical(child) for child in corners + middle})

    def neighbours(self, cell: Cell) -> list[Cell]:
        """The cells of the same level that share a facet with it."""
        step = 2 if self.groups == 2 else 1
        found = []
        for offset in self._offsets(cell):
            centre = tuple(c - step * o for c, o in zip(cell.centre, offset, strict=True))
            if min(centre) > 0:
                found.append(self.canonical(Cell(cell.level, centre)))
        return found

    def parent(self, cell: Cell) -> Cell:
        """The cell of the level above that holds it."""
        upright = list(self._offsets(Cell(0, (1,) * self.groups)))
        steps = [(0,) * self.groups, *upright, *(tuple(-o for o in offset) for offset in upright)]
        for step in steps:
            twice = [c - o for c, o in zip(cell.centre, step, strict=True)]
            if any(t % 2 for t in twice):
                continue
            candidate = Cell(cell.level - 1, tuple(t // 2 for t in twice))
            residues = {c % self.groups for c in candidate.centre}
            if len(residues) == 1 and 0 not in residues and self.canonical(cell) in self.children(candidate):
                return self.canonical(candidate)
        raise ValueError(f"{cell} is no cell of this grid")

    def vertices(self, cell: Cell) -> list[tuple[Fraction, ...]]:
        """The shares at the corners of the cell."""
        unit = self.groups * (self.resolution << cell.level)
        return [
            tuple(Fraction(c + o, unit) for c, o in zip(cell.centre, offset, strict=True))
            for offset in self._offsets(cell)
        ]

    def shares(self, cell: Cell) -> tuple[Fraction, ...]:
        """The shares at the centroid."""
        unit = self.groups * (self.resolution << cell.level)
        return tuple(Fraction(c, unit) for c in cell.centre)

    def _offsets(self, cell: Cell) -> Iterator[tuple[int, ...]]:
        """From the centroid to the corners: permutations of (g-1, -1, ..., -1), with the sign of the orientation."""
        sign = 1 if cell.centre[0] % self.groups == 1 else -1
        for i in range(self.groups):
            yield tuple(sign * (self.groups - 1 if j == i else -1) for j in range(self.groups))


def leaves(grid: Grid, cells: Mapping[Cell, object]) -> list[Cell]:
    """The cells that were not refined."""
    refined = {grid.parent(cell) for cell in cells if cell.level > 0}
    return sorted(cell for cell in cells if cell not in refined)


def boundary_children(grid: Grid, labels: Mapping[Cell, Hashable], levels: int) -> list[Cell]:
    """The children of all leaves above level `levels` that touch a leaf with another label.

    Doing this again and again ends when every leaf beside a leaf of another behaviour has level `levels`.
    """
    unrefined = set(leaves(grid, labels))
    marked: set[Cell] = set()
    for cell in unrefined:
        for beside in grid.neighbours(cell):
            other = beside
            while other not in labels:
                other = grid.parent(other)
            if other in unrefined and labels[other] != labels[cell]:
                marked |= {cell, other}
    return sorted({child for cell in marked if cell.level < levels for child in grid.children(cell)})
