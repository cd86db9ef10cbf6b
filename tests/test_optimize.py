"""The optimizer finds critical points, says how, and the lower bound is below everything."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import embeddings, priors

from theory.errors import InputError
from theory.geometry import gram, normalized
from theory.losses import LOSSES
from verify.optimize.dual import dual_bound
from verify.optimize.objective import Objective, gram_value_and_gradient
from verify.optimize.search import search
from verify.optimize.spheres import Stop, minimize, random_starts
from verify.testing import kkt

LOGISTIC = LOSSES["logistic"]


@settings(max_examples=15)
@given(prior=priors(4, largest=10**4), k=st.sampled_from([1, 4, 100, 10**5]), beta=st.sampled_from([0.2, 1.0, 5.0]))
def test_critical_and_certified_for_any_prior(prior, k, beta):
    rho = prior.as_array()
    found = search(LOGISTIC, rho, k, 4, beta, starts=2)
    U, best = found.best.embeddings, found.best
    assert best.converged
    np.testing.assert_allclose(np.linalg.norm(U, axis=1), 1.0, atol=1e-14)
    # stationarity, with the multipliers of the sphere computed anew
    loss, slope = gram_value_and_gradient(LOGISTIC, gram(U), rho, k, beta)
    A = (slope + slope.T) / 2
    residual = (A - np.diag(np.sum(A * gram(U), axis=1))) @ U
    assert np.max(np.linalg.norm(residual, axis=1) / rho) < 1e-7
    assert best.value == pytest.approx(loss, rel=1e-13)
    bound = dual_bound(loss, slope, gram(U))
    assert 0 <= loss - bound.lower <= 1e-9 * max(1.0, abs(loss))


@settings(max_examples=15)
@given(data=st.data(), k=st.sampled_from([1, 16, 1000]), name=st.sampled_from(["logistic", "exponential", "hinge"]))
def test_lower_bound_is_below_every_value_tried(data, k, name):
    loss, rho = LOSSES[name], data.draw(priors(4)).as_array()
    at = gram(data.draw(embeddings(4, 4)))
    bound = dual_bound(*gram_value_and_gradient(loss, at, rho, k), at)
    for _ in range(5):
        tried = gram(data.draw(embeddings(4, 4)))
        assert gram_value_and_gradient(loss, tried, rho, k)[0] >= bound.lower - 1e-12 * max(1.0, abs(bound.lower))


@pytest.mark.parametrize("name", [name for name, loss in LOSSES.items() if loss.smooth])
def test_the_etf_beats_every_other_representation_tried(name):
    from theory.balanced import nce_minimum

    generator = np.random.default_rng(0)
    least = nce_minimum(LOSSES[name], 5, 8)
    for _ in range(20):
        G = gram(normalized(generator.normal(size=(5, 5))))
        assert gram_value_and_gradient(LOSSES[name], G, np.full(5, 0.2), 8)[0] >= least


def test_agrees_with_a_general_optimizer():
    rho = np.array([0.5, 0.3, 0.2])
    objective = Objective(LOGISTIC, rho, 16)

    def function(flat):
        U = normalized(flat.reshape(3, 3))
        return float(objective(U[None])[0][0])

    start = random_starts(1, 3, 3, 7)[0].ravel()
    other = scipy.optimize.minimize(function, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14})
    assert search(LOGISTIC, rho, 16, 3).best.value == pytest.approx(other.fun, rel=1e-9)


def test_agrees_with_a_conic_solver_on_enumerated_negatives():
    """The convex program over Gram matrices, stated to Clarabel term by term (one sparse map, one log-sum-exp)."""
    import cvxpy
    from scipy import sparse

    from theory.expectation.enumeration import _multisets

    C, k, rho = 3, 4, np.array([0.6, 0.3, 0.1])
    draws, counts, log_coefficient = _multisets(C, k)
    probability = np.exp(log_coefficient + counts @ np.log(rho))
    G = cvxpy.Variable((C, C), symmetric=True)
    rows, weights = [], []
    for c in range(C):
        for draw, p in zip(draws, probability, strict=True):
            rows.append(np.concatenate([[c * C + c], c * C + draw]))
            weights.append(rho[c] * p)
    picks = np.array(rows)
    selection = sparse.csr_matrix((np.ones(picks.size), (np.arange(picks.size), picks.ravel())), (picks.size, C * C))
    entries = cvxpy.reshape(selection @ cvxpy.vec(G, order="C"), picks.shape, order="C")
    terms = cvxpy.log_sum_exp(entries - 1, axis=1)
    problem = cvxpy.Problem(cvxpy.Minimize(np.array(weights) @ terms), [G >> 0, cvxpy.diag(G) == 1])
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    assert problem.status == cvxpy.OPTIMAL
    found = search(LOGISTIC, rho, k, 3)
    assert found.best.value == pytest.approx(problem.value, abs=1e-7)
    np.testing.assert_allclose(found.gram, G.value, atol=1e-4)


def test_every_start_is_accounted_for_and_a_limit_is_reported():
    rho = np.full(5, 0.2)
    runs = minimize(Objective(LOGISTIC, rho, 8), random_starts(6, 5, 5, 0), rho, max_iterations=2)
    assert len(runs) == 6
    assert all(run.stop is Stop.ITERATIONS and run.iterations == 2 and not run.converged for run in runs)


def test_a_loss_that_is_not_finite_stops_the_start():
    rho = np.full(3, 1 / 3)

    def broken(U, V):
        return np.full(len(U), np.nan), np.zeros_like(U), np.zeros_like(U)

    runs = minimize(broken, random_starts(2, 3, 3, 0), rho)
    assert [run.stop for run in runs] == [Stop.NOT_FINITE] * 2


@pytest.mark.parametrize("d", [2, 4, 5, 6, 9])
def test_dimension_below_at_and_above_what_the_etf_needs(d):
    rho = np.full(6, 1 / 6)
    found = search(LOGISTIC, rho, 8, d, starts=8)
    full = search(LOGISTIC, rho, 8, 6)
    assert found.converged > 0
    if d >= 5:
        assert found.best.value == pytest.approx(full.best.value, rel=1e-13)
    else:
        assert found.best.value > full.best.value + 1e-4


def test_same_seed_same_result():
    rho = np.array([0.7, 0.2, 0.1])
    first, second = (search(LOGISTIC, rho, 8, 3, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.best.embeddings, second.best.embeddings)


@pytest.mark.parametrize("d", [3, 6])
def test_starts_together_and_one_after_the_other_end_alike(monkeypatch, d):
    rho = np.full(6, 1 / 6)
    together = search(LOGISTIC, rho, 8, d, starts=5, seed=3)
    monkeypatch.setattr("verify.optimize.search.TOGETHER", 1)
    heard: list[str] = []
    apart = search(LOGISTIC, rho, 8, d, starts=5, seed=3, progress=heard.append)
    for one, other in zip(together.runs, apart.runs, strict=True):
        assert other.stop is one.stop
        assert other.value == pytest.approx(one.value, rel=1e-12)
        np.testing.assert_allclose(gram(other.embeddings), gram(one.embeddings), atol=1e-6)
    assert heard[0] == "search: step 0, 5 of 5 starts to end"
    assert heard[-1].endswith("0 of 5 starts to end")


def test_a_batch_that_cannot_fit_in_memory_is_refused():
    with pytest.raises(InputError, match="GiB"):
        search(LOGISTIC, np.full(200_000, 5e-6), 8, 200_000)


@settings(max_examples=10)
@given(prior=priors(4, largest=100), k=st.sampled_from([1, 64]), name=st.sampled_from(["logistic", "separable"]))
def test_residuals_vanish_at_the_minimum_and_only_there(prior, k, name):
    rho = prior.as_array()
    found = search(LOSSES[name], rho, k, 4)
    at = kkt(name, found.gram, rho, k)
    assert max(at) < 1e-6
    elsewhere = kkt(name, gram(normalized(np.random.default_rng(1).normal(size=(4, 3)))), rho, k)
    assert elsewhere.complementarity > 1e-3
