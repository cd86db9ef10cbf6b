"""The downstream loss: the solver against CVXPY and closed forms, the proven brackets against both."""

import json
import math
from fractions import Fraction

import cvxpy as cp
import mpmath
import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from theory import priors
from theory.balanced import downstream_minimum
from theory.downstream import (
    accuracy,
    class_weights,
    loss_of_scores,
    lower_bound,
    mean_classifier,
    mean_classifier_loss,
)
from theory.errors import InputError
from theory.float64 import jnp
from theory.geometry import gram, normalized, simplex_etf
from theory.losses import get_loss
from theory.problem import Problem
from verify import checker, downstream
from verify.certify import losses
from verify.optimize.search import minimum
from verify.supervised.bracket import bracket, enclose_loss
from verify.supervised.classifier import optimal_classifier
from verify.supervised.derivative import slope_in_k
from verify.supervised.minimizer import Enclosing

LOGISTIC = get_loss("logistic")
THREE = np.arange(3)
WEIGHTS = np.array([0.5, 0.3, 0.2])


def by_cvxpy(U, weights, beta=1.0):
    """The convex problem stated directly: W in the unit ball, in dimension d >= rank + 1."""
    W = cp.Variable(U.shape)
    scores = U @ W.T
    loss = weights @ (cp.log_sum_exp(beta * scores, axis=1) - beta * cp.diag(scores))
    problem = cp.Problem(cp.Minimize(loss), [cp.norm(W, axis=1) <= 1])
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return problem.value


def random_embeddings(seed, collapsed=False):
    U = normalized(np.random.default_rng(seed).normal(size=(3, 3)))
    if collapsed:
        U[1], U[2] = U[0], -U[0]
    return U


@pytest.mark.parametrize("beta", [0.3, 1.0, 5.0])
@pytest.mark.parametrize("collapsed", [False, True])
def test_solver_agrees_with_cvxpy_and_closes_the_gap(beta, collapsed):
    for seed in range(3):
        U = random_embeddings(seed, collapsed)
        found = optimal_classifier(LOGISTIC, U, THREE, WEIGHTS, beta=beta, d=4)
        assert found.converged
        assert 0 <= found.upper - found.lower <= 1e-11
        assert found.upper == pytest.approx(by_cvxpy(U, WEIGHTS, beta), abs=1e-8)
        assert np.all(np.linalg.norm(found.weights, axis=1) <= 1 + 1e-12)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([0.5, 2.0]))
def test_lower_bound_is_below_every_classifier(seed, other, beta):
    U, rng = random_embeddings(seed), np.random.default_rng(other)
    anywhere = 3 * rng.normal(size=(3, 3))
    below = lower_bound(LOGISTIC, U, anywhere, THREE, WEIGHTS, beta=beta)
    W = normalized(rng.normal(size=(3, 3)))
    tried = float(loss_of_scores(LOGISTIC, jnp.asarray(U @ W.T), THREE, jnp.asarray(WEIGHTS), beta))
    assert below <= tried + 1e-12
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert lower_bound(LOGISTIC, U @ rotation, anywhere, THREE, WEIGHTS, beta=beta) == pytest.approx(below, abs=1e-12)


@pytest.mark.parametrize("name", ["logistic", "exponential", "separable", "decoupled"])
def test_balanced_optimum_in_closed_form(name):
    loss, etf = get_loss(name), simplex_etf(3, 3)
    found = optimal_classifier(loss, etf, THREE, np.full(3, 1 / 3), d=3)
    assert found.convex  # the simplex ETF of three classes has rank 2
    assert found.upper == pytest.approx(downstream_minimum(loss, 3), rel=1e-12)
    assert found.lower == pytest.approx(found.upper, abs=1e-11)


def test_hinge_is_bracketed_to_its_smoothing():
    U = normalized(random_embeddings(1) + 2.0)
    found = optimal_classifier(get_loss("hinge"), U, THREE, WEIGHTS, d=4)
    assert 0 <= found.upper - found.lower <= 1e-4
    W = cp.Variable((3, 3))
    scores = U @ W.T
    worst = [
        cp.maximum(0, 1 + cp.maximum(*[scores[c, j] - scores[c, c] for j in range(3) if j != c])) for c in range(3)
    ]
    problem = cp.Problem(
        cp.Minimize(sum(w * h for w, h in zip(WEIGHTS, worst, strict=True))), [cp.norm(W, axis=1) <= 1]
    )
    problem.solve(solver=cp.CLARABEL)
    assert found.lower - 1e-7 <= problem.value <= found.upper + 1e-7


def test_without_room_the_sphere_is_bracketed_by_the_ball():
    U = random_embeddings(4, collapsed=True)[:, :1]  # on a line: rank 1, and d = 1 leaves no room
    U = np.sign(U)
    weights = np.array([0.5, 0.4, 0.1])
    found = optimal_classifier(LOGISTIC, U, THREE, weights, d=1)
    assert not found.convex
    best = min(
        float(loss_of_scores(LOGISTIC, jnp.asarray(U @ np.array([[a, b, c]])), THREE, jnp.asarray(weights)))
        for a in (-1.0, 1.0)
        for b in (-1.0, 1.0)
        for c in (-1.0, 1.0)
    )
    assert found.lower <= best + 1e-12
    assert found.upper == pytest.approx(best, abs=1e-9)


def test_points_and_mean_classifier():
    rng = np.random.default_rng(3)
    U, labels = normalized(rng.normal(size=(6, 3))), np.array([0, 0, 1, 1, 2, 2])
    weights = rng.dirichlet(np.ones(6))
    W = mean_classifier(U, labels, weights, 3)
    direct = [np.average(U[labels == c], axis=0, weights=weights[labels == c]) for c in range(3)]
    np.testing.assert_allclose(W, direct, rtol=1e-13)
    found = optimal_classifier(LOGISTIC, U, labels, weights, d=4)
    mean = float(loss_of_scores(LOGISTIC, jnp.asarray(U @ W.T), labels, jnp.asarray(weights)))
    assert found.lower <= found.upper <= mean
    assert found.upper - found.lower <= 1e-11
    # a class of equal points is one point
    twice = optimal_classifier(LOGISTIC, U[[0, 0, 2, 2, 4, 4]], labels, np.full(6, 1 / 6), d=4)
    once = optimal_classifier(LOGISTIC, U[[0, 2, 4]], THREE, np.full(3, 1 / 3), d=4)
    assert twice.upper == pytest.approx(once.upper, abs=1e-13)


def test_accuracy_counts_ties_as_errors():
    scores = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 1.0, 0.5]])
    assert accuracy(scores, THREE, np.array([0.2, 0.3, 0.5])) == 0.2
    assert accuracy(np.eye(3), THREE, np.full(3, 1 / 3)) == 1.0


def random_prior(rng, C):
    return priors.from_masses([int(m) for m in np.exp(rng.uniform(math.log(10), math.log(10**5), C))], normalize=True)


def check_random_brackets(seed, sizes):
    rng, undecided = np.random.default_rng(seed), 0
    for C in sizes:
        prior, k = random_prior(rng, C), int(np.exp(rng.uniform(0, np.log(10**5))))
        weighting = str(rng.choice(["weighted", "balanced"]))
        weights = class_weights(prior, weighting)
        U = minimum(LOGISTIC, prior.as_array(), k, C).best.embeddings
        problem = Enclosing(Problem(prior, k))
        proof = enclose_loss(problem, weighting, "optimal", Fraction(1, 10**12))
        if isinstance(proof, str):  # undecided, and said to be
            undecided += 1
            continue
        minimizer, found = proof
        assert 0 < found.upper - found.lower <= Fraction(1, 10**9)
        padded = np.hstack([U, np.zeros((C, 1))])
        assert float(found.lower) == pytest.approx(by_cvxpy(padded, weights), abs=2e-8)
        mean = bracket(problem, minimizer, weighting, "mean")
        direct = float(mean_classifier_loss(LOGISTIC, jnp.asarray(gram(U)), jnp.asarray(weights)))
        assert float(mean.lower) == pytest.approx(direct, abs=1e-9)
        assert mean.upper >= found.lower
    assert undecided <= len(sizes) // 50


def test_proven_brackets_hold_cvxpy():
    check_random_brackets(0, [3, 3, 3, 3])


@pytest.mark.slow
def test_proven_brackets_hold_cvxpy_at_length():
    check_random_brackets(1, [2, 3, 4, 5, 6] * 20)


@pytest.mark.parametrize(("weighting", "proven"), [("balanced", 1 / 3), ("weighted", None)])
def test_accuracy_is_proven_or_null_where_classes_coincide(weighting, proven):
    """Two minorities on one point tie: by symmetry if they weigh the same; else at the sphere, which is not shown."""
    found = downstream.run("0.95,0.03,0.02", 4, weighting=weighting)
    assert found.structure == "total-collapse"
    assert found.accuracy == proven
    assert found.accuracy_numerical == pytest.approx(1 / 3 if weighting == "balanced" else 0.95)


@pytest.mark.parametrize("loss", ["logistic", "exponential", "separable"])
def test_margins_of_good_classifiers_are_as_close_as_strong_convexity_says(loss):
    """Classifiers near the best one, by their loss: no margin is further from the best one's than delta."""
    U, rng, beta = random_embeddings(3), np.random.default_rng(0), 1.0
    object_ = get_loss(loss)
    best = optimal_classifier(object_, U, THREE, WEIGHTS, beta=beta, d=4)
    kappa = float(losses.get(loss).curvature(2, arb(-2 * beta).exp(), arb(2 * beta).exp()))
    for size in (1e-3, 1e-2, 0.3):
        W = best.weights + size * rng.normal(size=best.weights.shape)
        W /= np.maximum(1.0, np.linalg.norm(W, axis=1, keepdims=True))
        scores = U @ W.T
        gap = float(loss_of_scores(object_, jnp.asarray(scores), THREE, jnp.asarray(WEIGHTS), beta)) - best.lower
        moved = (np.diag(scores)[:, None] - scores) - (np.diag(best.scores)[:, None] - best.scores)
        assert np.all(np.abs(moved) <= np.sqrt(2 * gap / (WEIGHTS * beta**2 * kappa))[:, None])


def test_command_proves_and_writes_a_certificate(tmp_path, capsys):
    path = tmp_path / "loss.json"
    with pytest.raises(SystemExit) as stop:
        downstream.main(["--rho", "0.5,0.3,0.2", "--k", "16", "--certificate", str(path), "--json"])
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["status"] == "proved"
    assert found["sup"]["lower"] <= found["sup"]["upper"] <= found["mean_classifier"]["upper"]
    assert found["sup"]["gap"] < 1e-15
    assert found["accuracy"] == 1.0
    certificate = json.loads(path.read_text())
    assert checker.check(certificate).verdict == "accepted"
    # the claims that lie beside the truth are refused, whatever the witness
    statement = certificate["statement"]
    lower, upper = Fraction(statement["lower"]), Fraction(statement["upper"])
    for changed in (
        {"lower": lower + Fraction(1, 10**9), "upper": upper + Fraction(2, 10**9)},
        {"lower": lower - Fraction(2, 10**9), "upper": upper - Fraction(1, 10**9)},
    ):
        text = {key: f"{q.numerator}/{q.denominator}" for key, q in changed.items()}
        assert checker.check({**certificate, "statement": statement | text}).verdict == "rejected"
    for change in ({"k": 17}, {"weighting": "balanced"}, {"classifier": "mean"}, {"rho": ["1/2", "1/5", "3/10"]}):
        assert checker.check({**certificate, "statement": statement | change}).verdict != "accepted"
    assert checker.check({**certificate, "statement": statement | {"d": 1}}).verdict == "unreadable"


def test_command_at_embeddings_and_without_proof():
    at = downstream.run("0.5,0.3,0.2", 4, embeddings=random_embeddings(2), d=4)
    assert (at.status.value, at.at) == ("numerical", "embeddings")
    assert at.sup.lower <= at.sup.upper <= at.mean_classifier.upper
    limit = downstream.run("0.5,0.3,0.2", math.inf)
    assert limit.status.value == "numerical"
    assert "not proved" in limit.note
    low = downstream.run("0.4,0.3,0.2,0.1", 4, d=2)
    assert low.status.value == "undecided"
    with pytest.raises(InputError, match="weighting"):
        downstream.run("0.5,0.3,0.2", 4, weighting="fair")


@pytest.mark.parametrize("classifier", ["optimal", "mean"])
@pytest.mark.parametrize("k", [2.5, 40.0])
def test_derivative_in_k_against_differences(classifier, k):
    def sup(at):
        return slope_in_k(LOGISTIC, WEIGHTS, at, WEIGHTS, classifier=classifier).sup

    step = 1e-3 * k
    difference = (8 * (sup(k + step) - sup(k - step)) - (sup(k + 2 * step) - sup(k - 2 * step))) / (12 * step)
    slope = slope_in_k(LOGISTIC, WEIGHTS, k, WEIGHTS, classifier=classifier).slope
    assert slope == pytest.approx(difference, rel=1e-6)
    assert slope < 0


def enclosed(rho, k, *, classifier, radius=Fraction(1, 10**25)):
    prior = priors.parse(rho)
    problem = Enclosing(Problem(prior, k))
    return bracket(problem, problem.minimizer(radius), "weighted", classifier)


def holds(found, value, width):
    assert found.upper - found.lower <= Fraction(width)
    with mpmath.workdps(60):
        lower, upper = (mpmath.mpf(q.numerator) / q.denominator for q in (found.lower, found.upper))
        assert lower <= value <= upper


@pytest.mark.parametrize("classifier", ["optimal", "mean"])
def test_brackets_hold_closed_forms_at_high_precision(classifier):
    with mpmath.workdps(60):
        uniform = mpmath.log(1 + 2 * mpmath.exp(-mpmath.mpf(3) / 2))
        two = mpmath.log(1 + mpmath.exp(-2))
        p, q = mpmath.mpf(19) / 20, mpmath.mpf(1) / 20
        collapsed = p * mpmath.log(1 + 2 * mpmath.exp(-2)) + q * mpmath.log(2 + mpmath.exp(-2))
    holds(enclosed("1/3,1/3,1/3", 7, classifier=classifier), uniform, "1e-26")
    holds(enclosed("0.7,0.3", 7, classifier=classifier), two, "1e-26")
    if classifier == "mean":
        holds(enclosed("0.95,0.03,0.02", 7, classifier=classifier), collapsed, "1e-26")


def test_brackets_hold_a_newton_iteration_in_sixty_digits():
    """One negative, three classes in the plane: the minimizer and the classifier as roots in angles, by mpmath."""
    with mpmath.workdps(60):
        rho = [mpmath.mpf(5) / 10, mpmath.mpf(3) / 10, mpmath.mpf(2) / 10]
        pairs = [(0, 1), (0, 2), (1, 2)]

        def slope(x):  # d/dx log(1 + e^(cos x - 1))
            return -mpmath.sin(x) / (1 + mpmath.exp(1 - mpmath.cos(x)))

        def stationary(a, b):
            u = [mpmath.mpf(0), a, b]
            force = [mpmath.mpf(0)] * 3
            for i, j in pairs:
                f = rho[i] * rho[j] * slope(u[i] - u[j])
                force[i] += f
                force[j] -= f
            return force[1:]

        a, b = mpmath.findroot(stationary, (2.2, -2.0))
        u = [mpmath.mpf(0), a, b]

        def softmax(c, w):
            e = [mpmath.exp(mpmath.cos(u[c] - x)) for x in w]
            return [x / sum(e) for x in e]

        def best(*w):
            p = [softmax(c, w) for c in range(3)]
            return [sum(rho[c] * (p[c][j] - (c == j)) * mpmath.sin(u[c] - w[j]) for c in range(3)) for j in range(3)]

        w = mpmath.findroot(best, tuple(u))
        optimal = -sum(rho[c] * mpmath.log(softmax(c, list(w))[c]) for c in range(3))
        mean = -sum(rho[c] * mpmath.log(softmax(c, u)[c]) for c in range(3))
        assert optimal < mean
    holds(enclosed("0.5,0.3,0.2", 1, classifier="optimal"), optimal, "1e-23")
    holds(enclosed("0.5,0.3,0.2", 1, classifier="mean"), mean, "1e-23")
