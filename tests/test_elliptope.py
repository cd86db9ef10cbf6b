"""The convex program over Gram matrices: its metric, its projection, and the optimum with a certified gap."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import embeddings, priors, temperatures

from theory.geometry import from_gram, gram, normalized, rank
from theory.losses import LOSSES
from theory.priors import parse
from verify.optimize.correlation import NearestCorrelation
from verify.optimize.dual import dual_bound
from verify.optimize.elliptope import minimize
from verify.optimize.objective import gram_value_and_gradient
from verify.optimize.search import minimum, search
from verify.optimize.spheres import Stop

LOGISTIC = LOSSES["logistic"]
SMOOTH = [name for name, loss in LOSSES.items() if loss.smooth]


def _slope(loss, rho, k, beta):
    def slope(G):
        value, gradient = gram_value_and_gradient(loss, G, rho, k, beta)
        return value, (gradient + gradient.T) / 2

    return slope


@pytest.mark.parametrize("name", SMOOTH)
@given(data=st.data(), k=st.sampled_from([1, 5, 1000]), temperature=temperatures)
def test_the_gradient_bounds_the_second_derivative(name, data, k, temperature):
    """`D^2 L[H, H] <= beta sum_cj A_cj H_cj^2`, by differences along a random direction."""
    rho, beta = data.draw(priors(4, largest=100)).as_array(), 1 / temperature
    G = 0.9 * gram(data.draw(embeddings(4, 4))) + 0.1 * np.eye(4)
    H = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(4, 4)) * (1 - np.eye(4))
    H = (H + H.T) / 20
    slope, step = _slope(LOSSES[name], rho, k, beta), 1e-4 * temperature
    along = [float(np.sum(slope(G + s * H)[1] * H)) for s in (step, -step)]
    second = (along[0] - along[1]) / (2 * step)
    bound = beta * float(np.sum(slope(G)[1] * H * H))
    assert -1e-6 * bound <= second <= bound * (1 + 1e-6)


@pytest.mark.parametrize("skew", [1.0, 1e4])
def test_projection_against_alternating_projections(skew):
    """Dykstra's method in the same norm knows nothing of the dual."""
    generator = np.random.default_rng(3)
    C = 6
    omega = np.exp(np.linspace(0, -math.log(skew), C))
    T = generator.normal(size=(C, C))
    T = (T + T.T) / 2
    found = NearestCorrelation(np.ones(C))(T, 1.0, omega, 1e-13)
    assert np.linalg.eigvalsh(found)[0] >= -1e-12
    np.testing.assert_array_equal(np.diag(found), 1.0)
    root = np.outer(np.sqrt(omega), np.sqrt(omega))
    M = T * root
    np.fill_diagonal(M, omega)
    correction, P = np.zeros_like(M), M
    for _ in range(20_000):
        eigenvalues, Q = np.linalg.eigh(M - correction)
        P = (Q * np.maximum(eigenvalues, 0.0)) @ Q.T
        correction = P - (M - correction)
        M = P.copy()
        np.fill_diagonal(M, omega)
    np.testing.assert_allclose(found, P / root, atol=1e-6)


def test_projections_are_nearest_and_leave_correlation_matrices_alone():
    generator = np.random.default_rng(0)
    C, project = 7, NearestCorrelation(np.ones(7))
    omega = generator.uniform(0.1, 1, size=C)

    def distance(G, T):
        return float(np.sum(np.outer(omega, omega) * (G - T) ** 2))

    for _ in range(5):
        T = generator.normal(size=(C, C))
        T = (T + T.T) / 2
        np.fill_diagonal(T, 1.0)
        nearest = project(T, 1.0, omega)
        for _ in range(50):
            other = gram(normalized(generator.normal(size=(C, C))))
            assert distance(nearest, T) <= distance(other, T)
            closer = 0.9 * nearest + 0.1 * other
            assert distance(nearest, T) <= distance(closer, T) + 1e-12
    inside = gram(normalized(generator.normal(size=(C, C + 2))))
    np.testing.assert_allclose(project(inside, 1.0, omega), inside, atol=1e-10)


@pytest.mark.parametrize(
    ("profile", "k", "beta"),
    [
        ("zipf:1", 4096, 1.0),
        ("zipf:1", 1, 1.0),
        ("zipf:2", 4096, 1.0),
        ("longtail:10000", 64, 1.0),
        ("zipf:1", 64, 20.0),
        ("zipf:1", 64, 0.1),
        ("groups:1x0.97,59x0.03", 4, 1.0),
        ("groups:1x999999941/1000000000,59x59/1000000000", 1024, 1.0),
        ("zipf:1", math.inf, 1.0),
    ],
)
def test_sixty_classes_to_a_certified_gap(profile, k, beta):
    rho = parse(profile, None if profile.startswith("groups") else 60).as_array()
    found = minimize(_slope(LOGISTIC, rho, k, beta), np.ones(len(rho)), beta)
    assert found.value - found.lower <= 1e-11 * max(1.0, abs(found.value))
    # both bounds again, from embeddings
    U = from_gram(found.gram, len(rho) - 1)
    value, gradient = gram_value_and_gradient(LOGISTIC, gram(U), rho, k, beta)
    bound = dual_bound(value, gradient, gram(U)).lower
    assert bound <= value <= bound + 1e-8 * max(1.0, abs(value))
    assert len(found.steps) <= 40
    # what is counted is what was done: one bound a step, and at least one projection
    assert found.steps[-1].evaluations >= len(found.steps)
    assert found.steps[-1].decompositions >= 2 * len(found.steps) - 1


@pytest.mark.parametrize("name", SMOOTH)
def test_agrees_with_the_search_on_the_sphere(name):
    rho = parse("zipf:1", 8).as_array()
    sphere = search(LOSSES[name], rho, 16, 8)
    program = minimum(LOSSES[name], rho, 16, 8)
    assert program.best.stop is Stop.GAP and program.converged == 1
    assert program.best.value == pytest.approx(sphere.best.value, rel=1e-11)
    if name != "exponential":  # whose optimum is flatter
        np.testing.assert_allclose(program.gram, sphere.gram, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(program.best.embeddings, axis=1), 1.0, atol=1e-14)


@pytest.mark.parametrize("name", SMOOTH)
def test_the_bound_at_what_is_returned_is_as_good_as_the_best_of_all_steps(name):
    rho = parse("zipf:1", 40).as_array()
    found = minimum(LOSSES[name], rho, math.inf, 40)
    bound = dual_bound(*gram_value_and_gradient(LOSSES[name], found.gram, rho, math.inf), found.gram).lower
    assert found.best.value - bound <= 1e-11


@settings(max_examples=8)
@given(prior=priors(12, largest=10**7), k=st.sampled_from([1, 64, 10**5]), beta=st.sampled_from([0.2, 1.0, 5.0]))
def test_any_prior_is_certified(prior, k, beta):
    rho = prior.as_array()
    found = minimize(_slope(LOGISTIC, rho, k, beta), np.ones(12), beta)
    assert found.value - found.lower <= 1e-9 * max(1.0, found.value)
    values = [step.lower for step in found.steps]
    assert values == sorted(values)


def test_a_small_dimension_and_a_loss_that_is_not_smooth_are_searched_on_the_sphere():
    rho = np.array([0.4, 0.3, 0.2, 0.1])
    assert len(minimum(LOGISTIC, rho, 4, 2, starts=3).runs) == 3
    assert len(minimum(LOSSES["hinge"], rho, 4, 4, starts=2).runs) == 2
    assert len(minimum(LOGISTIC, rho, 4, 3, starts=2).runs) == 1


def test_what_the_program_leaves_open_is_searched_from_random_starts_too(monkeypatch):
    from verify.optimize import elliptope

    full = elliptope.minimize
    monkeypatch.setattr(elliptope, "minimize", lambda *a, **kw: full(*a, max_iterations=2, **kw))
    rho = np.array([0.4, 0.3, 0.2, 0.1])
    found = minimum(LOGISTIC, rho, 4, 4, starts=3)
    assert found.method == "convex program and random starts"
    assert [run.stop for run in found.runs] == [Stop.PRECISION, *[Stop.GRADIENT] * 3]
    assert any(found.best is run for run in found.runs[1:])
    assert found.best.value == search(LOGISTIC, rho, 4, 4, starts=3).best.value < found.runs[0].value


@pytest.mark.parametrize(
    ("masses", "k", "beta"),
    [((3e-6, 0.4, 0.6), 16, 2.0), ((1e-7, 0.3, 0.7), 16, 5.0), ((1e-7, 0.45, 0.55), math.inf, 5.0)],
)
def test_masses_that_are_nearly_nothing_are_certified_all_the_same(masses, k, beta):
    rho = np.array(masses) / np.sum(masses)
    found = minimum(LOGISTIC, rho, k, 3, beta)
    value, gradient = gram_value_and_gradient(LOGISTIC, found.gram, rho, k, beta)
    assert value - dual_bound(value, gradient, found.gram).lower <= 1e-9


def check_gram(prior, k, beta):
    rho = prior.as_array()
    program, sphere = minimum(LOGISTIC, rho, k, 5, beta), search(LOGISTIC, rho, k, 5, beta, starts=2)
    assert program.best.value <= sphere.best.value + 1e-11 * max(1.0, sphere.best.value)
    if sphere.converged and sphere.best.stop is Stop.GRADIENT:
        np.testing.assert_allclose(program.gram, sphere.gram, atol=1e-6)


PROBLEMS = given(
    prior=priors(5, largest=10**6), k=st.sampled_from([1, 64, 10**6]), beta=st.sampled_from([0.2, 1.0, 5.0])
)


@settings(max_examples=10)
@PROBLEMS
def test_the_gram_matrix_is_that_of_the_search(prior, k, beta):
    check_gram(prior, k, beta)


@pytest.mark.slow
@settings(max_examples=100)
@PROBLEMS
def test_many_gram_matrices_are_those_of_the_search(prior, k, beta):
    check_gram(prior, k, beta)


def test_the_geometry_is_found_where_values_are_flat_to_rounding():
    rho = np.array([0.4, 0.33, 0.27])
    off = []
    for beta in (10.0, 20.0, 40.0, 80.0):
        G = minimum(LOGISTIC, rho, 16, 3, beta).gram
        assert np.linalg.eigvalsh(G)[0] <= 1e-12
        off.append(np.max(np.abs(G - np.eye(3) - 0.5 * (np.eye(3) - 1.0))))
    # the simplex ETF in the limit, in proportion to the temperature; no value tells the last three apart
    np.testing.assert_allclose(np.divide(off[1:], off[:-1]), 0.5, atol=0.05)


def test_embeddings_of_full_and_of_low_rank():
    generator = np.random.default_rng(0)
    U = normalized(generator.normal(size=(6, 3)))
    for d in (3, 6, 8):
        V = from_gram(gram(U), d)
        assert V.shape == (6, d)
        np.testing.assert_allclose(gram(V), gram(U), atol=1e-12)


@pytest.mark.slow
def test_a_thousand_classes_to_a_certified_gap():
    rho = parse("zipf:1", 1000).as_array()
    found = minimum(LOSSES["logistic"], rho, 4096, 1000)
    assert (found.method, found.best.stop) == ("convex program", Stop.GAP)
    value, gradient = gram_value_and_gradient(LOSSES["logistic"], found.gram, rho, 4096)
    assert value - dual_bound(value, gradient, found.gram).lower <= 1e-11 * value
    assert rank(found.gram) == 999
