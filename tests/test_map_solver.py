"""The batched solver: every cell agrees with the single solvers, and a cell that has not converged says so."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.collapse_threshold import collapse_margin
from theory.downstream import lower_bound
from theory.losses import get_loss
from theory.priors import from_masses
from verify import downstream, optimum
from verify.supervised import batched

LOGISTIC = get_loss("logistic")
KS = (1, 3, 64, 4096)
RHO = np.random.default_rng(5).dirichlet(np.ones(3), size=32)
CELLS = batched.solve(LOGISTIC, RHO, KS)


def test_all_cells_converge_with_small_gaps():
    assert CELLS.converged.all()
    assert np.max(CELLS.nce_gap) <= 1e-9
    assert np.max(CELLS.sup_gap) <= 1e-9
    # neither bound is above its value, beyond rounding
    assert np.min(CELLS.nce_gap) >= -1e-14
    assert np.min(CELLS.sup_gap) >= -1e-14


def check_against_the_single_solvers(masses, k, cells, i, j):
    prior = from_masses(masses)
    single = optimum.run(prior, k)
    assert cells.nce[i, j] == pytest.approx(single.nce.found, abs=2e-10)
    # the proven minimum lies within the cell's own gap
    assert cells.nce[i, j] - cells.nce_gap[i, j] <= single.nce.upper + 1e-14
    assert cells.nce[i, j] >= single.nce.lower - 1e-14
    np.testing.assert_allclose(cells.gram[i, j], np.array(single.gram), atol=3e-5)
    for w, weighting in enumerate(batched.WEIGHTINGS):
        alone = downstream.run(prior, k, weighting=weighting)
        assert cells.optimal[i, j, w] == pytest.approx(alone.sup.upper, abs=1e-7)
        assert cells.mean[i, j, w] == pytest.approx(alone.mean_classifier.upper, abs=1e-7)


@pytest.mark.parametrize(("i", "j"), [(3, 0), (17, 2)])
def test_cells_agree_with_the_single_solvers(i, j):
    exact = [Fraction(float(m)) for m in RHO[i, :2]]
    check_against_the_single_solvers([*exact, 1 - sum(exact)], KS[j], CELLS, i, j)


@pytest.mark.slow
def test_a_random_sample_of_cells_agrees_with_the_single_solvers():
    rng = np.random.default_rng(0)
    for C in (3, 4):
        rho = rng.dirichlet(np.ones(C), size=96)
        cells = batched.solve(LOGISTIC, rho, KS)
        for i, j in zip(rng.integers(0, 96, size=20), rng.integers(0, len(KS), size=20), strict=True):
            exact = [Fraction(float(m)) for m in rho[i, :-1]]
            check_against_the_single_solvers([*exact, 1 - sum(exact)], KS[j], cells, int(i), int(j))


def test_collapse_indicator_is_the_theorem():
    for i, rho in enumerate(RHO):
        for j, k in enumerate(KS):
            margin = collapse_margin(float(rho.max()), k)
            if abs(margin) > 1e-3:
                assert (CELLS.points[i, j] == 2) == (margin > 0)


def test_the_batched_bound_is_the_single_one():
    U = np.random.default_rng(1).normal(size=(5, 4, 4))
    U /= np.linalg.norm(U, axis=2, keepdims=True)
    W = np.random.default_rng(2).normal(size=(5, 4, 4))
    weights = np.random.default_rng(3).dirichlet(np.ones(4), size=5)
    bounds, _ = batched._bounds_and_means(U, W, weights, 0.7, loss=LOGISTIC)
    alone = [lower_bound(LOGISTIC, U[i], U[i] @ W[i].T, np.arange(4), weights[i], beta=0.7) for i in range(5)]
    np.testing.assert_allclose(bounds, alone, atol=1e-14)


def test_a_cell_that_did_not_converge_says_so(monkeypatch):
    # an optimizer that stops early: the path of the other commands mends it
    monkeypatch.setattr(batched, "_FIRST_STEPS", 1)
    monkeypatch.setattr(batched, "_TOLERANCE", 1e3)
    rho = RHO[:8]
    weights, starts = np.stack([rho, np.full_like(rho, 1 / 3)]), batched.random_starts(8, 3, 3, 0)
    spoiled = batched._column(LOGISTIC, rho, 4, weights, 1.0, starts, None, 1e3)
    assert not spoiled.converged.any()
    assert np.min(spoiled.nce_gap) > 1e-6 and np.min(spoiled.error) > 1e-6
    mended = batched.solve(LOGISTIC, rho, (4,))
    assert mended.converged.all()
    np.testing.assert_allclose(mended.optimal[:, 0], batched.solve(LOGISTIC, rho, (1, 4)).optimal[:, 1], atol=1e-9)
    # without a way to mend it, the cell is marked
    monkeypatch.setattr(batched, "_one", lambda *_: np.eye(3))
    assert not batched.solve(LOGISTIC, rho, (4,)).converged.any()


def test_two_rare_classes_are_told_by_their_error() -> None:
    """A gap of 1e-9 leaves the angle between them open: what counts is the distance that the curvature allows."""
    rho = np.array([[0.852458, 0.147236, 0.000237, 0.000069]])
    cells = batched.solve(LOGISTIC, rho, (16, 4096))
    assert cells.converged.all() and cells.error.max() <= 1e-9
    assert cells.optimal[0, 1, 1] == pytest.approx(0.829195015511759, abs=1e-9)


@settings(max_examples=10)
@given(st.permutations(range(3)), st.integers(0, len(RHO) - 1))
def test_losses_do_not_depend_on_the_order_of_the_classes(order, i):
    """Nor on what is solved beside them."""
    again = batched.solve(LOGISTIC, RHO[[i]][:, list(order)], KS[:2])
    np.testing.assert_allclose(again.nce[0], CELLS.nce[i, :2], atol=1e-9)
    np.testing.assert_allclose(again.optimal[0], CELLS.optimal[i, :2], atol=1e-7)
