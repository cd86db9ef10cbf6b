"""The metrics of trained networks: exact where the answer is known, and against plain loops elsewhere."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cifar import evaluation, prediction
from experiments.cifar.evaluation import evaluate_features
from experiments.cifar.metrics import cosines, neighbours, probe
from experiments.cifar.metrics.distances import distance
from experiments.cifar.metrics.downstream import at_gram, downstream
from experiments.cifar.metrics.population import mixed_loss
from experiments.cifar.prediction import predicted
from theory import neural_collapse, priors
from theory.augmentation import expectation
from theory.augmentation.block import with_overlap
from theory.balanced import downstream_minimum, nce_minimum
from theory.class_means import class_means, cosine_matrix
from theory.errors import InputError
from theory.geometry import gram, normalized, simplex_etf
from theory.losses import get_loss
from theory.neural_collapse import equality
from verify import optimum
from verify.embeddings import measure
from verify.results import as_json
from verify.trained import optimum as trained_optimum
from verify.trained.points import points


def clouds(C, each, d, seed, noise=1.0):
    """Features around random centres, unequal classes in mixed order."""
    rng = np.random.default_rng(seed)
    counts = [each + c % 3 for c in range(C)]
    labels = rng.permutation(np.repeat(np.arange(C), counts))
    features = rng.normal(size=(C, d))[labels] + noise * rng.normal(size=(len(labels), d))
    return features, labels


# --- neural collapse


def collapse_by_loops(features, labels, weights, bias, train_means):
    """NC1 to NC4 as the paper writes them, one image at a time."""
    C, d = weights.shape
    members = [[h for h, y in zip(features, labels, strict=True) if y == c] for c in range(C)]
    means = [sum(m) / len(m) for m in members]
    middle = sum(means) / C
    between, within = np.zeros((d, d)), np.zeros((d, d))
    for c in range(C):
        between += np.outer(means[c] - middle, means[c] - middle) / C
        for h in members[c]:
            within += np.outer(h - means[c], h - means[c]) / (C * len(members[c]))
    nc1 = np.trace(within @ np.linalg.pinv(between, rcond=1e-12, hermitian=True)) / C

    def nc2(vectors):
        norms = [math.sqrt(v @ v) for v in vectors]
        cosine = [vectors[i] @ vectors[j] / (norms[i] * norms[j]) for i in range(C) for j in range(C) if i != j]
        far = sum(abs(x + 1 / (C - 1)) for x in cosine) / len(cosine)
        return np.std(norms) / np.mean(norms), np.std(cosine), far

    M = np.array([m - middle for m in means]).T
    nc3 = np.linalg.norm(weights.T / np.linalg.norm(weights) - M / np.linalg.norm(M), "fro") ** 2
    differ = 0
    for h in features:
        decided = int(np.argmax([w @ h + b for w, b in zip(weights, bias, strict=True)]))
        differ += decided != int(np.argmin([np.linalg.norm(h - m) for m in train_means]))
    return nc1, nc2(list(M.T)), nc2(list(weights)), nc3, differ / len(features)


@pytest.mark.parametrize(("C", "d"), [(2, 3), (4, 3), (5, 8)])
def test_neural_collapse_against_plain_loops(C, d):
    features, labels = clouds(C, 6, d, seed=C)
    rng = np.random.default_rng(0)
    weights, bias, means = rng.normal(size=(C, d)), rng.normal(size=C), rng.normal(size=(C, d))
    found = neural_collapse.neural_collapse(features, labels, weights, bias, means)
    nc1, nc2_means, nc2_classifier, nc3, nc4 = collapse_by_loops(features, labels, weights, bias, means)
    assert found.nc1 == pytest.approx(nc1, rel=1e-9)
    for got, expected in ((found.nc2_means, nc2_means), (found.nc2_classifier, nc2_classifier)):
        assert (got.norms, got.angles, got.maximal_angle) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.nc3 == pytest.approx(nc3, rel=1e-9) and found.nc4 == nc4


def test_neural_collapse_by_hand():
    # means (2, 0) and (-2, 0): Sigma_B = diag(4, 0), Sigma_W = diag(1/2, 1/2)
    features = np.array([[1.0, 0], [3, 0], [-2, 1], [-2, -1]])
    labels, means = np.array([0, 0, 1, 1]), np.array([[2.0, 0], [-2, 0]])
    found = neural_collapse.neural_collapse(features, labels, np.eye(2), np.array([0.0, -4.0]), means)
    assert found.nc1 == pytest.approx(1 / 16)
    assert found.nc2_means == neural_collapse.Equality(0.0, 0.0, 0.0)
    assert found.nc2_classifier == neural_collapse.Equality(0.0, 0.0, 1.0)
    assert found.nc3 == pytest.approx(1.0)
    # the bias makes class 0 of the second class's images, whose centre is the second
    assert found.nc4 == 0.5


@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_neural_collapse_does_not_see_rotation_or_scale(seed, scale):
    features, labels = clouds(3, 5, 4, seed)
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
    weights, means = features[:3], class_means(features, labels, 3)
    before = neural_collapse.neural_collapse(features, labels, weights, np.zeros(3), means)
    after = neural_collapse.neural_collapse(
        scale * features @ rotation, labels, scale * weights @ rotation, np.zeros(3), scale * means @ rotation
    )
    np.testing.assert_allclose(after.nc1, before.nc1, rtol=1e-6)
    np.testing.assert_allclose(after.nc3, before.nc3, rtol=1e-6, atol=1e-12)
    assert after.nc2_means.angles == pytest.approx(before.nc2_means.angles, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("C", [2, 4, 10])
def test_all_of_it_vanishes_at_the_simplex_etf(C):
    labels = np.tile(np.arange(C), 5)
    features = simplex_etf(C, C + 2, seed=C)[labels].astype(np.float32)
    found = evaluate_features(features, labels, features, labels, prior=priors.uniform(C), k=4, temperature=1)
    assert found.probe.converged and found.optimum.source == "simplex ETF"
    for part in (found.train, found.test):
        nc = part.neural_collapse
        assert nc.nc1 < 1e-10 and nc.nc3 < 1e-8 and nc.nc4 == 0.0
        for equal in (nc.nc2_means, nc.nc2_classifier):
            assert max(equal.norms, equal.angles, equal.maximal_angle) < 1e-4
        assert part.to_etf.max < 1e-6 and part.to_optimum.max < 2e-6
        for accuracy in (part.linear_probe, part.knn, part.mean_classifier):
            assert accuracy == evaluation.Accuracy(1.0, 1.0)
        assert part.cosines.within.mean == pytest.approx(1.0, abs=1e-6)
        assert part.cosines.between.mean == pytest.approx(-1 / (C - 1), abs=1e-6)
        np.testing.assert_allclose(part.mean_norms, 1.0, atol=1e-6)


def test_vectors_without_a_direction_have_no_angles():
    assert equality(np.zeros((3, 2))) == neural_collapse.Equality(None, None, None)
    found = equality(np.array([[1.0, 0], [0, 0]]))
    assert found == neural_collapse.Equality(1.0, None, None)


def test_means_that_have_cancelled_up_to_rounding_coincide():
    r = np.random.default_rng(0).normal(size=(3, 7, 4))
    opposite = np.concatenate([r, -r * (1 + 1e-15)], axis=1)
    found = neural_collapse.neural_collapse(
        opposite.reshape(-1, 4), np.repeat(np.arange(3), 14), np.eye(3, 4), np.zeros(3), opposite.mean(axis=1)
    )
    assert (found.nc1, found.nc3, found.nc4, found.nc2_means.norms) == (None, None, None, None)
    assert found.reason == "the class means coincide"


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_class_means_that_coincide_are_no_perfect_collapse(noise):
    # every class has the same images, up to a shift that rounds the means apart
    one = 0.3 + noise * np.random.default_rng(0).normal(size=(5, 4))
    features, labels = np.tile(one, (3, 1)) + 1e-16, np.repeat(np.arange(3), 5)
    features[5:10] = features[5:10][::-1]
    means = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    zero, some = np.zeros((3, 4)), np.eye(3, 4)
    for weights, train_means in ((zero, features[:3] * 0 + 1.0), (some, means), (some, features[:3] * 0 + 1.0)):
        found = neural_collapse.neural_collapse(features, labels, weights, np.zeros(3), train_means)
        assert found.nc1 is None and found.nc3 is None and found.nc2_means == neural_collapse.Equality(None, None, None)
        assert (found.nc4 is None) == (train_means is not means) and "class means coincide" in found.reason
    # means of the test set that differ are measured
    apart = means[labels] + one.mean()
    found = neural_collapse.neural_collapse(apart, labels, some, np.zeros(3), features[:3] * 0 + 1.0)
    assert found.nc1 < 1e-25 and found.nc3 is not None and found.nc4 is None and "training set" in found.reason


# --- nearest neighbours


def votes_by_loops(train, labels, queries, C, k, own=None):
    found = np.zeros((len(queries), C))
    for i, q in enumerate(queries):
        cosine = [q @ x / (np.linalg.norm(q) * np.linalg.norm(x)) for x in train]
        order = sorted((j for j in range(len(train)) if own is None or j != own[i]), key=lambda j: (-cosine[j], j))
        for j in order[:k]:
            found[i, labels[j]] += math.exp((cosine[j] - 1) / 0.1)
    return found


def test_votes_against_plain_loops(monkeypatch):
    monkeypatch.setattr(neighbours, "NEIGHBOURS", 7)
    monkeypatch.setattr(neighbours, "_BLOCK", 16)
    train, labels = clouds(3, 12, 4, seed=1)
    queries, _ = clouds(3, 6, 4, seed=2)
    found = neighbours.votes(train, labels, queries, 3)
    np.testing.assert_allclose(found, votes_by_loops(train, labels, queries, 3, 7), rtol=1e-4)
    own = np.arange(0, len(train), 2)
    found = neighbours.votes(train, labels, train[own], 3, own=own)
    np.testing.assert_allclose(found, votes_by_loops(train, labels, train[own], 3, 7, own), rtol=1e-4)
    # of a few images all vote, but never the one asked for
    found = neighbours.votes(train[:5], labels[:5], train[:5], 3, own=np.arange(5))
    np.testing.assert_allclose(found, votes_by_loops(train[:5], labels[:5], train[:5], 3, 4, np.arange(5)), rtol=1e-4)


def test_of_equally_near_neighbours_the_first_vote(monkeypatch):
    monkeypatch.setattr(neighbours, "NEIGHBOURS", 3)
    train = np.tile([[1.0, 0.0]], (8, 1))
    labels = np.array([1, 0, 0, 1, 1, 1, 1, 1])
    found = neighbours.votes(train, labels, np.array([[2.0, 0.0]]), 2)
    np.testing.assert_allclose(found, [[2.0, 1.0]], rtol=1e-6)


# --- cosines


def test_histograms_against_plain_loops(monkeypatch):
    monkeypatch.setattr(cosines, "_BLOCK", 7)
    features, labels = clouds(3, 8, 5, seed=3)
    found = cosines.cosines(features, labels, seed=0)
    pairs = {True: [], False: []}
    for i in range(len(labels)):
        for j in range(i):
            x, y = features[i], features[j]
            pairs[bool(labels[i] == labels[j])].append(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
    for side, values in ((found.within, pairs[True]), (found.between, pairs[False])):
        edges = np.linspace(-1, 1, cosines.BINS + 1)
        assert side.counts == tuple(np.histogram(values, edges)[0].tolist())
        assert (side.mean, side.std) == pytest.approx((np.mean(values), np.std(values)))
    assert found.images == len(labels)


def test_of_many_images_some_are_drawn(monkeypatch):
    monkeypatch.setattr(cosines, "MAX_IMAGES", 20)
    features, labels = clouds(3, 10, 5, seed=4)
    first, again, other = (cosines.cosines(features, labels, seed=s) for s in (0, 0, 1))
    assert first == again != other and first.images == 20
    assert sum(first.within.counts) + sum(first.between.counts) == 20 * 19 // 2


def test_cosines_at_the_ends_fall_into_the_last_bins():
    found = cosines.cosines(np.array([[1.0, 0], [1, 0], [-1, 0]]), np.array([0, 0, 1]), seed=0)
    assert found.within.counts[-1] == 1 and found.between.counts[0] == 2
    alone = cosines.cosines(np.array([[1.0, 0], [-1, 0]]), np.array([0, 1]), seed=0)
    assert math.isnan(alone.within.mean) and as_json(alone)["within"]["mean"] is None


# --- linear probe


def newton_probe(features, labels, C, l2):
    """The same problem by Newton's method with the whole Hessian, in the plain coordinates."""
    n, d = features.shape
    X = np.hstack([features, np.ones((n, 1))])
    theta = np.zeros((C, d + 1))
    for _ in range(60):
        scores = X @ theta.T
        P = np.exp(scores - scores.max(1, keepdims=True))
        P /= P.sum(1, keepdims=True)
        gradient = (P - np.eye(C)[labels]).T @ X / n + l2 * theta
        hessian = l2 * np.eye(C * (d + 1))
        for i in range(n):
            hessian += np.kron(np.diag(P[i]) - np.outer(P[i], P[i]), np.outer(X[i], X[i])) / n
        step = np.linalg.solve(hessian, gradient.ravel()).reshape(C, d + 1)
        theta -= step / max(1.0, np.linalg.norm(step))
        if np.linalg.norm(step) < 1e-12:
            break
    own = (X @ theta.T)[np.arange(n), labels]
    value = np.mean(np.log(np.exp(X @ theta.T).sum(1)) - own) + l2 / 2 * np.sum(theta**2)
    return theta, value


@pytest.mark.parametrize(("noise", "l2"), [(2.0, 1e-3), (0.5, 1e-2)])
def test_probe_against_newton(noise, l2):
    features, labels = clouds(3, 10, 4, seed=5, noise=noise)
    features[:, 1] *= 30  # badly scaled
    theta, value = newton_probe(features, labels, 3, l2)
    found = probe.fit(features, labels, 3, l2=l2, tolerance=1e-8)
    assert found.converged and found.gradient_norm <= 1e-8
    assert found.loss == pytest.approx(value, abs=1e-12)
    np.testing.assert_allclose(found.weights, theta[:, :-1], atol=1e-5)
    np.testing.assert_allclose(found.bias, theta[:, -1], atol=1e-5)
    np.testing.assert_allclose(found.scores(features), features @ theta[:, :-1].T + theta[:, -1], atol=1e-3)


def test_probe_of_other_features_of_the_same_space_scores_the_same():
    features, labels = clouds(3, 10, 4, seed=6)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    plain, turned = probe.fit(features, labels, 3), probe.fit(features @ rotation, labels, 3)
    np.testing.assert_allclose(turned.scores(features @ rotation), plain.scores(features), atol=1e-2)
    assert abs(plain.loss - turned.loss) < 1e-7
    again = probe.fit(features, labels, 3)
    np.testing.assert_array_equal(again.weights, plain.weights)


# --- means, distances, and everything together


def test_class_means_and_their_cosines_by_hand():
    features = np.array([[1, 0], [0, 2], [3, 0], [0, 4]], np.float32)
    means = class_means(features, np.array([0, 1, 0, 1]), 2)
    np.testing.assert_array_equal(means, [[2, 0], [0, 3]])
    np.testing.assert_array_equal(cosine_matrix(means), np.eye(2))
    for labels in ([0, 0, 0, 0], [0, 1, 2, 1]):
        with pytest.raises(InputError, match="labels"):
            class_means(features, np.array(labels), 2)
    with pytest.raises(InputError, match="finite"):
        class_means(features * np.nan, np.array([0, 1, 0, 1]), 2)
    with pytest.raises(InputError, match="not zero"):
        cosine_matrix(np.zeros((2, 2)))


def test_distance_by_hand():
    G = np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]])
    found = distance(G, np.eye(3))
    assert found.max == 0.5 and found.rms == pytest.approx(0.5 / math.sqrt(3))


def test_features_at_the_computed_optimum_are_recognized():
    prior = priors.from_masses([20, 6, 4], normalize=True)
    best = optimum.run(prior, 8, temperature="1/2")
    labels = np.repeat(np.arange(3), [20, 6, 4])
    values, vectors = np.linalg.eigh(np.array(best.gram))
    U = vectors * np.sqrt(np.clip(values, 0, None))
    mixed = np.random.default_rng(0).permutation(30)
    found = evaluate_features(U[labels[mixed]], labels[mixed], U, np.arange(3), prior=prior, k=8, temperature=0.5)
    assert found.optimum.source == "verify.optimum" and found.optimum.status == "proved"
    assert found.optimum.radius is not None and found.temperature == "1/2" and found.rho == ("2/3", "1/5", "2/15")
    for part in (found.train, found.test):
        assert part.to_optimum.max < 2e-6 and part.to_etf.max > 0.1 and part.optimum_over_etf < 1e-4
        np.testing.assert_allclose(part.gram, best.gram, atol=2e-6)
    text = json.dumps(as_json(found), allow_nan=False)
    assert json.loads(text)["train"]["cosines"]["images"] == 30 and "weights" not in json.loads(text)["probe"]


def test_noisy_features_are_worse_on_the_test_set_and_measured_alike():
    features, labels = clouds(3, 40, 4, seed=8, noise=1.5)
    other, other_labels = clouds(3, 30, 4, seed=8, noise=1.5)  # other draws around the same centres
    found = evaluate_features(features, labels, other, other_labels, prior=priors.uniform(3), k=1, temperature=1)
    fitted = probe.fit(features, labels, 3)
    decided = np.argmax(other @ fitted.weights.T + fitted.bias, 1)
    assert found.test.linear_probe.overall == pytest.approx(np.mean(decided == other_labels))
    per_class = [np.mean(decided[other_labels == c] == c) for c in range(3)]
    assert found.test.linear_probe.balanced == pytest.approx(np.mean(per_class))
    nearest = np.argmax(votes_by_loops(features, labels, other, 3, 200), 1)
    assert found.test.knn.overall == pytest.approx(np.mean(nearest == other_labels))
    means = class_means(features, labels, 3)
    assert found.test.mean_classifier.overall == pytest.approx(np.mean(np.argmax(other @ means.T, 1) == other_labels))
    assert found.train.linear_probe.overall > 1 / 2


def test_of_many_training_images_some_are_asked(monkeypatch):
    monkeypatch.setattr(evaluation, "MAX_QUERIES", 10)
    assert len(evaluation._queries(50, 0)) == 10 and np.array_equal(evaluation._queries(10, 0), np.arange(10))


# --- losses


@pytest.mark.parametrize(("k", "temperature"), [(1, 1), (5, "1/3"), (4096, 1)])
def test_losses_of_points_are_those_of_the_augmentation_graph(k, temperature):
    """Against the graph's expectation, which knows no moments, for class positives and mixed ones."""
    features, labels = clouds(3, 6, 4, seed=2)
    U, beta, n = normalized(features), float(1 / Fraction(temperature)), len(features)
    same = (labels[:, None] == labels) / np.bincount(labels)[labels][:, None]
    z = beta * np.minimum(U @ U.T - 1, 0)
    given = points(features, labels, normalize=True)
    of_class = measure(features, labels, k, temperature=temperature, normalize=True)
    mixed = mixed_loss(given, k, beta, overlap=0.3, optimum=(0.0, 1.0))
    assert mixed.excess == pytest.approx(mixed.value - 0.5, abs=1e-15)
    for found, W in ((of_class, same), (mixed, 0.7 * np.eye(n) + 0.3 * same)):
        expected = np.mean(expectation.expected("logistic", k, z, np.full((n, n), 1 / n), W).value)
        assert found.value == pytest.approx(expected, rel=1e-12) and found.error < 1e-12


def test_what_a_network_is_above_the_minimum_has_two_parts():
    """Both vanish at the optimum, and neither is negative; spread alone, where the class means are arranged well."""
    C, k = 3, 4
    labels = np.tile(np.arange(C), 6)
    U = simplex_etf(C, C + 3)

    def measured(features):
        return evaluate_features(features, labels, features, labels, prior=priors.uniform(C), k=k, temperature=1).loss

    best = measured(U[labels])
    assert best.optimum_lower <= nce_minimum(get_loss("logistic"), 3, 4) + 1e-13
    assert abs(best.excess) < 1e-12 and abs(best.spread) < 1e-12 and abs(best.geometry) < 1e-12
    noise = 0.3 * np.random.default_rng(0).normal(size=(len(labels), C + 3))
    for features in (U[labels] + noise, noise):
        found = measured(features)
        assert found.excess > 0 and found.spread > 0 and found.geometry > 0
        assert found.excess == pytest.approx(found.spread + found.geometry, abs=1e-14)
    merged = measured(U[labels // 2])
    assert merged.geometry > merged.spread > 0


def test_downstream_losses_of_trained_embeddings():
    C = 4
    labels = np.tile(np.arange(C), 5)
    best = downstream_minimum(get_loss("logistic"), C)
    found = downstream(points(simplex_etf(C, C + 1)[labels], labels), beta=1.0, optimum=best)
    assert found.lower == pytest.approx(best, abs=1e-9) and found.upper == pytest.approx(best, abs=1e-9)
    assert found.mean_classifier == pytest.approx(best, abs=1e-9)
    assert at_gram(gram(simplex_etf(C)), np.full(C, 1 / C), beta=1.0) == pytest.approx(best, abs=1e-9)
    features, labels = clouds(3, 9, 5, seed=1)
    found = downstream(points(features, labels, normalize=True), beta=1.0, optimum=None)
    assert found.upper - 1e-8 <= found.lower <= found.upper < found.mean_classifier


@pytest.mark.parametrize("overlap", ["1/20", "3/5"])
def test_mixed_positives_are_measured_against_the_block_family(overlap):
    """At its optimum: the embeddings from its two cosines, whose loss is the least and whose excess vanishes."""
    C, m, k = 3, 4, 16
    a = Fraction(overlap)
    block = with_overlap(C, m, float(a))
    g = block.cosine("logistic", k)
    G = np.full((C * m, C * m), block.between(g))
    labels = np.repeat(np.arange(C), m)
    G[labels[:, None] == labels] = g
    np.fill_diagonal(G, 1.0)
    values, vectors = np.linalg.eigh(G)
    U = vectors * np.sqrt(np.clip(values, 0, None))
    found = evaluate_features(
        U, labels, U, labels, prior=priors.uniform(C), k=k, temperature=1, positives="mixed", overlap=a
    )
    assert found.optimum.source == "block family" and found.optimum.within == pytest.approx(g)
    assert (g == 1) == (overlap == "3/5")
    assert found.train.cosines.within.mean == pytest.approx(g) and abs(found.loss.excess) < 1e-12
    assert found.train.to_optimum.max < 1e-6
    assert found.downstream.upper == pytest.approx(found.optimum.downstream, abs=1e-8)
    # further from the class means, the least downstream loss is larger
    collapsed = downstream_minimum(get_loss("logistic"), C)
    assert (found.optimum.downstream > collapsed + 1e-3) == (g < 1)


def test_augmented_positives_have_no_prediction():
    features, labels = clouds(3, 6, 4, seed=2)
    found = evaluate_features(
        features, labels, features, labels, prior=priors.uniform(3), k=2, temperature=1, positives="augment"
    )
    assert found.optimum is None and found.loss is None and found.train.to_optimum is None
    assert as_json(found)["optimum"] is None and found.downstream.optimum is None


def test_without_flint_the_optimum_is_numerical(monkeypatch):
    prior = priors.from_masses([20, 6, 4], normalize=True)
    proved = predicted.__wrapped__(prior, 8, Fraction(1, 2), 3)
    monkeypatch.setattr(trained_optimum, "find_spec", lambda name: None)
    monkeypatch.setattr(prediction, "optimum", trained_optimum.optimum.__wrapped__)
    found = predicted.__wrapped__(prior, 8, Fraction(1, 2), 3)
    assert (proved.status, found.status) == ("proved", "numerical") and found.radius is None
    np.testing.assert_allclose(found.gram, proved.gram, atol=2e-6)
    assert found.nce == pytest.approx(proved.nce, abs=1e-9) and found.nce[0] <= proved.nce[1]
    assert found.downstream == pytest.approx(proved.downstream, abs=1e-7)
