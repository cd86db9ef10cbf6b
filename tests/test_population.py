"""Properties of the exact population loss: symmetries, convexity, monotonicity, derivatives, compilation."""

import jax.test_util
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import embeddings, priors, temperatures

from theory.float64 import jax, jnp
from theory.geometry import gram
from theory.losses import LOSSES, get_loss
from theory.population import population_loss
from verify.optimize.objective import Objective

SMOOTH = [name for name, loss in LOSSES.items() if loss.smooth]
C, D = 4, 3

value = jax.jit(population_loss, static_argnames="loss")


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data(), k=st.sampled_from([1.0, 3.0, 100.0]))
def test_invariant_under_rotations_and_permutations(name, data, k):
    U, rho = data.draw(embeddings(C, D)), data.draw(priors(C)).as_array()
    beta = 1 / data.draw(temperatures)
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    rotation, order = np.linalg.qr(generator.normal(size=(D, D)))[0], generator.permutation(C)
    loss = LOSSES[name]
    first = float(value(loss, gram(U), rho, k, beta))
    # a rotated Gram matrix differs by rounding, which 1 / temperature and k magnify
    tolerance = 1e-14 * beta * max(1.0, k if loss.normalization == "divide_by_k" else 1.0) + 1e-13 * abs(first)
    assert float(value(loss, gram(U @ rotation), rho, k, beta)) == pytest.approx(first, rel=0, abs=2 * tolerance)
    assert float(value(loss, gram(U[order]), rho[order], k, beta)) == pytest.approx(first, rel=0, abs=tolerance)


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data(), k=st.sampled_from([1.0, 2.0, 64.0, 1e6]), share=st.sampled_from([0.1, 0.5, 0.8]))
def test_convex_along_segments_of_gram_matrices(name, data, k, share):
    rho, beta = data.draw(priors(C)).as_array(), 1 / data.draw(temperatures)
    G, H = gram(data.draw(embeddings(C, D))), gram(data.draw(embeddings(C, D)))
    at = [float(value(LOSSES[name], M, rho, k, beta)) for M in (G, H, share * G + (1 - share) * H)]
    chord = share * at[0] + (1 - share) * at[1]
    assert at[2] <= chord + 1e-12 * max(1.0, abs(chord))


@pytest.mark.parametrize("name", LOSSES)
@given(data=st.data(), k=st.sampled_from([1.0, 2.5, 10.0, 1e5]))
def test_non_decreasing_in_k(name, data, k):
    G, rho = gram(data.draw(embeddings(C, D))), data.draw(priors(C)).as_array()
    beta = 1 / data.draw(temperatures)
    few, more = (float(value(LOSSES[name], G, rho, negatives, beta)) for negatives in (k, k + 1))
    assert more >= few - 1e-13 * max(1.0, abs(few), beta)


@pytest.mark.parametrize("name", SMOOTH)
@given(data=st.data(), k=st.sampled_from([1.0, 3.0, 64.0]))
def test_gradient_and_hessian_product_against_differences(name, data, k):
    U, rho = data.draw(embeddings(C, D)), data.draw(priors(C, largest=100)).as_array()
    V = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(C, D))
    objective = Objective(LOSSES[name], rho, k, 1.0)
    step = 1e-5
    (ahead, slope_ahead, _), (behind, slope_behind, _) = (objective((U + s * V)[None]) for s in (step, -step))
    _, gradient, product = objective(U[None], V[None])
    scale = k if name in {"exponential", "separable"} else 1.0
    assert float(np.sum(gradient * V)) == pytest.approx(float((ahead - behind)[0]) / (2 * step), abs=2e-9 * scale)
    np.testing.assert_allclose(product, (slope_ahead - slope_behind) / (2 * step), atol=2e-8 * scale)


def test_derivatives_in_every_argument_agree_with_differences():
    G = jnp.array(gram(np.random.default_rng(1).normal(size=(3, 3)) / 2))

    @jax.jit
    def logistic(G, logits, log_k, log_beta):
        return population_loss(LOSSES["logistic"], G, jax.nn.softmax(logits), jnp.exp(log_k), jnp.exp(log_beta))

    at = (G, jnp.log(jnp.array([0.5, 0.3, 0.2])), jnp.array(1.5), jnp.array(0.1))
    jax.test_util.check_grads(logistic, at, order=1, modes=("rev",), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
def test_a_new_prior_k_or_temperature_never_recompiles(name):
    compilations = 0

    def counted(G, rho, k, beta):
        nonlocal compilations
        compilations += 1  # runs once per trace
        return jax.value_and_grad(lambda G: population_loss(LOSSES[name], G, rho, k, beta))(G)

    compiled = jax.jit(counted)
    G = gram(np.random.default_rng(0).normal(size=(C, D)))
    for rho, k, beta in [
        (np.full(C, 0.25), 1.0, 1.0),
        (np.array([0.7, 0.1, 0.1, 0.1]), 64.0, 0.1),
        (np.array([0.97, 0.01, 0.01, 0.01]), 1e6, 20.0),
    ]:
        result, slope = compiled(G, rho, k, beta)
        assert np.isfinite(result)
        assert np.all(np.isfinite(slope))
    assert compilations == 1


@pytest.mark.parametrize("name", LOSSES)
def test_composes_with_vmap_over_everything(name):
    generator = np.random.default_rng(2)
    grams = np.stack([gram(generator.normal(size=(C, D))) for _ in range(3)])
    rhos, ks, betas = generator.dirichlet(np.ones(C), size=3), np.array([1.0, 5.0, 100.0]), np.array([0.2, 1.0, 5.0])
    together = jax.vmap(lambda G, rho, k, b: population_loss(get_loss(name), G, rho, k, b))(grams, rhos, ks, betas)
    apart = [value(get_loss(name), *problem) for problem in zip(grams, rhos, ks, betas, strict=True)]
    np.testing.assert_allclose(together, apart, rtol=1e-12)
