"""Grids over the simplex of priors: cells tile it, at every level, and boundaries are refined."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.unbalanced.grid import Cell, Grid, boundary_children, leaves
from theory.errors import InputError

GRIDS = [Grid((1, 1, 1), 5), Grid((1, 4, 20), 4), Grid((2, 3, 2), 4), Grid((1, 9), 7), Grid((2, 2), 6)]


def contains(grid, cell, shares):
    """Whether a point lies in the closed cell, by barycentric coordinates."""
    corners = grid.vertices(cell)
    if grid.groups == 2:
        ends = sorted(c[0] for c in corners)
        return ends[0] <= shares[0] <= ends[1]

    def area(a, b, c):
        return (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])

    whole = area(*corners)
    parts = [area(*[shares if i == j else corners[j] for j in range(3)]) / whole for i in range(3)]
    return min(parts) >= 0


@pytest.mark.parametrize("grid", GRIDS)
def test_weights_sum_to_one_at_every_level(grid):
    cells = grid.base()
    for _ in range(3):
        assert sum(grid.weight(c) for c in cells) == 1
        assert all(sum(grid.shares(c)) == 1 and min(grid.shares(c)) > 0 for c in cells)
        cells = sorted({child for c in cells for child in grid.children(c)})
    assert len(Grid((1, 1, 1), 30).base()) == pytest.approx(900 / 6, rel=0.2)


@pytest.mark.parametrize("grid", GRIDS)
def test_children_lie_in_their_parent_and_know_it(grid):
    for cell in grid.base():
        assert sum(grid.vertices(cell)[0]) == 1
        for child in grid.children(cell):
            assert grid.parent(child) == cell
            for grandchild in grid.children(child):
                assert grid.parent(grandchild) == child


@given(st.sampled_from(GRIDS), st.lists(st.integers(1, 1000), min_size=3, max_size=3))
def test_every_prior_lies_in_a_cell_and_in_a_child_of_it(grid, numbers):
    numbers = numbers[: grid.groups]
    shares = tuple(Fraction(n, sum(numbers)) for n in numbers)
    unit = grid.groups * 1000
    canonical = grid.canonical(Cell(0, tuple(int(s * unit * sum(numbers)) for s in shares))).centre
    shares = tuple(Fraction(c, sum(canonical)) for c in canonical)
    inside = [cell for cell in grid.base() if contains(grid, cell, shares)]
    assert inside
    # cells across the mirror of an exchange hold it too, but no more than two share a point of an open facet
    children = [child for cell in inside for child in grid.children(cell)]
    mirrored = [tuple(shares[i] for i in order) for order in _exchanges(grid)]
    assert any(contains(grid, child, s) for child in children for s in mirrored)


def _exchanges(grid):
    for order in itertools.permutations(range(grid.groups)):
        if all(grid.kinds[i] == grid.kinds[j] for i, j in enumerate(order)):
            yield order


@pytest.mark.parametrize("grid", GRIDS)
def test_neighbours_share_a_facet(grid):
    for cell in grid.base():
        for beside in grid.neighbours(cell):
            shared = max(
                len(set(grid.vertices(cell)) & {tuple(v[i] for i in order) for v in grid.vertices(beside)})
                for order in _exchanges(grid)
            )
            assert shared >= grid.groups - 1
            # an exchange may make a cell its own neighbour; else the relation is symmetric
            assert cell in grid.neighbours(beside)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("edge", [Fraction(3, 7), Fraction(9, 10)])
def test_refinement_closes_in_on_a_boundary(grid, edge):
    def label(cell):
        return max(c / sum(cell.centre) for c in cell.centre) > edge

    levels = 3
    labels = {cell: label(cell) for cell in grid.base()}
    while new := boundary_children(grid, labels, levels):
        assert not set(new) & set(labels)
        labels |= {cell: label(cell) for cell in new}
    tiles = leaves(grid, labels)
    assert sum(grid.weight(c) for c in tiles) == 1
    for cell in tiles:
        for beside in grid.neighbours(cell):
            other = beside
            while other not in labels:
                other = grid.parent(other)
            if other in tiles and labels[other] != labels[cell]:
                assert cell.level == levels
    # away from the boundary cells stay coarse
    assert len(labels) < len(grid.base()) * 8 ** (grid.groups - 1)


def test_a_cell_that_is_none_has_no_parent():
    with pytest.raises(ValueError, match="no cell"):
        Grid((1, 1, 1), 4).parent(Cell(1, (1, 2, 21)))


@pytest.mark.parametrize("kinds", [(3,), (1, 1, 1, 1)])
def test_only_two_or_three_groups(kinds):
    with pytest.raises(InputError, match="groups"):
        Grid(kinds, 4)
    with pytest.raises(InputError, match="resolution"):
        Grid((1, 2), 0)
