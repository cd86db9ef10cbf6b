"""Representations on points: the exact loss, found in other ways, and what must not change it."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.geometry import gram, normalized
from theory.losses import LOSSES, Custom
from theory.points.averaging import averaging_margins, loop_over_classes
from theory.points.families import FAMILIES, draw
from theory.points.lifting import balanced_chain, lifted_gram, lifting_chain
from theory.points.loss import enumerated_points_loss, points_loss, sampled_points_loss
from theory.points.representation import Representation, representation
from theory.population import population_loss

SHAPE = (3, 2, 3)
SIZES = (3, 2, 1)
loss_of = jax.jit(points_loss, static_argnums=0)
balanced_of = jax.jit(balanced_chain, static_argnums=0)
lifting_of = jax.jit(lifting_chain, static_argnums=0)
loop_of = jax.jit(loop_over_classes, static_argnums=0)
class_loss_of = jax.jit(population_loss, static_argnums=0)
step_of = jax.jit(averaging_margins, static_argnums=0)
FORMULAS = {
    "logistic": lambda v: math.log1p(sum(math.exp(-x) for x in v)),
    "hinge": lambda v: max(0.0, 1 + max(-x for x in v)),
    "exponential": lambda v: sum(math.exp(-x) for x in v),
    "separable": lambda v: sum(math.log1p(math.exp(-x)) for x in v),
    "decoupled": lambda v: math.log(sum(math.exp(-x) for x in v)),
}
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(sorted(LOSSES))
families = st.sampled_from(sorted(FAMILIES))


def make(seed: int, family: str = "generic") -> Representation:
    """Points of three classes of unequal sizes."""
    return draw(family, np.random.default_rng(seed), SHAPE, sizes=SIZES)


def class_means(f: Representation) -> np.ndarray:
    F, labels, weights, _ = (np.asarray(part) for part in f)
    return np.stack([weights[labels == c] @ F[labels == c] for c in range(len(f.rho))])


def by_definition(name: str, f: Representation, k: int, beta: float = 1.0) -> float:
    """The definition, term by term, in Python floats: anchors, positives and every ordered draw of negatives."""
    F, labels, weights, rho = (np.asarray(part) for part in f)
    n, total = len(F), 0.0
    for i, j in product(range(n), repeat=2):
        if labels[i] == labels[j]:
            for draws in product(range(n), repeat=k):
                pair = rho[labels[i]] * weights[i] * weights[j]
                mass = pair * math.prod(rho[labels[m]] * weights[m] for m in draws)
                total += mass * FORMULAS[name]([beta * float(F[i] @ (F[j] - F[m])) for m in draws])
    return total


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_is_its_definition(name: str) -> None:
    f = make(1)
    assert float(loss_of(LOSSES[name], f, 2.0, 1.7)) == pytest.approx(by_definition(name, f, 2, 1.7), rel=1e-12)


@settings(max_examples=20)
@given(seed=seeds, name=names, family=families)
def test_the_loss_agrees_with_enumeration(seed: int, name: str, family: str) -> None:
    f, loss = make(seed, family), LOSSES[name]
    assert float(loss_of(loss, f, 3.0)) == pytest.approx(float(enumerated_points_loss(loss, f, 3)), rel=1e-12)


@pytest.mark.parametrize("name", ["logistic", "hinge"])
def test_the_loss_lies_in_the_sampled_interval(name: str) -> None:
    f, loss = make(3), LOSSES[name]
    low, high = sampled_points_loss(loss, f, 30, samples=4000, seed=1).interval(0.9999)
    assert low <= float(loss_of(loss, f, 30.0)) <= high
    assert high - low < 0.1


def test_a_loss_of_ones_own_is_enumerated() -> None:
    f = make(4)
    own = Custom(LOSSES["logistic"])
    assert float(points_loss(own, f, 3.0)) == pytest.approx(float(loss_of(LOSSES["logistic"], f, 3.0)), rel=1e-12)


@settings(max_examples=15)
@given(seed=seeds, name=names)
def test_collapsed_representations_have_the_class_level_loss(seed: int, name: str) -> None:
    f, loss = make(seed, "collapsed"), LOSSES[name]
    U = np.asarray(f.embeddings)[np.unique(f.labels, return_index=True)[1]]
    class_level = class_loss_of(loss, jnp.asarray(gram(U)), jnp.asarray(f.rho), 4.0, 1.0)
    assert float(loss_of(loss, f, 4.0)) == pytest.approx(float(class_level), rel=1e-12)


@settings(max_examples=15)
@given(seed=seeds, name=st.sampled_from(["logistic", "hinge"]))
def test_splitting_a_point_changes_nothing(seed: int, name: str) -> None:
    """Two points with one embedding are one point with the sum of their weights."""
    f, loss = make(seed), LOSSES[name]
    F, labels, weights, rho = (np.asarray(part) for part in f)
    split = representation(
        np.concatenate([F, F[:1]]),
        np.concatenate([labels, labels[:1]]),
        np.concatenate([weights[:1] / 3, weights[1:], weights[:1] * 2 / 3]),
        rho,
    )
    assert float(loss_of(loss, split, 3.0)) == pytest.approx(float(loss_of(loss, f, 3.0)), rel=1e-12)


@settings(max_examples=15)
@given(seed=seeds, name=names)
def test_rotations_change_nothing(seed: int, name: str) -> None:
    f, loss = make(seed), LOSSES[name]
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    rotated = f._replace(embeddings=np.asarray(f.embeddings) @ Q)
    assert float(loss_of(loss, rotated, 3.0)) == pytest.approx(float(loss_of(loss, f, 3.0)), rel=1e-12)


@settings(max_examples=10)
@given(seed=seeds, name=names, family=families)
def test_averaging_margins_are_differences_of_losses(seed: int, name: str, family: str) -> None:
    f, loss = make(seed, family), LOSSES[name]
    step = step_of(loss, f, 3.0)
    F, labels, weights = (np.asarray(part) for part in f[:3])
    value = float(loss_of(loss, f, 3.0))
    for c in range(SHAPE[0]):
        own = labels == c
        moved = [np.where(own[:, None], point, F) for point in F[own]]
        after = [float(loss_of(loss, f._replace(embeddings=G), 3.0)) for G in moved]
        assert float(step.margin[c]) == pytest.approx(value - weights[own] @ after, abs=1e-12)
        assert float(step.best[c]) == pytest.approx(value - min(after), abs=1e-12)


def test_with_one_negative_anchors_elsewhere_see_no_difference() -> None:
    step = step_of(LOSSES["exponential"], make(5), 1.0)
    np.testing.assert_allclose(step.elsewhere, 0.0, atol=1e-14)


def test_the_loop_ends_constant_on_classes() -> None:
    losses, g = loop_of(LOSSES["logistic"], make(6), 3.0)
    assert float(g.spread) == pytest.approx(0, abs=1e-30)
    assert float(losses[-1]) == pytest.approx(float(loss_of(LOSSES["logistic"], g, 3.0)), rel=1e-14)


@settings(max_examples=15)
@given(seed=seeds, family=families)
def test_the_lifted_gram_is_that_of_unit_vectors(seed: int, family: str) -> None:
    f = make(seed, family)
    mu = class_means(f)
    height = np.sqrt(np.maximum(0, 1 - np.sum(mu * mu, axis=1)))
    lifted = np.concatenate([mu, np.diag(height)], axis=1)
    np.testing.assert_allclose(lifted @ lifted.T, lifted_gram(f), atol=1e-12)


def test_the_lifted_loss_is_that_of_the_lifted_gram() -> None:
    f, loss = make(7), LOSSES["logistic"]
    lifted = class_loss_of(loss, lifted_gram(f), jnp.asarray(f.rho), 5.0, 1.3)
    assert float(lifting_of(loss, f, 5.0, 1.3).lifted) == pytest.approx(float(lifted), rel=1e-13)


def test_the_middle_of_the_chain_is_the_loss_at_enumerated_mean_margins() -> None:
    """Average the margins over all points given the classes, then apply the loss by hand."""
    f, k = make(8), 2
    F, labels, weights, rho = (np.asarray(part) for part in f)
    mean = np.zeros((3, 3))
    for i, p, n in product(range(len(F)), repeat=3):
        if labels[i] == labels[p]:
            mean[labels[i], labels[n]] += weights[i] * weights[p] * weights[n] * F[i] @ (F[p] - F[n])
    total = sum(
        rho[c] * rho[a] * rho[b] * FORMULAS["logistic"]([mean[c, a], mean[c, b]])
        for c, a, b in product(range(3), repeat=3)
    )
    assert float(lifting_of(LOSSES["logistic"], f, float(k)).middle) == pytest.approx(total, rel=1e-12)


def test_the_balanced_chain_ends_at_the_simplex_etf() -> None:
    from theory.balanced import nce_minimum

    f = make(9)._replace(rho=np.full(3, 1 / 3))
    for loss in (LOSSES["logistic"], LOSSES["hinge"]):
        chain = balanced_of(loss, f, 4.0, 1.2)
        assert float(chain.bound) == pytest.approx(nce_minimum(loss, 3, 4.0, 1.2), rel=1e-13)
        assert float(chain.value) == pytest.approx(float(loss_of(loss, f, 4.0, 1.2)), rel=1e-13)


@settings(max_examples=20)
@given(seed=seeds, family=families)
def test_spread_is_one_minus_the_norm_of_the_mean(seed: int, family: str) -> None:
    f = make(seed, family)
    mu = class_means(f)
    np.testing.assert_allclose(f.means, mu, atol=1e-15)
    assert float(f.spread) == pytest.approx(float(f.rho @ (1 - np.sum(mu * mu, axis=1))), abs=1e-14)
    assert np.allclose(np.linalg.norm(f.embeddings, axis=-1), 1.0)


def test_points_off_the_sphere_are_refused() -> None:
    rng = np.random.default_rng(0)
    F, labels, weights = normalized(rng.normal(size=(6, 3))), np.repeat(np.arange(3), 2), np.full(6, 0.5)
    rho = np.full(3, 1 / 3)
    representation(F, labels, weights, rho)
    off = F.copy()
    off[2] *= 1.001
    with pytest.raises(InputError, match="unit sphere"):
        representation(off, labels, weights, rho)
    off[2] = np.nan
    with pytest.raises(InputError, match="unit sphere"):
        representation(off, labels, weights, rho)
    for wrong in (labels + 1, np.zeros(6, dtype=int), labels - 1):
        with pytest.raises(InputError, match="labels"):
            representation(F, wrong, weights, rho)
    with pytest.raises(InputError, match="weights"):
        representation(F, labels, weights * 1.1, rho)
    with pytest.raises(InputError, match="rho"):
        representation(F, labels, weights, np.array([1.0, 0.5, -0.5]))
