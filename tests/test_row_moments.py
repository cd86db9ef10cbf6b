"""Many labelled points: the loss in blocks against plain loops, PyTorch's formula by sampling, and its own error."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.expectation import cosine_moments
from theory.float64 import jnp
from theory.geometry import normalized
from theory.losses import get_loss
from theory.points import row_moments
from theory.points.lifting import lifted_gram
from theory.points.loss import points_loss
from theory.points.representation import Representation
from theory.population import population_loss


def clouds(seed, sizes, d, noise=1.0):
    """Unit vectors around random centres, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return normalized(rng.normal(size=(len(sizes), d))[labels] + noise * rng.normal(size=(len(labels), d))), labels


def computed(F, labels, k, beta, **options):
    return row_moments.row_moments(F, labels, cosine_moments.side(k, beta), **options).loss(k, beta)


def pairs(F, labels, k, beta, *, law=None, rho=None):
    """The loss for one or two negatives, with and without a point as its own positive, by loops over all draws."""
    n, counts = len(F), np.bincount(labels)
    law = 1 / counts[labels] if law is None else law
    rho = counts / n if rho is None else rho
    masses, G = rho[labels] * law, F @ F.T
    both = np.zeros(2)
    for i in range(n):
        own = np.where(labels == labels[i], law, 0.0)
        others = np.where(np.arange(n) == i, 0.0, own) / (1 - law[i] if law[i] < 1 else 1)
        for p in np.flatnonzero(own):
            X = np.exp(beta * (G[i] - G[i, p]))
            value = masses @ np.log1p(X) if k == 1 else masses @ np.log1p(X[:, None] + X) @ masses
            both += masses[i] * value * np.array([own[p], others[p]])
    return both


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.sampled_from([(3, 1), (2, 5, 3), (1, 1, 1, 4)]),
    k=st.sampled_from([1, 2]),
    beta=st.sampled_from([0.3, 2.0, 10.0]),
    weighted=st.booleans(),
)
def test_against_loops_over_all_draws(seed, sizes, k, beta, weighted):
    F, labels = clouds(seed, sizes, 3)
    rng, options = np.random.default_rng(seed), {}
    if weighted:
        law = rng.uniform(0.1, 1, len(labels))
        options = {"weights": law / np.bincount(labels, law)[labels], "rho": rng.dirichlet(np.ones(len(sizes)))}
    found = computed(F, labels, k, beta, **options)
    value, distinct = pairs(F, labels, k, beta, law=options.get("weights"), rho=options.get("rho"))
    assert abs(found.value - value) <= max(found.error, 1e-14) <= 1e-12
    assert (found.distinct is None) == (min(sizes) == 1)
    if found.distinct is not None:
        assert found.distinct == pytest.approx(distinct, abs=1e-12)


@pytest.mark.parametrize("blocks", [(64, 512), (7, 5)])
def test_blocks_threads_and_jax_change_nothing(blocks, monkeypatch):
    F, labels = clouds(1, (40, 3, 90), 6)
    k, beta = 256, 2.0
    loss = get_loss("logistic")
    counts = np.bincount(labels)
    f = Representation(F, labels, 1 / counts[labels], counts / len(labels))
    plain = float(points_loss(loss, f, k, beta))
    monkeypatch.setattr(row_moments, "BLOCK", blocks)
    done = []
    found = computed(F, labels, k, beta, progress=done.append)
    assert found.value == pytest.approx(plain, abs=2e-14)
    assert done == sorted(done) and done[-1] == len(F)
    assert found.value == pytest.approx(counts / len(labels) @ found.by_class, rel=1e-15)
    if blocks[0] == 64:
        assert computed(F, labels, k, beta, xp=jnp).value == pytest.approx(plain, abs=2e-14)


def test_a_training_loss_lies_around_it():
    """NT-Xent as training libraries write it, cross-entropy of scaled similarities with the positive in front, for
    negatives drawn with replacement: its mean over batches."""
    F, labels = clouds(2, (1200, 500, 300), 8)
    rng, k, T, anchors = np.random.default_rng(3), 16, 0.5, 60_000
    of_class = [np.flatnonzero(labels == c) for c in range(3)]
    x = rng.integers(len(F), size=anchors)
    positive = np.array([rng.choice(of_class[labels[i]]) for i in x])
    negative = rng.integers(len(F), size=(anchors, k))
    similarity = np.concatenate(
        [np.sum(F[x] * F[positive], axis=1)[:, None], np.einsum("ad,akd->ak", F[x], F[negative])], axis=1
    )
    logits = similarity / T
    losses = np.log(np.sum(np.exp(logits - logits[:, :1]), axis=1))
    error = losses.std() / math.sqrt(anchors)
    assert abs(computed(F, labels, k, 1 / T).value - losses.mean()) < 4 * error < 0.05


def test_anchors_that_are_drawn_stand_for_all():
    """Unbiased, off by what the standard error says: the mean of the squares of the quotients is about 1."""
    F, labels = clouds(6, (150, 60, 3, 1), 5)
    k, beta, side = 16, 2.0, cosine_moments.side(16, 2.0)
    whole = computed(F, labels, k, beta)
    assert whole.standard_error == 0
    quotients = []
    for seed in range(40):
        anchors = row_moments.drawn_anchors(labels, 40, seed)
        assert np.array_equal(np.bincount(labels[anchors]), [28, 11, 2, 1])
        found = row_moments.row_moments(F, labels, side, anchors=anchors).loss(k, beta)
        assert found.by_class[3] == pytest.approx(whole.by_class[3], abs=1e-14)  # a class of which all are taken
        quotients.append((found.value - whole.value) / found.standard_error)
    assert abs(np.mean(quotients)) < 3.5 / math.sqrt(40) and 0.5 < np.mean(np.square(quotients)) < 1.7
    every = row_moments.drawn_anchors(labels, 10**6, 0)
    assert np.array_equal(every, np.arange(len(labels)))
    same = row_moments.row_moments(F, labels, side, anchors=every).loss(k, beta)
    assert same.value == whole.value and same.standard_error == 0


def test_points_that_coincide_within_classes_have_the_class_level_loss():
    rng = np.random.default_rng(4)
    U, labels = normalized(rng.normal(size=(3, 4))), np.repeat(np.arange(3), [5, 2, 1])
    rho = np.bincount(labels) / 8
    for k, beta in ((1, 1.0), (64, 5.0), (math.inf, 2.0)):
        expected = float(population_loss(get_loss("logistic"), jnp.asarray(U @ U.T), jnp.asarray(rho), float(k), beta))
        assert computed(U[labels], labels, k, beta).value == pytest.approx(expected, abs=1e-13)
        assert row_moments.lifted_loss(U @ U.T, rho, k, beta) == pytest.approx(expected, abs=1e-13)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.sampled_from([(6, 6), (1, 9, 3), (2, 2, 40, 2)]),
    noise=st.sampled_from([0.0, 1e-6, 0.3, 10.0]),
    k=st.sampled_from([1, 16, 4096, math.inf]),
)
def test_spread_within_classes_never_pays(seed, sizes, noise, k):
    """`L(f) >= L(f~)`, with and without a point as its own positive."""
    F, labels = clouds(seed, sizes, 5, noise)
    counts = np.bincount(labels)
    f = Representation(F, labels, 1 / counts[labels], counts / len(labels))
    found = computed(F, labels, k, 2.0)
    lifted = row_moments.lifted_loss(np.asarray(lifted_gram(f)), f.rho, k, 2.0)
    assert found.value >= lifted - found.error
    if found.distinct is not None:
        assert found.distinct >= lifted - found.error


def test_moments_serve_other_problems_of_the_same_points():
    F, labels = clouds(5, (10, 20), 4)
    moments = row_moments.row_moments(F, labels, cosine_moments.side(1, 2.0))
    assert moments.loss(4096, 1.0).value == pytest.approx(computed(F, labels, 4096, 1.0).value, abs=1e-13)
    with pytest.raises(ValueError, match="temperature"):
        moments.loss(1, 20.0)
