"""Losses that are functions of a sum: the series against enumeration, and against the integral of one that ships."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.geometry import gram, normalized
from theory.losses import LOSSES, Custom, OfSum, get_loss
from theory.population import enumerated_loss, population_loss
from verify.optimize.objective import gram_value_and_gradient


def exponential(v):
    return jnp.exp(-v)


#: The logistic loss itself, the focal loss with gamma = 2, a square root, and a polynomial of the margins.
FAMILY = {
    "logistic": OfSum(exponential, jnp.log1p),
    "focal": OfSum(exponential, lambda s: (s / (1 + s)) ** 2 * jnp.log1p(s)),
    "root": OfSum(exponential, lambda s: jnp.sqrt(1 + s)),
    "cubic": OfSum(lambda v: 3 - v, lambda s: s + s**3 / 10),
}


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=2)
@given(seed=st.integers(0, 10**6), k=st.sampled_from([2, 5]))
def test_the_series_is_the_sum_over_all_multisets(name, seed, k):
    generator = np.random.default_rng(seed)
    G, rho = gram(normalized(generator.normal(size=(4, 3)))), generator.dirichlet(np.ones(4))
    exact = float(enumerated_loss(FAMILY[name], G, rho, k, 1.2))
    assert float(population_loss(FAMILY[name], G, rho, k, 1.2)) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("k", [1, 10**7])
def test_the_logistic_loss_written_so_is_the_logistic_loss(k):
    generator = np.random.default_rng(0)
    G, rho = gram(normalized(generator.normal(size=(5, 3)))), generator.dirichlet(np.ones(5))
    value, gradient = gram_value_and_gradient(FAMILY["logistic"], G, rho, k)
    known, slope = gram_value_and_gradient(LOSSES["logistic"], G, rho, k)
    assert value == pytest.approx(known, rel=1e-13)
    np.testing.assert_allclose(gradient, slope, atol=1e-11 * np.abs(slope).max())


def test_equal_values_and_derivatives():
    """All classes on one point: the interval of the sum has no length."""
    v, weights = jnp.full((2, 3), 0.4), jnp.array([0.5, 0.3, 0.2])
    own, plain = FAMILY["root"], Custom(FAMILY["root"])
    assert float(own.expected(v, weights, 3)[0]) == pytest.approx(np.sqrt(1 + 3 * np.exp(-0.4)), rel=1e-13)
    spread = v + jnp.arange(3.0) / 7
    for loss in (own, plain):
        at = loss.expected_expansion(spread, weights, 3)
        if loss is own:
            found = at.slopes, at.hessian()
        else:
            np.testing.assert_allclose(found[0], at.slopes, rtol=1e-9)
            # differentiated twice, a series of M terms loses M^4 of its digits at the ends of the interval
            np.testing.assert_allclose(found[1], at.hessian(), rtol=1e-5, atol=1e-6)
    assert bool(jnp.all(jnp.isfinite(jax.grad(lambda v: jnp.sum(own.expected(v, weights, 3)))(v))))


def test_what_the_series_does_not_give_is_refused():
    kinked = OfSum(exponential, lambda s: jnp.abs(s - 1.0))
    assert kinked.error(4, 1.0)[0] > 1e-4
    with pytest.raises(InputError, match="frequencies"):
        gram_value_and_gradient(kinked, np.eye(3), np.full(3, 1 / 3), 4)
    with pytest.raises(InputError, match="limit"):
        population_loss(FAMILY["root"], np.eye(3), np.full(3, 1 / 3), float("inf"))


def test_a_loss_is_taken_as_it_is_and_enumeration_tells_its_cost():
    assert get_loss(f"{__name__}:EXPORTED") is EXPORTED
    assert get_loss(EXPORTED) is EXPORTED
    own = Custom(lambda v: jnp.sum(jnp.exp(-v), axis=-1))
    assert "multisets" in own.effort(4, 32) and "6545" in own.effort(4, 32)
    assert "draws" in own.effort(30, 64) and EXPORTED.effort(30, 64) == ""
    with pytest.raises(InputError, match="function of a sum"):
        own.expected(np.zeros(30), np.full(30, 1 / 30), 10**6)


EXPORTED = FAMILY["root"]
