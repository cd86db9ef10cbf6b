"""Priors with groups of equal classes: everything in the number of groups agrees with the problem in all classes."""

import copy
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import priors
from theory.downstream import accuracy, class_weights, loss_of_scores, mean_classifier_loss
from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.geometry import simplex_etf
from theory.groups import class_gram, cosines, grouped_loss, mean_gram
from theory.losses import LOSSES, get_loss
from theory.population import population_loss
from theory.priors import Prior
from theory.problem import Problem
from verify import check as verify_check
from verify import conjecture, downstream, optimum
from verify.certify import prove_grouped, prove_optimum
from verify.certify.optimum import OptimumProof
from verify.certify.solution import prove
from verify.checker import check
from verify.optimize.barrier import Barrier
from verify.optimize.means import GroupedLoss
from verify.optimize.newton import derivatives
from verify.optimize.search import minimum, search
from verify.optimize.solution import in_groups, solve
from verify.results import Status
from verify.supervised.bracket import enclose_loss
from verify.supervised.classifier import optimal_classifier
from verify.supervised.head import GroupedHead
from verify.supervised.minimizer import Enclosing
from verify.supervised.sequence import point

FULL = jax.jit(population_loss, static_argnums=0)
IN_GROUPS = jax.jit(grouped_loss, static_argnums=0)
SMOOTH = ("logistic", "decoupled", "exponential", "separable", "weighted-logistic:3")
MILLION = "groups:1x0.9,1000000x0.1"
TEN = "groups:1x0.55,9x0.1,990x0.05,9000x0.05,90000x0.05,200000x0.05,200000x0.04,200000x0.06,100000x0.02,200000x0.03"


@st.composite
def grouped(draw: st.DrawFn, shapes: tuple[tuple[int, ...], ...] = ((1, 2), (2, 3))) -> Prior:
    """A prior of few shapes whose groups have different masses."""
    counts = draw(st.sampled_from(shapes))
    masses = draw(st.lists(st.integers(1, 1000), min_size=len(counts), max_size=len(counts), unique=True))
    return priors.groups([(n, Fraction(n * m)) for n, m in zip(counts, masses, strict=True)], normalize=True)


def random_means(prior: Prior, rng: np.random.Generator) -> np.ndarray:
    """A feasible B: means of length 1 for groups of one class, shorter for the others."""
    means = rng.normal(size=(len(prior.masses), 3))
    lengths = np.where(np.array(prior.counts) > 1, rng.uniform(0.1, 1, len(means)), 1.0)
    means *= (lengths / np.linalg.norm(means, axis=1))[:, None]
    return means @ means.T


def test_merging_and_writing_groups() -> None:
    prior = priors.parse("groups:2x0.5,3x0.25,1x0.25")
    assert prior.merged() == priors.Prior((Fraction(1, 4), Fraction(1, 12)), (3, 3))
    assert prior.merged().as_groups() == ["3x3/4", "3x1/4"]
    assert priors.parse("groups:" + ",".join(prior.as_groups())) == prior


@given(prior=grouped(), seed=st.integers(0, 10**6), k=st.sampled_from([1, 7, 4096]), name=st.sampled_from([*LOSSES]))
@settings(max_examples=15)
def test_the_loss_in_groups_is_that_of_all_classes(prior: Prior, seed: int, k: int, name: str) -> None:
    B = random_means(prior, np.random.default_rng(seed))
    reduced = cosines(B, prior)
    np.testing.assert_allclose(mean_gram(reduced, prior), B, atol=1e-14)
    G = class_gram(reduced, prior, prior)
    assert np.linalg.eigvalsh(G)[0] > -1e-12
    rho, _, counts = masses_first(prior, B)
    full = FULL(get_loss(name), G, prior.as_array(), float(k), 1.5)
    assert float(IN_GROUPS(get_loss(name), reduced, rho, counts, float(k), 1.5)) == pytest.approx(
        float(full), rel=1e-12
    )
    if name != "hinge":
        local = derivatives(name, k, 1.5, *masses_first(prior, B))
        assert local.value == pytest.approx(float(full), rel=1e-12)


def masses_first(prior: Prior, B: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array([float(m) for m in prior.masses]), B, np.array(prior.counts, dtype=float)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("k", [5, float("inf")])
def test_derivatives_in_groups_against_differences(name: str, k: float) -> None:
    prior, rng, h = priors.parse("groups:1x0.3,3x0.5,2x0.2"), np.random.default_rng(1), 1e-5
    B = random_means(prior, rng)
    for _ in range(5):
        D = rng.normal(size=(3, 3))
        D = D + D.T
        plus, at, minus = (derivatives(name, k, 1.0, *masses_first(prior, B + t * D)) for t in (h, 0.0, -h))
        assert np.sum(at.gradient * D) == pytest.approx((plus.value - minus.value) / (2 * h), rel=1e-7)
        curvature = np.einsum("gh,ghl,gl->", D, at.hessian, D)
        assert curvature == pytest.approx(np.sum((plus.gradient - minus.gradient) * D) / (2 * h), rel=1e-6)
        assert at.gradient[0, 0] == 0.0  # a class alone has no cosine of its own


@settings(max_examples=8)
@given(
    prior=grouped(),
    k=st.sampled_from([1, 16, 1000]),
    name=st.sampled_from(["logistic", "separable"]),
    temperature=st.sampled_from([Fraction(1, 2), Fraction(1)]),
)
def test_the_optimum_in_groups_is_that_of_all_classes(prior: Prior, k: int, name: str, temperature: Fraction) -> None:
    problem = Problem(prior, k, loss=name, temperature=temperature)
    found = solve(problem)
    proof = prove(problem, found)
    assert proof is not None and proof.status == "proved"
    assert proof.lower is not None and proof.upper is not None and proof.gram is not None
    searched = search(*problem.numbers, starts=2)
    full = prove_optimum(problem, searched.best.embeddings)
    assert full.status == "proved" and full.lower is not None and full.upper is not None and full.gram is not None
    assert max(proof.lower, full.lower) <= min(proof.upper, full.upper)
    assert found.lower - 1e-9 * k <= proof.upper and proof.lower <= found.value + 1e-9 * k
    ours = class_gram(np.array(proof.doubles()[0]), found.groups, prior)
    theirs = np.array([[float(g) for g in row] for row in full.gram])
    assert np.abs(ours - theirs).max() <= 1.01 * (proof.gram_radius + full.gram_radius)
    assert check(proof.certificate()).verdict == "accepted"
    assert check(json.dumps(full.certificate())).verdict == "accepted"


@pytest.mark.parametrize("rho", [MILLION, TEN])
def test_a_million_classes(rho: str) -> None:
    result = optimum.run(rho, 65536)
    groups = priors.parse(rho).merged()
    assert result.status is Status.PROVED
    assert result.nce.relative_gap <= 1e-18
    assert result.problem.rho == result.groups == tuple(groups.as_groups())
    assert np.shape(result.gram) == (len(groups.masses),) * 2
    rho_g, _, counts = masses_first(groups, np.eye(1))
    value = IN_GROUPS(get_loss("logistic"), np.array(result.gram), rho_g, counts, 65536.0, 1.0)
    assert float(value) == pytest.approx(result.nce.upper, rel=1e-9)
    assert result.gram_radius < 1e-4


def test_a_limit_and_a_real_k_are_bracketed_in_floats() -> None:
    for k in (2.5, float("inf")):
        result = optimum.run(TEN, k)
        assert result.status is Status.NUMERICAL
        assert result.nce.relative_gap <= 1e-9


def test_the_classes_keep_their_order() -> None:
    mixed, sorted_ = optimum.run("0.1,0.3,0.1,0.5", 8), optimum.run("0.1,0.1,0.3,0.5", 8)
    order = [0, 2, 1, 3]
    assert mixed.nce == sorted_.nce
    np.testing.assert_array_equal(np.array(mixed.gram)[np.ix_(order, order)], sorted_.gram)
    assert mixed.groups is None and mixed.problem.rho == ("1/10", "3/10", "1/10", "1/2")


def test_dimensions_that_do_not_hold_the_optimum() -> None:
    collapsed = optimum.run("groups:1x0.97,9999x0.03", 4, d=2)
    # in fewer than C-1 dimensions a minimizer need not be the witness, so that its rank is not proved
    assert collapsed.status is Status.PROVED and collapsed.rank is None and collapsed.rank_numerical == 1
    with pytest.raises(InputError, match="at least 9999"):
        optimum.run("groups:1x0.5,9999x0.5", 4, d=2)


def test_what_is_not_solved_in_groups() -> None:
    assert not in_groups(Problem(priors.parse("groups:2x0.5,3x0.5"), 4, loss="hinge"))
    assert not in_groups(Problem(priors.parse("zipf:1", 49), 4))
    assert in_groups(Problem(priors.parse("0.5,0.3,0.2"), 4))  # groups of one
    with pytest.raises(InputError, match="4000 classes"):
        optimum.run(MILLION, 4, loss="hinge")


def certificate() -> dict:
    prior = priors.parse("groups:1x0.3,3x0.45,2x0.25")
    proof = proven(prior, 12)
    return proof.certificate()


def proven(prior: Prior, k: int) -> OptimumProof:
    problem = Problem(prior, k)
    proof = prove(problem, solve(problem))
    assert proof is not None and proof.status == "proved"
    return proof


def test_the_checker_refuses_what_is_false_or_not_shown() -> None:
    good = certificate()
    assert check(good).verdict == "accepted"

    def changed(**fields: object) -> str:
        document = copy.deepcopy(good)
        for name, value in fields.items():
            (document["witness"] if name in document["witness"] else document["statement"])[name] = value
        return check(document).verdict

    rows = good["witness"]["embeddings"]
    assert changed(d=5) == "accepted"
    assert changed(d=4) == "rejected"  # C - 1 = 5, and so is the rank of the witness
    assert changed(counts=[1, 2, 3]) == "unreadable"
    assert changed(counts=[1, 3, 2.0]) == "unreadable"
    assert changed(counts=[1, 3]) == "unreadable"
    assert changed(counts=[1, 3, 2], rho=["1/2", "1/15", "3/20"]) == "rejected"
    assert changed(embeddings=rows[:2]) == "unreadable"
    assert changed(embeddings=[["0/1"] * 2, *rows[1:]]) == "unreadable"
    assert changed(embeddings=[rows[0], ["0/1"] * 2, rows[2]]) == "rejected"
    # a group of three that is held together: its multiplier has the wrong sign
    assert changed(embeddings=[rows[0], ["5/1", "0/1"], rows[2]]) == "rejected"
    assert changed(lower=good["statement"]["upper"], upper="9/1") == "rejected"
    minimizer = copy.deepcopy(good["statement"]["minimizer"])
    minimizer["gram"][1][1] = "1/1"
    assert changed(minimizer=minimizer) == "rejected"


def test_the_problem_of_a_grouped_certificate_counts_classes() -> None:
    good = certificate()
    assert verify_check.run(good).problem.C == 6
    good["statement"]["counts"] = ["1", 3]
    assert verify_check.run(good).problem.C is None


@pytest.mark.parametrize("below", ["1e-3", "1e-8"])
def test_the_ball_stands_for_the_sphere_by_the_rank_of_the_minimizer_alone(below: str) -> None:
    """Just below total collapse the four minorities are spread, rank 4, however low the witness's rank is."""
    p = Fraction("0.807489729485062573") - Fraction(below)
    prior = priors.groups([(1, p), (4, 1 - p)])
    for d, most in ((4, 4), (5, 4)):
        found = Enclosing(Problem(prior, 1, d)).minimizer(Fraction(1, 10**12))
        assert not isinstance(found, str) and found.structure is None
        assert found.rank == most


def test_no_embedding_in_groups_is_below_the_proven_bound() -> None:
    """The slack with free rows is a lower bound at every feasible B, not only at the optimum."""
    prior = priors.parse("groups:1x0.3,3x0.45,2x0.25")
    proof = proven(prior, 12)
    assert proof.lower is not None
    rng = np.random.default_rng(0)
    for _ in range(50):
        B = random_means(prior, rng)
        assert derivatives("logistic", 12, 1.0, *masses_first(prior, B)).value >= float(proof.lower)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_barrier_ends_in_a_bracket_for_skewed_priors(seed: int) -> None:
    """Ten groups, masses of classes over ten orders of magnitude: the float bracket closes, whether proven or not."""
    rng = np.random.default_rng(seed)
    pairs = [(int(10 ** rng.uniform(0, 5)), Fraction(int(10 ** rng.uniform(0, 5)))) for _ in range(10)]
    prior = priors.groups(pairs, normalize=True).merged()
    rho, _, counts = masses_first(prior, np.eye(1))
    barrier = Barrier(GroupedLoss(rho, counts, "logistic", 65536, 1.0))
    found = barrier.solve()
    assert found.value - found.lower <= 1e-11 * found.value
    problem = Problem(prior, 65536)
    proof = prove_grouped(problem, solve(problem).starts, width=Fraction(1, 10**12))
    if proof.lower is not None:
        assert float(proof.lower) - 1e-11 <= found.value <= float(proof.upper) + 1e-11


@pytest.mark.parametrize(
    ("rho", "k", "name", "weighting"),
    [("groups:2x0.5,3x0.5", 16, "logistic", "weighted"), ("groups:1x0.45,4x0.55", 1, "separable", "balanced")],
)
def test_the_downstream_loss_in_groups_is_that_of_all_classes(rho: str, k: int, name: str, weighting: str) -> None:
    prior, loss = priors.parse(rho), get_loss(name)
    ours = downstream.run(prior, k, weighting=weighting, loss=name)
    assert ours.status is Status.PROVED and ours.sup.gap <= 1e-16
    U = minimum(loss, prior.as_array(), k, prior.C).best.embeddings
    weights = class_weights(prior, weighting)
    head = optimal_classifier(loss, U, np.arange(prior.C), weights)
    assert ours.sup.lower <= head.upper + 1e-9 and head.lower - 1e-9 <= ours.sup.upper
    mean = mean_classifier_loss(loss, jnp.asarray(U @ U.T), jnp.asarray(weights))
    assert ours.mean_classifier.upper == pytest.approx(float(mean), abs=1e-8)
    assert ours.accuracy == ours.accuracy_numerical
    assert ours.accuracy_numerical == pytest.approx(accuracy(head.scores, np.arange(prior.C), weights), abs=1e-12)


@settings(max_examples=8)
@given(prior=grouped(), k=st.sampled_from([1, 1000]), weighting=st.sampled_from(["weighted", "balanced"]))
def test_no_classifier_is_below_the_proven_bracket(prior: Prior, k: int, weighting: str) -> None:
    """Random classifiers, not of the form that suffices, on the minimizer's embeddings written out."""
    enclosing = Enclosing(Problem(prior, k))
    proof = enclose_loss(enclosing, weighting, "optimal", Fraction(1, 10**12))
    assert not isinstance(proof, str)
    gram = class_gram(cosines(enclosing.solution.means, enclosing.groups), enclosing.groups, prior)
    eigenvalues, vectors = np.linalg.eigh(gram)
    U, weights = vectors * np.sqrt(np.maximum(eigenvalues, 0.0)), class_weights(prior, weighting)
    rng = np.random.default_rng(k)
    for step in (0.0, 0.01, 0.1, 1.0):
        W = U + step * rng.normal(size=U.shape)
        scores = U @ (W / np.linalg.norm(W, axis=1, keepdims=True)).T
        rivals = np.exp(scores - np.diag(scores)[:, None]) * (1 - np.eye(prior.C))
        assert float(proof[1].lower) <= weights @ np.log1p(rivals.sum(axis=1)) + 1e-9
    assert 0 <= proof[1].upper - proof[1].lower <= Fraction(1, 10**12)


@pytest.mark.parametrize("name", ["logistic", "exponential", "separable"])
def test_slopes_of_the_head_against_differences(name: str) -> None:
    prior, rng, h = priors.parse("groups:1x0.3,3x0.5,2x0.2"), np.random.default_rng(2), 1e-6
    rho, _, counts = masses_first(prior, np.eye(3))
    means = rng.normal(size=(3, 2)) * 0.3
    means[0] /= np.linalg.norm(means[0])
    problem = GroupedHead(name, means, counts, rho * counts, 1.5)
    W, V = rng.normal(size=(3, 4)) * 0.4, rng.normal(size=(3, 4))
    plus, at, minus = (problem.derivatives(W + t * V, V) for t in (h, 0.0, -h))
    assert np.sum(at[1] * V) == pytest.approx((plus[0] - minus[0]) / (2 * h), rel=1e-7)
    np.testing.assert_allclose(at[2], (plus[1] - minus[1]) / (2 * h), rtol=1e-5, atol=1e-8)
    # the classifier written out: means plus simplex directions, one row a class
    scores = expanded(prior, means, W[:, :2], W[:, 2])
    labels, weights = np.arange(6), np.repeat(rho, prior.counts)
    full = loss_of_scores(get_loss(name), jnp.asarray(scores), labels, jnp.asarray(weights), 1.5)
    assert at[0] == pytest.approx(float(full), rel=1e-12)
    found = problem.solve()
    assert found.value - found.lower <= 1e-10 and found.value <= at[0]


def expanded(prior: Prior, means: np.ndarray, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The scores of all classes, from embeddings and classifiers written out in coordinates."""
    U, W, start = np.zeros((prior.C, 2 + prior.C)), np.zeros((prior.C, 2 + prior.C)), 0
    for g, N in enumerate(prior.counts):
        rows = slice(start, start + N)
        simplex = simplex_etf(N, N) if N > 1 else np.zeros((1, 1))
        U[rows, :2], W[rows, :2] = means[g], x[g]
        U[rows, 2 + start : 2 + start + N] = np.sqrt(max(0.0, 1 - means[g] @ means[g])) * simplex
        W[rows, 2 + start : 2 + start + N] = z[g] * simplex
        start += N
    return U @ W.T


def test_the_downstream_loss_of_a_million_classes() -> None:
    for rho in (MILLION, TEN):
        result = downstream.run(rho, 65536)
        assert result.status is Status.PROVED
        assert result.sup.gap <= 1e-15 and result.sup.upper <= result.mean_classifier.lower
    uniform = downstream.run("uniform", 64, C=10**6)
    assert uniform.structure == "uniform"
    assert uniform.sup.upper == pytest.approx(np.log1p((10**6 - 1) * np.exp(-(10**6) / (10**6 - 1))), rel=1e-15)
    collapsed = downstream.run("groups:1x0.97,999999x0.03", 8, d=2, certificate="unwritten.json")
    assert collapsed.structure == "total-collapse"
    assert collapsed.certificate is None and "256 classes" in collapsed.note
    flat = downstream.run("groups:1x0.5,999999x0.5", 8, d=2)
    assert flat.status is Status.UNDECIDED and flat.sup is None and "rank" in flat.note
    assert downstream.run(TEN, float("inf")).status is Status.NUMERICAL


def test_the_conjecture_in_groups() -> None:
    """Decided for a thousand classes, in both directions; and the series is that of `verify.downstream`."""
    rising = conjecture.run("groups:1x0.863,1000x0.135,1x0.002", [1, 16, 4096], classifier="mean")
    assert rising.status is Status.REFUTED and rising.witness.increase_lower > 0.09
    assert rising.series[0].structure == "total-collapse" and rising.series[0].nce_lower is not None
    falling = conjecture.run(MILLION, [1, 16, 65536], certificate="unwritten.json")
    assert falling.status is Status.PROVED and falling.witness is None
    assert falling.certificate is None and "256 classes" in falling.note
    last = downstream.run(MILLION, 65536)
    assert falling.series[-1].sup_lower <= last.sup.upper and last.sup.lower <= falling.series[-1].sup_upper
    with pytest.raises(InputError, match="256 classes"):
        conjecture.run(MILLION, [1], loss="hinge")
    with pytest.raises(InputError, match="classifier"):
        conjecture.run(MILLION, [1], classifier="other")


@settings(max_examples=12)
@given(
    prior=grouped(shapes=((1, 2), (2, 3), (1, 1, 2))),
    k=st.sampled_from([1, 16, 1000, float("inf")]),
    name=st.sampled_from(SMOOTH),
    weighting=st.sampled_from(["weighted", "balanced"]),
    classifier=st.sampled_from(["optimal", "mean"]),
)
def test_classes_one_by_one_agree_with_groups(
    prior: Prior, k: float, name: str, weighting: str, classifier: str
) -> None:
    """Whatever is said of a downstream loss holds for both statements of the problem."""
    problem = Problem(prior, k, loss=name, temperature="3/2")
    enclosings = (Enclosing(problem, by_class=by_class) for by_class in (False, True))
    together, apart = (point(enclosing, weighting, classifier) for enclosing in enclosings)
    assert (together.bracket is None) == (apart.bracket is None)
    if together.bracket is not None and apart.bracket is not None:
        assert max(together.bracket.lower, apart.bracket.lower) <= min(together.bracket.upper, apart.bracket.upper)
        assert apart.minimizer.witness
        cosines_apart = np.array([[float(g) for g in row] for row in apart.minimizer.cosines])
        cosines_together = np.array([[float(g) for g in row] for row in together.minimizer.cosines])
        ours = class_gram(cosines_together, prior.merged(), prior)
        radius = float(together.minimizer.radius + apart.minimizer.radius)
        assert np.abs(ours - cosines_apart).max() <= radius + 1e-15
    elif together.sup is not None:
        assert apart.sup == pytest.approx(together.sup, abs=together.error + apart.error)
