"""Many groups of equal classes: the convex program in groups beside class by class, and beside the barrier method."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.geometry import gram, normalized
from theory.losses import LOSSES
from theory.priors import parse
from theory.problem import Problem
from verify import limits
from verify.certify.solution import prove
from verify.checker import check
from verify.optimize.correlation import NearestCorrelation
from verify.optimize.dual import dual_bound
from verify.optimize.objective import gram_value_and_gradient, grouped_value_and_gradient
from verify.optimize.solution import solve

SMOOTH = sorted(name for name, loss in LOSSES.items() if loss.smooth)
COUNTS = [(1, 1, 3), (2, 4), (5, 1, 2, 2)]


def _expanded(cosines, counts):
    owner = np.repeat(np.arange(len(counts)), counts)
    G = cosines[np.ix_(owner, owner)]
    np.fill_diagonal(G, 1.0)
    return G


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), counts=st.sampled_from(COUNTS))
def test_projections_in_groups_are_those_of_the_classes(seed, counts):
    generator, m, N = np.random.default_rng(seed), len(counts), np.array(counts, dtype=float)
    T, omega = generator.uniform(-1, 1, size=(m, m)), generator.uniform(0.1, 1, size=m)
    T = (T + T.T) / 2
    found = NearestCorrelation(N)(T, 0.3, omega, 1e-12)
    by_class = NearestCorrelation(np.ones(sum(counts)))(_expanded(T, counts), 0.3, np.repeat(omega, counts), 1e-12)
    np.testing.assert_allclose(_expanded(found, counts), by_class, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    counts=st.sampled_from(COUNTS),
    k=st.sampled_from([1, 16, 2.5, math.inf]),
    name=st.sampled_from(SMOOTH),
)
def test_slopes_and_bounds_in_groups_are_those_of_the_classes(seed, counts, k, name):
    generator, N, owner = (
        np.random.default_rng(seed),
        np.array(counts, dtype=float),
        np.repeat(range(len(counts)), counts),
    )
    rho = generator.dirichlet(np.ones(len(counts))) / N
    U = generator.normal(size=(len(counts), 3))
    cosines = np.clip(gram(normalized(U)) * 0.9, -0.2, 0.9)
    np.fill_diagonal(cosines, np.where(N > 1, generator.uniform(-0.2, 0.9, size=len(counts)), 1.0))
    value, slope = grouped_value_and_gradient(LOSSES[name], cosines, rho, N, k, 2.0)
    full = gram_value_and_gradient(LOSSES[name], _expanded(cosines, counts), rho[owner], k, 2.0)
    assert value == pytest.approx(full[0], rel=1e-13)
    expanded = slope[np.ix_(owner, owner)]
    np.fill_diagonal(expanded, 0.0)
    np.testing.assert_allclose(expanded, full[1], rtol=1e-10, atol=1e-15)
    together, apart = dual_bound(value, slope, cosines, N), dual_bound(*full, _expanded(cosines, counts))
    assert together.lower == pytest.approx(apart.lower, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(together.multipliers[owner], apart.multipliers, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("text", "k"), [("groups:3x0.5,2x0.3,4x0.2", 16), ("groups:1x0.9,5x0.0999,2x0.0001", 64)])
def test_many_groups_are_solved_as_few_are(text, k, monkeypatch):
    """The convex program in groups beside the barrier method, and its proof beside the polished one."""
    problem = Problem(parse(text), k)
    few = solve(problem)
    fine = prove(problem, few)
    monkeypatch.setattr(limits, "BARRIER_GROUPS", 2)
    monkeypatch.setattr(limits, "PROBED_CLASSES", 2)
    monkeypatch.setattr(limits, "POLISHED_CLASSES", 2)
    many = solve(problem)
    assert (many.method, many.converged, many.groups) == ("convex program", True, few.groups)
    assert many.value == pytest.approx(few.value, rel=1e-11)
    assert many.lower <= few.value + 1e-14 and few.value - many.lower <= 1e-9
    np.testing.assert_allclose(many.means, few.means, atol=1e-4)
    wide = prove(problem, many)
    assert fine.status == wide.status == "proved"
    assert (
        wide.lower <= fine.upper and fine.lower <= wide.upper and wide.upper - wide.lower <= 1e-9 * max(1, wide.upper)
    )
    assert check(wide.certificate()).verdict == "accepted"
