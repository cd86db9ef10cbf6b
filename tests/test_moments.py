"""The class-level fast path: as accurate as the general integral over its whole range, in little memory."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import temperatures

from theory.expectation.integrals import log1p_sum
from theory.expectation.moments import FULL, RESOLUTIONS, log1p_sum_nonnegative, resolution, truncation
from theory.float64 import jax, jnp
from theory.losses import get_loss
from theory.objectives import NCE
from theory.population import population_loss, symmetrized
from verify.optimize.objective import _evaluate

LOGISTIC = get_loss("logistic")
N = 6
KS = [1, 2, 3, 8, 40, 64, 1024, 10**6, 10**9]


def _with_derivatives(function):
    """Rows; gradients by margins, weights and k; and the derivative of the first of these along a direction."""

    @jax.jit
    def every(v, rho, k, direction):
        def total(v, rho, k):
            rows = function(v, rho, k)
            return jnp.sum(rows), rows

        def slope(v):
            (_, rows), gradients = jax.value_and_grad(total, argnums=(0, 1, 2), has_aux=True)(v, rho, k)
            return gradients[0], (rows, gradients)

        _, product, (rows, gradients) = jax.jvp(slope, (v,), (direction,), has_aux=True)
        return rows, gradients, product

    return every


# the reference has so many nodes that it is exact to rounding for every k here
_general = _with_derivatives(partial(log1p_sum, nodes=400))
_fast = {r: _with_derivatives(partial(log1p_sum_nonnegative, resolution=r)) for r in RESOLUTIONS}


def _margins(generator, kind, beta):
    """Random margins in [0, 2 beta], or those of an edge: all classes collapsed, or each opposite to the others."""
    v = {
        "random": generator.uniform(0, 2, size=(N, N)),
        "collapsed": np.zeros((N, N)),
        "antipodal": np.full((N, N), 2.0),
        "either": 2.0 * generator.integers(0, 2, size=(N, N)),
    }[kind]
    v[np.arange(N), np.arange(N)] = 0.0
    return beta * v


@given(
    seed=st.integers(0, 10**6),
    k=st.sampled_from(KS),
    temperature=temperatures,
    kind=st.sampled_from(["random", "random", "collapsed", "antipodal", "either"]),
    skew=st.sampled_from([0.1, 1.0, "one class has all"]),
)
def test_agrees_with_the_general_integral(seed, k, temperature, kind, skew):
    generator = np.random.default_rng(seed)
    v = _margins(generator, kind, 1 / temperature)
    mass = np.eye(N)[0] if isinstance(skew, str) else generator.dirichlet(np.full(N, skew))
    rho = mass * (1 - N * 1e-9) + 1e-9
    direction = generator.normal(size=v.shape) * (1 - np.eye(N))
    fast = _fast[resolution(k, 2 / temperature)](v, rho, float(k), direction)
    general = _general(v, rho, float(k), direction)
    np.testing.assert_allclose(fast[0], general[0], rtol=2e-14)
    for a, b in zip(fast[1], general[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13 * float(np.max(np.abs(b))))
    # each entry of the gradient by margins, however small, is accurate relative to itself
    np.testing.assert_allclose(fast[1][0], general[1][0], rtol=1e-12)
    # the two parts of the product, of the size of the gradient, may cancel
    scale = float(np.max(np.abs(general[1][0])) * np.max(np.abs(direction)))
    np.testing.assert_allclose(fast[2], general[2], rtol=1e-9, atol=1e-13 * scale)


@pytest.mark.parametrize("coarser", RESOLUTIONS[:-1])
def test_each_resolution_is_accurate_up_to_the_last_problem_it_is_given(coarser):
    """At each temperature the least k that a resolution serves, where its degree is stretched the most."""
    tried = 0
    generator = np.random.default_rng(0)
    for temperature in (0.2, 0.5, 1.0, 3.0, 10.0):
        served = [k for k in range(1, 2000) if resolution(k, 2 / temperature) == coarser]
        for k in served[:1] + served[-1:]:
            v, rho = _margins(generator, "either", 1 / temperature), generator.dirichlet(np.full(N, 0.3))
            fast = _fast[coarser](v, rho, float(k), np.zeros_like(v))
            general = _general(v, rho, float(k), np.zeros_like(v))
            np.testing.assert_allclose(fast[0], general[0], rtol=2e-14)
            np.testing.assert_allclose(fast[1][0], general[1][0], rtol=1e-12)
            tried += 1
    assert tried >= 6


@pytest.mark.parametrize("degree", [3, 5, 8, 12])
@pytest.mark.parametrize(("k", "x_min"), [(1, 0.0), (1, math.exp(-2)), (8, math.exp(-2)), (64, math.exp(-2))])
def test_truncation_bounds_the_error_of_the_gradient(degree, k, x_min):
    """The polynomial that interpolates the integral itself, against the bound on what a degree leaves out."""

    def integral(x):
        # with all the mass at x_min, where phi is largest, the integral is known
        return k / (1 + (k - 1) * x_min + x)

    interpolant = np.polynomial.Chebyshev.interpolate(integral, degree, domain=[0, 1])
    x = np.linspace(0, 1, 400)
    least = k / (1 + k)
    error = np.max(np.abs(interpolant(x) - integral(x))) / least
    assert error <= truncation(degree, k, x_min) + 1e-14 * k
    # and the bound is not idle: it overestimates by no more than the steps that made it
    assert truncation(degree, k, x_min) <= 2e3 * error + 1e-14


def test_the_degree_falls_as_k_rises():
    assert [resolution(k, 2.0).degree for k in (1, 64, 10**6)] == [22, 12, 12]
    assert resolution(1.5, 2.0) is FULL
    assert resolution(10**9, 40.0) is FULL
    for k in KS:
        for beta in (0.1, 1.0, 20.0):
            assert truncation(resolution(k, 2 * beta).degree, k, math.exp(-2 * beta)) <= 1e-16


def test_matrices_that_are_symmetrized_by_tiles():
    for size in (3, 200, 201, 317):
        A = np.random.default_rng(size).normal(size=(size, size))
        np.testing.assert_array_equal(jax.jit(symmetrized)(A), A + A.T)


@pytest.mark.parametrize("with_direction", [False, True])
def test_peak_memory_is_a_few_matrices(with_direction):
    """Arguments, results and temporaries of value and gradient at C = d: at most 6 matrices, compiled and not run."""
    C = 1000
    shapes = [jax.ShapeDtypeStruct(s, np.float64) for s in ((1, C, C), (1, C), (), ())]
    V = shapes[0] if with_direction else None
    loss = LOGISTIC.specialized(4096, 1.0)
    function = jax.jit(_evaluate, static_argnames=("loss", "static_k", "objective"))
    compiled = function.lower(shapes[0], V, *shapes[1:], loss=loss, static_k=None, objective=NCE).compile()
    used = compiled.memory_analysis()
    peak = used.argument_size_in_bytes + used.output_size_in_bytes + used.temp_size_in_bytes
    assert peak <= (9 if with_direction else 6) * 8 * C * C


def test_a_new_problem_of_one_resolution_never_recompiles():
    traces = 0

    def counted(U, rho, k, beta, loss):
        nonlocal traces
        traces += 1  # runs once per trace
        return _evaluate(U, None, rho, k, beta, loss=loss, static_k=None, objective=NCE)

    compiled = jax.jit(counted, static_argnames="loss")
    for k, temperature in ((64, 1.0), (65, 1.0), (1000, 1.0), (10**6, 0.9), (64, 10.0)):
        prior = np.array([0.4, 0.3, 0.2, 0.1])
        compiled(np.eye(4)[None], prior, float(k), 1 / temperature, LOGISTIC.specialized(k, 1 / temperature))
    assert traces == 1


def test_a_known_k_and_a_traced_one_agree():
    G = np.full((5, 5), -0.25) + 1.25 * np.eye(5)
    rho = np.array([0.4, 0.3, 0.2, 0.06, 0.04])
    traced = jax.jit(lambda k: population_loss(LOGISTIC, G, rho, k))
    for k in (1, 64, 10**6):
        known = float(population_loss(LOGISTIC, G, rho, k))
        assert known == pytest.approx(float(traced(float(k))), rel=1e-14)
