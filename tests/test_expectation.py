"""The exact expectation over k draws, against enumeration, 50-digit arithmetic and sampling."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import embeddings, priors, temperatures

from theory.expectation.enumeration import enumerated, multisets
from theory.expectation.extremes import expected_maximum
from theory.expectation.integrals import log1p_sum, log_sum
from theory.float64 import jax, jnp
from theory.geometry import gram
from theory.losses import LOSSES, Custom, SmoothedHinge
from theory.population import enumerated_loss, margins, population_loss, sampled_loss
from theory.priors import from_masses

SHAPES = [(2, 1), (3, 2), (3, 8), (5, 3)]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("C", "k"), SHAPES)
@given(data=st.data())
def test_exact_loss_equals_enumeration(name, C, k, data):
    loss = LOSSES[name]
    G = gram(data.draw(embeddings(C, 3)))
    rho = data.draw(priors(C)).as_array()
    beta = 1 / data.draw(temperatures)
    exact = float(_population(loss, G, rho, float(k), beta))
    reference = float(_enumerated(loss, G, rho, k, beta))
    # the decoupled loss takes both signs: its error is relative to the size of its terms
    size = max(abs(reference), beta if name == "decoupled" else 0.0)
    assert abs(exact - reference) <= 1e-13 * size


@pytest.mark.parametrize("name", LOSSES)
def test_largest_shape_that_enumeration_must_cover(name):
    generator = np.random.default_rng(5)
    for _ in range(5):
        U = generator.normal(size=(5, 4))
        G = gram(U / np.linalg.norm(U, axis=1)[:, None])
        rho = generator.dirichlet(np.full(5, 0.5)) * (1 - 5e-9) + 1e-9
        reference = float(_enumerated(LOSSES[name], G, rho, 8, 1.0))
        assert float(_population(LOSSES[name], G, rho, 8.0, 1.0)) == pytest.approx(reference, rel=1e-13)


# compiled once per shape: `k` and `beta` are traced
_population = jax.jit(population_loss, static_argnames="loss")
_enumerated = jax.jit(enumerated_loss, static_argnames=("loss", "k"))
_gram_gradient = jax.jit(jax.grad(population_loss, argnums=1), static_argnames="loss")


def _exactly(rho):
    """Masses that sum to 1 to all digits: the k-th power would show the least excess."""
    prior = from_masses(rho)
    return prior.as_array(), [mpmath.mpf(r.numerator) / r.denominator for r in prior.rho]


def _mp_phi(t, x, rho):
    return mpmath.fsum(r * mpmath.exp(-t * y) for r, y in zip(rho, x, strict=True))


def _mp_row(x, rho, k, decoupled=False):
    """E log([1 +] S) by adaptive quadrature in s = log t: the same integral, another rule and 50 digits."""

    def integrand(s):
        t = mpmath.exp(s)
        first = mpmath.exp(-t) if decoupled else mpmath.mpf(1)
        last = mpmath.mpf(1) if decoupled else mpmath.exp(-t)
        return (first - _mp_phi(t, x, rho) ** k) * last

    return _integrate(integrand, k, 6 + (0 if not decoupled else max(0, -mpmath.log(min(x)))))


def _integrate(integrand, k, high=6):
    """Gauss-Legendre on panels, with its own estimate of the error checked."""
    low = -80 - mpmath.log(k)
    panels = 30
    cuts = [low + (high - low) * i / panels for i in range(panels + 1)]
    value, error = mpmath.quad(integrand, cuts, method="gauss-legendre", maxdegree=5, error=True)
    assert error < mpmath.mpf(10) ** -18
    return value


EXTREME = [
    # k, temperature, prior
    (10**6, 1.0, ["0.5", "0.3", "0.2"]),
    (10**6, 0.05, ["999999998/1000000000", "1e-9", "1e-9"]),
    (10**6, 10.0, ["1e-9", "499999999/1000000000", "0.5"]),
    (1, 0.05, ["1e-9", "0.25", "749999999/1000000000"]),
    (1, 10.0, ["1/3", "1/3", "1/3"]),
    (64, 0.2, ["0.9", "0.09", "0.01"]),
    (1000, 0.05, ["0.9", "0.09", "0.01"]),
]
GRAM = np.array([[1.0, -0.9, 0.3], [-0.9, 1.0, -1.0], [0.3, -1.0, 1.0]])


@pytest.mark.parametrize(("k", "temperature", "rho"), EXTREME)
def test_logistic_against_fifty_digits(k, temperature, rho):
    with mpmath.workdps(50):
        weights, rho = _exactly(rho)
        beta = 1 / mpmath.mpf(temperature)
        x = [[mpmath.exp(beta * (mpmath.mpf(g) - 1)) for g in row] for row in GRAM.tolist()]
        reference = mpmath.fsum(r * _mp_row(row, rho, k) for r, row in zip(rho, x, strict=True))
        value = _population(LOSSES["logistic"], GRAM, weights, float(k), 1 / temperature)
        assert abs(float(value) / reference - 1) <= 1e-12


@pytest.mark.parametrize(("k", "temperature", "rho"), EXTREME)
def test_logistic_gradient_against_fifty_digits(k, temperature, rho):
    with mpmath.workdps(50):
        weights, rho = _exactly(rho)
        gradient = _gram_gradient(LOSSES["logistic"], GRAM, weights, float(k), 1 / temperature)
        beta = 1 / mpmath.mpf(temperature)
        for c, j in [(0, 1), (1, 2), (2, 0)]:
            x = [mpmath.exp(beta * (mpmath.mpf(g) - 1)) for g in GRAM[c].tolist()]
            x_j = x[j]

            def integrand(s, x=x, x_j=x_j):
                t = mpmath.exp(s)
                return k * _mp_phi(t, x, rho) ** (k - 1) * mpmath.exp(-t * (1 + x_j)) * t

            reference = beta * rho[c] * rho[j] * x_j * _integrate(integrand, k)
            assert abs(float(gradient[c, j]) / reference - 1) <= 1e-10


@pytest.mark.parametrize(("k", "temperature"), [(1, 1.0), (7, 0.05), (10**6, 0.2), (1000, 10.0)])
def test_decoupled_against_fifty_digits(k, temperature):
    with mpmath.workdps(50):
        weights, rho = _exactly(["0.7", "0.2", "0.1"])
        beta = 1 / mpmath.mpf(temperature)
        x = [[mpmath.exp(beta * (mpmath.mpf(g) - 1)) for g in row] for row in GRAM.tolist()]
        reference = mpmath.fsum(r * _mp_row(row, rho, k, decoupled=True) for r, row in zip(rho, x, strict=True))
        value = _population(LOSSES["decoupled"], GRAM, weights, float(k), 1 / temperature)
        assert abs(float(value) - reference) <= 1e-12 * max(abs(reference), float(beta))


@pytest.mark.parametrize("k", [1.5, 2.5, 7.3, 1000.5])
def test_real_k_against_fifty_digits(k):
    with mpmath.workdps(50):
        weights, rho = _exactly(["0.6", "0.3", "0.1"])
        x = [[mpmath.exp(mpmath.mpf(g) - 1) for g in row] for row in GRAM.tolist()]
        reference = mpmath.fsum(r * _mp_row(row, rho, mpmath.mpf(k)) for r, row in zip(rho, x, strict=True))
        value = _population(LOSSES["logistic"], GRAM, weights, k, 1.0)
        assert abs(float(value) / reference - 1) <= 1e-12


def test_negative_margins_are_in_the_range_of_the_general_integrals():
    v = np.array([[-2.0, 0.5, 1.0], [3.0, -1.0, -2.0]])
    weights = np.array([0.5, 0.3, 0.2])
    for loss, integral in (("logistic", log1p_sum), ("decoupled", log_sum)):
        reference = enumerated(LOSSES[loss], v, weights, 6)
        np.testing.assert_allclose(integral(v, weights, 6.0), reference, rtol=1e-13)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=4, max_size=4), st.integers(0, 1000))
def test_maximum_with_ties_equals_enumeration(values, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(4))
    v = np.array(values)
    expected = enumerated(lambda draws: jnp.max(draws, axis=-1), v, weights, 4)
    assert float(expected_maximum(v, weights, 4.0)) == pytest.approx(float(expected), rel=1e-13, abs=1e-15)


def test_maximum_of_values_computed_in_the_same_compilation():
    """XLA may compute a value twice, with other roundings; the hinge loss then divided zero by zero."""
    generator = np.random.default_rng(9)
    weights = np.full(30, 1 / 30)
    together = jax.jit(lambda a, b: expected_maximum(jax.nn.relu(1.0 - (a @ b.T) * 1.2), weights, 4.0))
    for _ in range(10):
        a, b = generator.normal(size=(6, 3)), generator.normal(size=(30, 3))
        apart = expected_maximum(np.maximum(0.0, 1.0 - (a @ b.T) * 1.2), weights, 4.0)
        np.testing.assert_allclose(together(a, b), apart, rtol=1e-12)


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=4, max_size=4), st.integers(0, 1000))
def test_derivative_of_the_maximum_is_a_subgradient(values, seed):
    generator = np.random.default_rng(seed)
    weights, v, w = generator.dirichlet(np.ones(4)), np.array(values), generator.normal(size=4)
    slope = jax.grad(lambda z: expected_maximum(z, weights, 3.0))(v)
    tangent = expected_maximum(v, weights, 3.0) + slope @ (w - v)
    assert float(expected_maximum(w, weights, 3.0)) >= float(tangent) - 1e-12
    assert float(jnp.sum(slope)) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_monte_carlo_interval_holds_the_exact_value(name):
    rho = np.array([0.6, 0.3, 0.1])
    low, high = sampled_loss(LOSSES[name], GRAM, rho, 5, 2.0, samples=40_000, seed=3).interval(0.9999)
    exact = float(_population(LOSSES[name], GRAM, rho, 5.0, 2.0))
    assert low <= exact <= high
    assert high - low < 0.2 * max(abs(exact), 1.0)


@pytest.mark.parametrize("name", LOSSES)
def test_limit_of_many_negatives(name):
    loss, rho = LOSSES[name], np.array([0.6, 0.3, 0.1])
    k = 1e8
    shift = {"subtract_log_k": np.log(k), "divide_by_k": 0.0, "none": 0.0}[loss.normalization]
    scale = k if loss.normalization == "divide_by_k" else 1.0
    finite = (float(_population(loss, GRAM, rho, k, 1.0)) - shift) / scale
    assert finite == pytest.approx(float(population_loss(loss, GRAM, rho, float("inf"), 1.0)), abs=1e-7)


def test_smoothed_hinge_is_above_the_hinge_by_at_most_its_bound():
    rho, smooth = np.array([0.6, 0.3, 0.1]), SmoothedHinge(0.1)
    below = float(_population(LOSSES["hinge"], GRAM, rho, 4.0, 1.0))
    above = float(_population(smooth, GRAM, rho, 4.0, 1.0))
    assert below <= above <= below + 0.1 * np.log(5)
    assert above == pytest.approx(float(_enumerated(smooth, GRAM, rho, 4, 1.0)), rel=1e-13)


def test_a_users_loss_is_enumerated_where_it_fits_and_sampled_elsewhere():
    squared = Custom(lambda v: jnp.sum(jnp.maximum(0.0, 1 - v) ** 2, axis=-1))
    rho = np.array([0.6, 0.3, 0.1])
    exact = 3 * rho @ (np.maximum(0.0, 1 - np.asarray(margins(jnp.array(GRAM), 1.0))) ** 2 @ rho)
    assert squared.is_exact(3, 3)
    assert float(population_loss(squared, GRAM, rho, 3, 1.0)) == pytest.approx(float(exact), rel=1e-13)
    assert not squared.is_exact(30, 64)
    assert float(squared.expected(jnp.zeros(30), jnp.full(30, 1 / 30), 64)) == pytest.approx(64.0)


def test_number_of_multisets():
    assert multisets(4, 32) == 6545  # the count at C = 4, k = 32
