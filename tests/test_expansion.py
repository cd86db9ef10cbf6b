"""Value, slopes and Hessian of every loss by their own formulas: the same in NumPy and in JAX, which differentiates the
values by itself, and as finite differences have them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.arrays import array_module
from theory.downstream import ScoresExpansion, loss_of_scores
from theory.float64 import jax, jnp
from theory.geometry import gram, normalized
from theory.groups import grouped_loss
from theory.losses import LOSSES, Custom, SmoothedHinge
from theory.population import GramExpansion, embeddings_loss, population_loss
from verify.optimize.newton import derivatives

FAMILY = {**LOSSES, "smoothed-hinge": SmoothedHinge(0.2)}
SMOOTH = [name for name, loss in FAMILY.items() if loss.smooth]
#: What a row function may be: over draws of any margins, of margins >= 0, in the limit, and the loss itself.
KINDS = ("expected", "expected_nonnegative", "limit", "itself")
N = 5


def _value(loss, kind, v, weights, k):
    if kind == "itself":
        return loss(v)
    return loss.limit(v, weights) if kind == "limit" else getattr(loss, kind)(v, weights, k)


def _expansion(loss, kind, v, weights, k):
    if kind == "itself":
        return loss.expansion(v)
    if kind == "limit":
        return loss.limit_expansion(v, weights)
    name = {"expected": "expected_expansion", "expected_nonnegative": "expected_expansion_nonnegative"}[kind]
    return getattr(loss, name)(v, weights, k)


def _cases(names):
    every = [(name, kind) for name in names for kind in KINDS]
    return [case for case in every if case != ("smoothed-hinge", "limit")]


def _drawn(seed, kind, rows=3):
    generator = np.random.default_rng(seed)
    v = generator.uniform(0, 2, size=(rows, N)) - (0.7 if kind in ("expected", "itself") else 0.0)
    return v, generator.dirichlet(np.ones(N)) * (1 - N * 1e-6) + 1e-6, generator.normal(size=(rows, N))


@pytest.mark.parametrize(("name", "kind"), _cases(SMOOTH))
def test_derivatives_are_those_that_jax_finds(name, kind):
    loss = FAMILY[name]

    @jax.jit
    def traced(v, weights, k):
        def row(v):
            return _value(loss, kind, v[None], weights, k)[0]

        return jax.vmap(row)(v), jax.vmap(jax.grad(row))(v), jax.vmap(jax.hessian(row))(v)

    for seed, k in enumerate((1.0, 2.0, 64.0, 1e5)):
        v, weights, direction = _drawn(seed, kind)
        value, slopes, hessian = (np.asarray(part) for part in traced(v, weights, k))
        at = _expansion(loss, kind, v, weights, k)
        np.testing.assert_allclose(at.value, value, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(at.slopes, slopes, rtol=1e-11, atol=1e-14 * np.abs(slopes).max())
        size = np.abs(hessian).max() + np.abs(slopes).max()
        np.testing.assert_allclose(at.hessian(), hessian, rtol=1e-9, atol=1e-12 * size)
        along = np.einsum("rjl,rl->rj", at.hessian(), direction)
        for found in (at.along(direction), at.curvature()(direction)):
            np.testing.assert_allclose(found, along, rtol=1e-11, atol=1e-13 * size)


@pytest.mark.parametrize(("name", "kind"), _cases(FAMILY))
@given(seed=st.integers(0, 10**6), k=st.sampled_from([1, 2, 1.5, 7, 64, 10**4]))
def test_derivatives_against_differences(name, kind, seed, k):
    loss = FAMILY[name]
    v, weights, direction = _drawn(seed, kind)
    step = 1e-6
    if not loss.smooth:  # stay away from kinks
        v = 0.05 + np.round(v, 1) + np.arange(N) * 1e-3
        direction = np.sign(direction)
    ahead, behind = (_expansion(loss, kind, v + s * direction, weights, k) for s in (step, -step))
    at = _expansion(loss, kind, v, weights, k)
    size = np.abs(at.slopes).max() + np.abs(at.value).max()
    difference = (ahead.value - behind.value) / (2 * step)
    np.testing.assert_allclose(np.sum(at.slopes * direction, axis=-1), difference, atol=3e-8 * size)
    difference = (ahead.slopes - behind.slopes) / (2 * step)
    np.testing.assert_allclose(at.along(direction), difference, atol=3e-8 * (size + np.abs(at.hessian()).max()))


@pytest.mark.parametrize("name", FAMILY)
@given(seed=st.integers(0, 10**6))
def test_values_and_slopes_of_convex_functions_bound_from_below(name, seed):
    loss = FAMILY[name]
    for kind in KINDS[:3] if name != "smoothed-hinge" else KINDS[:2]:
        (v, weights, _), (w, _, _) = _drawn(seed, kind), _drawn(seed + 1, kind)
        at = _expansion(loss, kind, v, weights, 9)
        tangent = at.value + np.sum(at.slopes * (w - v), axis=-1)
        assert np.all(_expansion(loss, kind, w, weights, 9).value >= tangent - 1e-12 * (1 + np.abs(tangent)))
        assert np.all(at.slopes <= 1e-15)


@pytest.mark.parametrize("name", SMOOTH)
def test_many_entries_and_few_agree(name):
    """Above some hundred entries NumPy takes polynomials instead of every exponential."""
    generator = np.random.default_rng(1)
    few, many = generator.uniform(0, 2, size=(2, 8)), 40
    weights, direction = generator.dirichlet(np.ones(8)), generator.normal(size=(2, 8))
    tall, towards = np.tile(few, (many, 1)), np.tile(direction, (many, 1))
    for k in (1, 40, 10**6):
        loss = FAMILY[name].specialized(k, 1.0)
        one, other = (loss.expected_expansion_nonnegative(v, weights, k) for v in (few, tall))
        np.testing.assert_allclose(other.value[:2], one.value, rtol=1e-13)
        np.testing.assert_allclose(other.slopes[-2:], one.slopes, rtol=1e-12)
        size = np.abs(one.hessian()).max()
        for found in (other.along(towards), other.curvature()(towards)):
            np.testing.assert_allclose(found[:2], one.along(direction), atol=1e-12 * size)
        np.testing.assert_allclose(other.hessian()[:2], one.hessian(), atol=1e-12 * size)


@given(seed=st.integers(0, 10**6), name=st.sampled_from(SMOOTH), k=st.sampled_from([1, 16, 1000]))
def test_population_loss_in_numpy_and_its_expansion(seed, name, k):
    generator = np.random.default_rng(seed)
    G = np.stack([gram(generator.normal(size=(4, 4)) / 3) for _ in range(2)])
    rho = generator.dirichlet(np.ones(4), size=2)
    change = generator.normal(size=G.shape)
    loss, beta, step = FAMILY[name], 1.3, 1e-5
    at = GramExpansion(loss, G, rho, k, beta)
    assert isinstance(at.value, np.ndarray)
    for i in range(2):
        assert at.value[i] == pytest.approx(float(population_loss(loss, G[i], rho[i], k, beta)), rel=1e-14)
        one = grouped_loss(loss, G[i], rho[i], np.ones(4), k, beta) if name != "smoothed-hinge" else at.value[i]
        assert one == pytest.approx(at.value[i], rel=1e-13)
    ahead, behind = (GramExpansion(loss, G + s * change, rho, k, beta) for s in (step, -step))
    size = k if name in ("exponential", "separable") else 1.0
    slope = np.sum(at.gradient * change, axis=(1, 2))
    np.testing.assert_allclose(slope, (ahead.value - behind.value) / (2 * step), atol=1e-8 * size)
    np.testing.assert_allclose(at.along(change), (ahead.gradient - behind.gradient) / (2 * step), atol=1e-8 * size)


@given(seed=st.integers(0, 10**6), name=st.sampled_from([n for n in LOSSES if LOSSES[n].smooth]))
def test_derivatives_in_groups_against_differences(seed, name):
    generator = np.random.default_rng(seed)
    counts, k, step = np.array([1.0, 3.0, 2.0]), 5, 1e-5
    rho = generator.dirichlet(np.ones(3)) / counts
    U = normalized(generator.normal(size=(3, 3))) * np.array([1.0, 0.7, 0.8])[:, None]
    B, change = U @ U.T, generator.normal(size=(3, 3))
    change = change + change.T
    change[0, 0] = 0.0
    ahead, behind = (derivatives(name, k, 1.2, rho, B + s * change, counts) for s in (step, -step))
    at = derivatives(name, k, 1.2, rho, B, counts)
    assert np.sum(at.gradient * change) == pytest.approx((ahead.value - behind.value) / (2 * step), abs=1e-8 * k)
    rows = np.einsum("cjl,cl->cj", at.hessian, change)
    expected = (ahead.gradient - behind.gradient) / (2 * step)
    np.testing.assert_allclose((rows + rows.T) / 2, expected, atol=1e-7 * k)


@given(seed=st.integers(0, 10**6), name=st.sampled_from(SMOOTH))
def test_scores_expansion_against_differences(seed, name):
    generator = np.random.default_rng(seed)
    scores, change = generator.normal(size=(2, 6, 4)), generator.normal(size=(2, 6, 4))
    labels, weights = np.array([0, 1, 2, 3, 3, 1]), generator.dirichlet(np.ones(6), size=2)
    step, loss = 1e-5, FAMILY[name]
    at, ahead, behind = (ScoresExpansion(loss, scores + s * change, labels, weights, 0.8) for s in (0.0, step, -step))
    np.testing.assert_allclose(at.value, loss_of_scores(loss, scores, labels, weights, 0.8), rtol=1e-14)
    slope, size = np.sum(at.slopes * change, axis=(1, 2)), 1 + np.abs(at.slopes).max()
    np.testing.assert_allclose(slope, (ahead.value - behind.value) / (2 * step), atol=1e-8 * size)
    np.testing.assert_allclose(at.along(change), (ahead.slopes - behind.slopes) / (2 * step), atol=1e-7 * size)


def test_the_loss_of_embeddings_composes_with_jax():
    generator = np.random.default_rng(0)
    U, rho = normalized(generator.normal(size=(5, 3))), generator.dirichlet(np.ones(5))
    loss = LOSSES["logistic"]

    def direct(U, rho, k, beta):
        return population_loss(loss, U @ U.T, rho, k, beta)

    def ours(U, rho, k, beta):
        return embeddings_loss(loss, U, rho, k, beta)

    at = (jnp.asarray(U), jnp.asarray(rho), 16.0, 1.4)
    for transformed in (
        lambda f: jax.value_and_grad(f, argnums=(0, 1, 2, 3)),
        jax.hessian,
        lambda f: jax.jacfwd(jax.grad(f), argnums=2),
        lambda f: lambda *a: jax.vmap(f, in_axes=(0, None, None, None))(jnp.stack([a[0], -a[0] / 2]), *a[1:]),
    ):
        one, other = jax.jit(transformed(ours))(*at), jax.jit(transformed(direct))(*at)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), one, other)
    assert embeddings_loss(loss, U, rho, 16) == pytest.approx(float(ours(at[0], at[1], 16, 1.0)), rel=1e-14)
    own = Custom(lambda v: jnp.sum(jnp.exp(-v), axis=-1))
    slope = jax.grad(lambda U: embeddings_loss(own, U, rho, 3))(at[0])
    same = jax.grad(lambda U: embeddings_loss(LOSSES["exponential"], U, rho, 3))(at[0])
    np.testing.assert_allclose(slope, same, rtol=1e-12)
    unbounded = jax.grad(lambda U: embeddings_loss(loss, U, rho, float("inf")))(at[0])
    np.testing.assert_allclose(unbounded, jax.grad(lambda U: direct(U, rho, float("inf"), 1.0))(at[0]), rtol=1e-12)


def test_the_module_is_that_of_the_arguments():
    assert array_module(np.ones(2), 3.0, None) is np
    assert array_module(np.ones(2), jnp.ones(2)) is jnp
    assert jax.jit(lambda x: jnp.asarray(array_module(x) is jnp))(1.0)


COMMANDS = (
    "verify.optimum --rho 0.5,0.3,0.2 --k 16",
    "verify.optimum --rho groups:1x0.9,9x0.1 --k inf --loss decoupled",
    "verify.downstream --rho 0.5,0.3,0.2 --k 16",
    "verify.conjecture --rho 0.5,0.3,0.2 --k 1,16,4096",
    "verify.bounds --rho uniform --C 10 --k 64",
    "verify.etf --C 10 --k 64 --loss hinge",
)


def test_small_problems_are_settled_without_loading_jax():
    """One process, all commands: JAX takes longer to load than they all take."""
    code = (
        "import runpy, sys\n"
        "import theory.losses, theory.population\n"
        "for line in sys.argv[1:]:\n"
        "    module, *rest = line.split()\n"
        "    sys.argv = [module, *rest]\n"
        "    try:\n"
        "        runpy.run_module(module, run_name='__main__')\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, (line, end.code)\n"
        "    assert 'jax' not in sys.modules, line\n"
    )
    subprocess.run([sys.executable, "-c", code, *COMMANDS], check=True, stdout=subprocess.DEVNULL, timeout=300)
