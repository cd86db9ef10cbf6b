"""The NCE loss of a batch against the exact population loss: unbiased where it says so, and biased as it says."""

import math
from functools import partial
from itertools import product

import numpy as np
import pytest

from experiments.cifar import sampling
from experiments.cifar.draws import each_draw, each_image
from experiments.cifar.nce import nce_loss
from experiments.cifar.negatives import further_images, grouped, others
from experiments.cifar.sharding import devices
from theory.expectation.integrals import log1p_sum
from theory.float64 import jax, jnp
from theory.losses import get_loss
from theory.population import margins, population_loss

BETA = 1.7


def class_embeddings(C):
    """Unit rows, none of them close to another, and exact in float32 up to rounding."""
    U = np.random.default_rng(C).normal(size=(C, 5))
    return U / np.linalg.norm(U, axis=1, keepdims=True)


def estimates(rho, k, batch, negatives, repeats, seed=0, n=900, once=False):
    """The estimator on class-level embeddings, `repeats` times; `once`: every image is embedded once."""
    C = len(rho)
    counts = np.round(np.array(rho) * n).astype(int)
    classes = sampling.class_index(np.repeat(np.arange(C, dtype=np.int32), counts), C)
    U = jnp.asarray(class_embeddings(C), jnp.float32)
    found = _estimates(U, classes, jax.random.split(jax.random.key(seed), repeats), k, batch, negatives, once)
    return np.asarray(found, np.float64)


@partial(jax.jit, static_argnums=(3, 4, 5, 6))
def _estimates(U, classes, keys, k, batch, negatives, once):
    def embed(chosen, key):
        return U[classes.labels[chosen]], None

    def one(key):
        a, p, d, n = jax.random.split(key, 4)
        anchors = sampling.images(classes, batch, a)
        positives = sampling.classmates(classes, anchors, p)
        more = sampling.images(classes, further_images(k, batch, negatives), d)
        drawn = jnp.concatenate([anchors, positives, more])
        if once:
            found, _ = each_image(embed, drawn, key, images=len(classes.labels), devices=devices(batch))
        else:
            found, _ = each_draw(embed, drawn, key, batch=batch, devices=devices(batch))
        x, y, z = found[:batch], found[batch : 2 * batch], found[2 * batch :]
        return nce_loss(x, y, z, k=k, beta=BETA, negatives=negatives, key=n)

    return jax.vmap(one)(keys)


def exact(rho, k):
    U = class_embeddings(len(rho))
    return float(population_loss(get_loss("logistic"), jnp.asarray(U @ U.T), jnp.asarray(rho), float(k), BETA))


def resampled(rho, k, T):
    """The exact expectation of "batch": the law of the negatives is the empirical one of `T` draws from `rho`."""
    C, U = len(rho), class_embeddings(len(rho))
    v = margins(jnp.asarray(U @ U.T), BETA)
    total = 0.0
    for counts in product(range(T + 1), repeat=C):
        if sum(counts) == T:
            ways = math.factorial(T) / math.prod(map(math.factorial, counts))
            probability = ways * math.prod(r**n for r, n in zip(rho, counts, strict=True))
            total += probability * float(jnp.asarray(rho) @ log1p_sum(v, jnp.asarray(counts) / T, float(k)))
    return total


def assert_mean(found, expected):
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert abs(found.mean() - expected) < 4.5 * error + 1e-6, (found.mean(), expected, error)


@pytest.mark.parametrize(("k", "batch"), [(1, 8), (3, 8), (7, 8), (40, 8)])
def test_marginal_negatives_are_unbiased(k, batch):
    """Within the batch and beyond it, collisions included."""
    for rho in ((1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1)):
        assert_mean(estimates(rho, k, batch, "marginal", 4000), exact(rho, k))


def test_images_embedded_once_are_drawn_as_often():
    """The same estimates, and so unbiased, of a training set of fewer images than a step draws."""
    rho, n, k, batch = (0.5, 0.3, 0.2), 10, 13, 8
    found = estimates(rho, k, batch, "marginal", 2000, n=n, once=True)
    np.testing.assert_allclose(found, estimates(rho, k, batch, "marginal", 2000, n=n), atol=2e-6)
    assert_mean(found, exact(rho, k))


@pytest.mark.parametrize("further", [0, 1, 7, 8, 19])
def test_every_draw_is_embedded_with_its_gradient(further):
    """Short, whole and several parts, against the same map of all draws at once."""
    batch, n = 8, 11
    table = jnp.asarray(np.random.default_rng(0).normal(size=(n, 3)), jnp.float32)
    drawn = jax.random.randint(jax.random.key(1), (2 * batch + further,), 0, n, dtype=jnp.int32)
    weight = jnp.asarray(np.random.default_rng(2).normal(size=(len(drawn), 3)), jnp.float32)

    def value(w, how):
        def embed(chosen, key):
            return jnp.tanh(table @ w)[chosen], len(chosen)

        key = jax.random.key(0)
        if how == "plainly":
            found = embed(drawn, key)[0]
        elif how == "draws":
            found, together = each_draw(embed, drawn, key, batch=batch, devices=devices(batch))
            assert together == 2 * batch + further % batch
        else:
            found, together = each_image(embed, drawn, key, images=n, devices=devices(batch))
            assert together == n
        assert found.shape == weight.shape
        return jnp.sum(found * weight)

    w = jnp.asarray(np.random.default_rng(3).normal(size=(3, 3)), jnp.float32)
    plain, *others = (jax.value_and_grad(value)(w, how) for how in ("plainly", "draws", "images"))
    for other in others:
        np.testing.assert_allclose(other[0], plain[0], rtol=1e-5)
        np.testing.assert_allclose(other[1], plain[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("k", "batch"), [(1, 5), (4, 5), (30, 5)])
def test_resampled_negatives_have_the_bias_that_is_stated(k, batch):
    rho = (0.7, 0.2, 0.1)
    expected, unbiased = resampled(rho, k, batch - 1), exact(rho, k)
    found = estimates(rho, k, batch, "batch", 4000)
    assert_mean(found, expected)
    if k == 1:
        assert expected == pytest.approx(unbiased, abs=1e-12)
    else:
        assert expected < unbiased


def test_the_comparison_would_see_a_bias():
    rho, k = (0.7, 0.2, 0.1), 30
    found = estimates(rho, k, 5, "batch", 4000)
    with pytest.raises(AssertionError):
        assert_mean(found, exact(rho, k))


@pytest.mark.parametrize("B", [2, 3, 7])
def test_others_are_all_but_the_diagonal(B):
    scores = np.arange(B * B, dtype=np.float32).reshape(B, B)
    found = np.asarray(others(jnp.asarray(scores)))
    for i in range(B):
        assert found[i].tolist() == [scores[i, (i + 1 + j) % B] for j in range(B - 1)]


@pytest.mark.parametrize("k", [1, 4, 9])
def test_groups_are_disjoint(k):
    candidates = jnp.arange(22, dtype=jnp.float32).reshape(2, 11)
    found = np.asarray(grouped(candidates, k, "marginal", jax.random.key(0)))
    assert found.shape == (2, 11 // k, k)
    for row in found.reshape(2, -1):
        assert len(set(row.tolist())) == len(row)


@pytest.mark.parametrize(("k", "further"), [(1, 0), (7, 0), (8, 1), (15, 8), (16, 9)])
def test_images_beyond_the_batch(k, further):
    assert further_images(k, 8, "marginal") == further
    assert further_images(k, 8, "batch") == 0


@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
def test_mixed_positives_follow_the_augmentation_graph(overlap):
    """`W_ij = ((1 - a) [i = j] + a / m) / n` within a class of `m` images, 0 between classes; symmetric."""
    labels = np.array([1, 0, 1, 1, 0], np.int32)
    n, trials = len(labels), 40_000
    classes = sampling.class_index(labels, 2)
    anchors = sampling.images(classes, trials, jax.random.key(1))
    positives = sampling.mixed(classes, anchors, overlap, jax.random.key(2))
    pairs = np.zeros((n, n))
    np.add.at(pairs, (np.asarray(anchors), np.asarray(positives)), 1)
    m = np.bincount(labels)[labels]
    W = ((1 - overlap) * np.eye(n) + np.where(labels[:, None] == labels, overlap / m[:, None], 0)) / n
    assert np.allclose(W, W.T) and np.sum(W) == pytest.approx(1)
    assert np.all(np.abs(pairs - trials * W) <= 5 * np.sqrt(trials * W) + 1e-9)


def test_positives_are_drawn_from_the_class_and_anchors_from_the_marginal():
    labels = np.array([2, 0, 2, 1, 2, 2, 0], np.int32)
    classes = sampling.class_index(labels, 3)
    anchors = sampling.images(classes, 7000, jax.random.key(1))
    positives = sampling.classmates(classes, anchors, jax.random.key(2))
    assert np.array_equal(labels[anchors], labels[positives])
    # pairs are uniform over all pairs of classmates, the anchor itself included
    pairs = np.zeros((7, 7))
    np.add.at(pairs, (np.asarray(anchors), np.asarray(positives)), 1)
    expected = np.where(labels[:, None] == labels, 1000 / np.bincount(labels)[labels][:, None], 0)
    assert np.all(np.abs(pairs - expected) < 6 * np.sqrt(expected) + 1e-9)


def test_large_exponents_do_not_overflow():
    """Temperature 1/100: exponents of 200, whose exponential is beyond float32."""
    x = jnp.asarray([[1.0, 0], [1, 0]], jnp.float32)
    found = nce_loss(x, -x, x[:0], k=1, beta=100.0, negatives="marginal", key=jax.random.key(0))
    assert found.dtype == jnp.float32
    assert float(found) == pytest.approx(200)


def test_the_gradient_is_that_of_the_loss():
    """Against central differences in double precision."""
    rng = np.random.default_rng(0)
    x, y, z = (jnp.asarray(rng.normal(size=(n, 3))) for n in (4, 4, 4))

    def loss(x):
        return nce_loss(x, y, z, k=5, beta=1.3, negatives="marginal", key=jax.random.key(0))

    direction = jnp.asarray(rng.normal(size=x.shape))
    slope = float(jnp.sum(jax.grad(loss)(x) * direction))
    h = 1e-5
    assert slope == pytest.approx(float(loss(x + h * direction) - loss(x - h * direction)) / (2 * h), rel=1e-6)
