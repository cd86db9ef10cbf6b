"""The loss on augmentation graphs, the thresholds of Lemma 1 for augmentations, and the block theorem."""

import math
from fractions import Fraction
from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphs import grams, graphs, overlaps, weights_of
from theory import priors
from theory.augmentation import expectation
from theory.augmentation.block import Block, downstream_loss, effect, with_overlap
from theory.augmentation.expectation import LOSSES, expected
from theory.augmentation.families import block, mixed_across
from theory.augmentation.graph import from_entries
from theory.augmentation.loss import (
    GraphLoss,
    anchors,
    enumerated_pair_loss,
    pair_loss,
    sampled_pair_loss,
)
from theory.augmentation.thresholds import (
    collapse_thresholds,
    crossing_bounds,
    negative_slopes,
    uniform_threshold,
)
from theory.errors import InputError
from theory.float64 import jax
from theory.geometry import gram, simplex_etf
from theory.losses import Custom, get_loss
from theory.population import population_loss

LOGISTIC = get_loss("logistic")
POPULATION = jax.jit(population_loss, static_argnums=0)
betas = st.sampled_from([0.2, 1.0, 5.0])


def values_and_slopes(name, v):
    """`l(v)` and `-dl/dv` over the last axis, in closed form."""
    e = np.exp(-v)
    total = e.sum(axis=-1, keepdims=True)
    if name == "logistic":
        return np.log1p(total[..., 0]), e / (1 + total)
    if name == "decoupled":
        return np.log(total[..., 0]), e / total
    if name == "exponential":
        return total[..., 0], e
    return np.log1p(e).sum(axis=-1), e / (1 + e)


def by_enumeration(name, W, G, k, beta):
    """Loss and gradient, pair by pair and negative by negative."""
    n, pi = len(W), W.sum(axis=1)
    value, gradient = 0.0, np.zeros((n, n))
    draws = np.array(list(product(range(n), repeat=k)))
    mass = pi[draws].prod(axis=1)
    for i, p in zip(*np.nonzero(W), strict=True):
        losses, slopes = values_and_slopes(name, beta * (G[i, p] - G[i, draws]))
        value += W[i, p] * (mass @ losses)
        weighted = W[i, p] * beta * mass[:, None] * slopes
        gradient[i, p] -= weighted.sum()
        np.add.at(gradient[i], draws.ravel(), weighted.ravel())
    return value, gradient


@settings(max_examples=25)
@given(graphs(crossing=True), grams(5), st.sampled_from(LOSSES), st.sampled_from([1, 2, 5]), betas)
def test_loss_is_the_sum_over_all_negatives(graph, G, name, k, beta):
    local = GraphLoss(name, graph.arrays, G, k, beta)
    total, slopes = by_enumeration(name, weights_of(graph), G, k, beta)
    off = ~np.eye(5, dtype=bool)
    assert local.value == pytest.approx(total, rel=1e-13, abs=1e-13)
    assert local.gradient[off] == pytest.approx(slopes[off], abs=1e-12 * max(1.0, np.abs(slopes).max()))


def test_every_loss_has_its_expectation():
    masses = {(0, 0): 1, (0, 1): 2, (1, 1): 3, (2, 2): 1}
    graph = from_entries({pair: Fraction(mass) for pair, mass in masses.items()}, [0, 0, 1])
    G = gram(np.array([[1.0, 0], [0.6, 0.8], [-0.8, 0.6]]))
    own = Custom(lambda v: (1 + (-v).max(axis=-1)) ** 2)
    for loss in (get_loss("hinge"), own, LOGISTIC):
        value, expected = (float(jax.jit(lambda G, f=f, loss=loss: f(loss, graph, G, 3))(G)) for f in (
            pair_loss, enumerated_pair_loss))  # fmt: skip
        assert value == pytest.approx(expected, rel=1e-13)
    low, high = sampled_pair_loss(own, graph, G, 3, samples=4000, seed=1).interval()
    assert low <= float(jax.jit(lambda G: pair_loss(own, graph, G, 3))(G)) <= high
    assert GraphLoss("logistic", graph.arrays, G, 3).value == pytest.approx(value, rel=1e-14)


@settings(max_examples=10)
@given(graphs(crossing=True), grams(5), grams(5), st.sampled_from(LOSSES), st.sampled_from([1, 7, 10**6, math.inf]))
def test_hessian_and_its_products_are_differences_of_gradients(graph, G, H, name, k):
    H = H - np.eye(5)
    step, law = 1e-4, graph.arrays
    applied = GraphLoss(name, law, G, k).along(H)
    moved = [GraphLoss(name, law, np.clip(G, -0.9, 0.9) + s * step * H, k).gradient for s in (1, -1)]
    inside = GraphLoss(name, law, np.clip(G, -0.9, 0.9), k).along(H)
    assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(inside, abs=1e-7 * max(1.0, np.abs(inside).max()))
    full = anchors(name, law, G, k).hessian()[:, :-1, :-1]
    off = ~np.eye(5, dtype=bool)
    summed = law.marginal[:, None] * np.einsum("gij,gj->gi", full, H)
    assert applied[off] == pytest.approx(summed[off], rel=1e-10, abs=1e-13)


@settings(max_examples=12)
@given(grams(5), st.sampled_from(LOSSES), st.sampled_from([1, 1000]), betas)
def test_the_class_level_problem_is_a_diagonal_graph(G, name, k, beta):
    rho = np.array([1, 2, 3, 4, 6]) / 16
    law = from_entries({(c, c): Fraction(int(16 * r)) for c, r in enumerate(rho)}, range(5)).arrays
    local = GraphLoss(name, law, G, k, beta)
    at_class_level = float(POPULATION(get_loss(name), G, rho, k, beta))
    assert local.value == pytest.approx(at_class_level, rel=1e-14 if name == "logistic" else 3e-14, abs=2e-15)
    assert np.all(local.gradient[~np.eye(5, dtype=bool)] > 0)


def test_fifty_digits_at_a_million_negatives():
    k, beta = 10**6, 2
    graph = block(priors.uniform(3), 4, Fraction(1, 3))
    g, b = Fraction(1, 5), Fraction(-2, 15)
    cosines = np.where(np.eye(3, dtype=bool), float(g), float(b))
    value = GraphLoss("logistic", graph.arrays, cosines, k, beta).value
    with mpmath.workdps(50):
        X = [mpmath.exp(beta * (mpmath.mpf(x.numerator) / x.denominator - 1)) for x in (g, b, Fraction(1))]
        p = [mpmath.mpf(1) / 4, mpmath.mpf(2) / 3, mpmath.mpf(1) / 12]
        q = [mpmath.mpf(1) / 4, mpmath.mpf(0), mpmath.mpf(3) / 4]

        def mean(law, t):
            return sum(m * mpmath.exp(-t * x) for m, x in zip(law, X, strict=True))

        def integrand(s):
            t = mpmath.exp(s)
            return mpmath.exp(-t) - mean(q, t) * mean(p, t) ** k

        expected = mpmath.quad(integrand, mpmath.linspace(-140, 6, 40)) - q[0] * mpmath.log(X[0])
    assert value == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize(
    ("beta", "k"), [(0.2, 1), (1.0, 1), (1.0, 2), (1.0, 256), (2.0, 16), (2.0, 4096), (5.0, 10**6)]
)
@pytest.mark.parametrize("loss", ["logistic", "decoupled"])
def test_moments_of_many_points_are_worth_every_exponential(monkeypatch, loss, beta, k):
    rng, n = np.random.default_rng(3), 30
    z = beta * (rng.uniform(-1, 1, (n, n)) - 1)
    z[:, -1] = 0
    m, q = rng.dirichlet(np.ones(n), n), rng.dirichlet(np.full(n, 0.05), n)
    direction = rng.normal(size=(n, n))
    each = expected(loss, k, z, m, q)
    monkeypatch.setattr(expectation, "_MANY", 0)
    served = expectation._rule(loss == "logistic", k, z, q)[1]
    # the decoupled loss has nothing that damps one negative
    assert (served is None) == (loss == "decoupled" and k == 1)
    served_by_moments = expected(loss, k, z, m, q)
    for of in (
        lambda rows: rows.value,
        lambda rows: rows.slopes,
        lambda rows: rows.along(direction),
        lambda rows: rows.hessian(),
    ):
        one, other = of(each), of(served_by_moments)
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-13 * np.max(np.abs(one)))


def test_unknown_losses_are_refused():
    with pytest.raises(InputError, match="accepted"):
        expected("hinge", 1, np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    with pytest.raises(InputError, match="differentiable"):
        collapse_thresholds(get_loss("hinge"), np.eye(2), np.full(2, 0.5), 1)


@given(st.integers(2, 40), st.sampled_from([1, 2, 16, 4096]), betas)
def test_uniform_thresholds_are_binomial_sums(C, k, beta):
    e = math.exp(-beta * C / (C - 1))
    m = np.arange(min(k, 400) + 1)
    log_binomial = [math.lgamma(k + 1) - math.lgamma(i + 1) - math.lgamma(k - i + 1) for i in m.tolist()]
    mass = np.exp(log_binomial + m * math.log(1 / C) + (k - m) * math.log1p(-1 / C))
    if mass.sum() < 1 - 1e-12:  # C small and k large: the sum would need more terms
        return
    S = m + (k - m) * e
    a, b = mass @ (m / (1 + S)), mass @ ((k - m) * e / (1 + S))
    assert uniform_threshold(LOGISTIC, C, k, beta) == pytest.approx((a - b / (C - 1)) / (a + b), rel=1e-11)
    decoupled = mass @ ((m - (k - m) * e / (C - 1)) / S)
    assert uniform_threshold(get_loss("decoupled"), C, k, beta) == pytest.approx(decoupled, rel=1e-10, abs=1e-13)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("k", [1, 7, 10**6, math.inf])
def test_closed_forms_are_the_general_thresholds_at_the_simplex(name, k):
    C = 10
    found = collapse_thresholds(get_loss(name), gram(simplex_etf(C)), np.full(C, 1 / C), k, 2.0)
    assert found == pytest.approx(uniform_threshold(get_loss(name), C, k, 2.0), rel=1e-12, abs=1e-15)


def test_uniform_thresholds_of_record_and_their_growth():
    # math of record: C = 10 at T = 1, 1/5 and 1/10
    assert [round(uniform_threshold(LOGISTIC, 10, k), 4) for k in (1, 16, math.inf)] == [0.0925, 0.1508, 0.1693]
    assert uniform_threshold(LOGISTIC, 10, 1, 10.0) > 0.9997
    assert uniform_threshold(get_loss("separable"), 10, 5) == pytest.approx(
        uniform_threshold(LOGISTIC, 10, 1), rel=1e-13
    )
    assert abs(uniform_threshold(get_loss("decoupled"), 10, 1)) < 1e-15
    for beta in (0.2, 1.0, 5.0):
        values = [uniform_threshold(LOGISTIC, 5, k, beta) for k in (1, 2, 3, 4, 10, 100, 10**4, 10**6, math.inf)]
        assert np.all(np.diff(values) > 0)


def test_a_loss_of_ones_own_has_the_threshold_of_its_expectation():
    def logistic(v):
        return jax.numpy.logaddexp(0.0, jax.nn.logsumexp(-v, axis=-1))

    rho, G = np.array([0.5, 0.3, 0.2]), gram(np.array([[1.0, 0], [-0.6, 0.8], [-0.6, -0.8]]))
    own = collapse_thresholds(Custom(logistic), G, rho, 3)
    assert own == pytest.approx(collapse_thresholds(LOGISTIC, G, rho, 3), rel=1e-12)


@given(st.sampled_from([1, 5, 300]), betas)
def test_crossing_condition_without_crossings_is_the_threshold(k, beta):
    rho, G = np.array([0.5, 0.3, 0.2]), gram(np.array([[1.0, 0], [-0.6, 0.8], [-0.6, -0.8]]))
    rows = anchors(
        "logistic", from_entries({(c, c): Fraction(n) for c, n in enumerate((5, 3, 2))}, range(3)).arrays, G, k, beta
    )
    gradient = beta * rho[:, None] * rows.slopes[:, :-1]
    # a class's own cosine: the negative's part, and the positive's, which was taken to be the point itself
    D = negative_slopes(LOGISTIC, G, rho, k, beta)
    gradient[np.diag_indices(3)] = beta * (np.diag(D) - D.sum(axis=1))
    bound = crossing_bounds(gradient, D.sum(axis=1) / rho, G, rho, beta)
    assert bound == pytest.approx(1 - collapse_thresholds(LOGISTIC, G, rho, k, beta), rel=1e-10)


@settings(max_examples=15)
@given(st.integers(2, 6), st.integers(2, 9), overlaps, st.sampled_from([1, 3, 64]), betas)
def test_block_slope_is_the_integral_of_the_proof(C, m, overlap, k, beta):
    a = float(overlap)
    family, n, g = with_overlap(C, m, a), C * m, 0.3
    b, away = family.between(g), a * (m - 1) / m
    p_0, p_g, p_b = 1 / n, (m - 1) / n, (C - 1) / C
    X_g, X_b = math.exp(beta * (g - 1)), math.exp(beta * (b - 1))

    def integrand(t):
        phi = p_0 * mpmath.exp(-t) + p_g * mpmath.exp(-t * X_g) + p_b * mpmath.exp(-t * X_b)
        h = (p_g * X_g * (1 - away) - away * p_0) * mpmath.exp(-t * (1 + X_g))
        h -= p_g * X_b * (1 - away) * mpmath.exp(-t * (1 + X_b)) + away * X_b * (p_g + p_b) * mpmath.exp(
            -t * (X_g + X_b)
        )
        return phi ** (k - 1) * h

    expected = beta * k * mpmath.quad(integrand, [0, 1 / k, 4 / k, 1, 4, 20, 100, mpmath.inf])
    assert family.slope_on_line("logistic", g, k, beta) == pytest.approx(float(expected), rel=1e-8, abs=1e-12)


@settings(max_examples=10)
@given(st.integers(2, 10), st.sampled_from([2, 5, 1000]), overlaps, betas)
def test_more_negatives_necessarily_hurt(C, m, overlap, beta):
    family = with_overlap(C, m, float(overlap))
    cosines = [family.cosine("logistic", k, beta) for k in (1, 2, 16, 4096)]
    for first, second in pairwise(cosines):
        assert second < first or first == second == 1.0 or first - second > -1e-13 > first - 1
    losses = [downstream_loss(C, m, g, family.between(g), beta) for g in cosines]
    assert np.all(np.diff(losses) >= -1e-14)
    for k, g in zip((1, 2, 16, 4096), cosines, strict=True):
        threshold = uniform_threshold(LOGISTIC, C, k, beta)
        assert (g == 1.0) == (float(overlap) >= threshold) or abs(float(overlap) - threshold) < 1e-10


def test_the_decoupled_loss_is_outside_of_the_theorem():
    rising = 0
    for C, m, a, beta in [(3, 3, 0.05, 2.0), (4, 6, 0.1, 1.0), (2, 4, 0.02, 4.0), (6, 3, 0.2, 5.0)]:
        cosines = [with_overlap(C, m, a).cosine("decoupled", k, beta) for k in (1, 2, 3, 5, 8, 64)]
        rising += int(np.any(np.diff(cosines) > 1e-9))
    assert rising > 0


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), betas)
def test_the_sign_rule(seed, beta):
    rng = np.random.default_rng(seed)
    C, m = int(rng.integers(2, 7)), int(rng.integers(2, 9))
    q = rng.dirichlet([1, *rng.choice([0.1, 0.5, 1.0], size=2)])
    law = Block(C, m, q[0], q[1])
    found = [law.minimizer(k, beta) for k in (1, 4, 64, 4096)]
    for g, b, place in found:
        assert law.is_feasible(g, b, 1e-12)
        if place == "line":
            signs = tuple(np.sign(law.coefficients(g, b, beta)))
            assert signs == ((1, -1, -1) if effect(law, place) == "hurt" else (1, -1, 1))
    losses = [downstream_loss(C, m, g, b, beta) for g, b, _ in found]
    for (first, second), change in zip(pairwise(found), np.diff(losses), strict=True):
        if first[2] == second[2]:
            expected = {"hurt": 1, "help": -1, "nothing": 0}[effect(law, first[2])]
            assert np.sign(change if abs(change) > 1e-12 else 0) in (expected, 0)
            assert expected == 0 or abs(change) > 0


@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 1.5, 2.0, 7.3, 100.0]))
@settings(max_examples=10)
def test_the_second_derivative_is_a_sum_of_squares_for_real_k(seed, k):
    rng = np.random.default_rng(seed)
    z, delta = -3 * rng.random((1, 5)), rng.normal(size=5)
    m, q = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    t = np.exp(np.linspace(-30, 8, 4000))
    E = np.exp(-t[:, None] * np.exp(z[0]))
    phi, psi = E @ m, E @ q
    kernel = k * np.multiply.outer(phi ** (k - 1), np.outer(q, m))
    kernel += k * (k - 1) / 2 * np.multiply.outer(phi ** (k - 2) * psi, np.outer(m, m))
    squares = np.subtract.outer(delta, delta) ** 2 * np.outer(np.exp(z[0]), np.exp(z[0]))
    expected_form = np.trapezoid(np.einsum("tuv,tu,tv,uv->t", kernel, E, E, squares) * t**2, np.log(t))
    found = expected("logistic", k, z, m[None], q[None]).along(delta[None])[0] @ delta
    assert expected_form > 0 and found == pytest.approx(expected_form, rel=1e-9)


def test_equal_chances_are_neither_help_nor_harm():
    # other points are drawn whatever their class: g = b = -1/(n-1) on the line, at every k
    law = with_overlap(4, 8, 0.0, 0.01)
    ends = [law.minimizer(k, 1.0) for k in (1, 4096)]
    assert [place for _, _, place in ends] == ["line", "line"]
    assert {effect(law, place) for _, _, place in ends} == {"nothing"}
    assert [g for g, _, _ in ends] == pytest.approx([-1 / 31] * 2, abs=1e-12)


def test_both_signs_and_neither_occur():
    hurt, help_, nothing = with_overlap(3, 4, 0.1), Block(3, 3, 0.8, 0.02), with_overlap(4, 8, 0.9, 0.1)
    for law, beta, sign in ((hurt, 1.0, "hurt"), (help_, 1.0, "help"), (nothing, 5.0, "nothing")):
        ends = [law.minimizer(k, beta) for k in (1, 4096)]
        assert {effect(law, place) for _, _, place in ends} == {sign}
        change = np.diff([downstream_loss(law.C, law.m, g, b, beta) for g, b, _ in ends])[0]
        assert np.sign(round(change, 12)) == {"hurt": 1, "help": -1, "nothing": 0}[sign]


@given(overlaps, st.sampled_from([1, 30]), betas)
def test_block_slopes_are_those_of_the_graph(overlap, k, beta):
    C, m, share = 3, 4, Fraction(1, 7)
    law = with_overlap(C, m, float(overlap), float(share))
    graph = mixed_across(block(priors.uniform(C), m, overlap), share)
    g, b = 0.4, -0.2
    gradient = GraphLoss("logistic", graph.arrays, np.where(np.eye(C, dtype=bool), g, b), k, beta).gradient
    slopes = law.slopes("logistic", g, b, k, beta)
    assert np.trace(gradient) == pytest.approx(slopes[0], abs=1e-13)
    assert gradient.sum() - np.trace(gradient) == pytest.approx(slopes[1], abs=1e-13)
    assert weights_of(graph)[0, 0] * 12 == pytest.approx(law.same)
