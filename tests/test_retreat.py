"""A class of vanishing mass: where it stands, and the temperature from which on it retreats."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations_with_replacement, pairwise
from math import comb, factorial

import mpmath
import numpy as np
import pytest
from flint import arb, arb_series, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.rare_class import first_onset, onset, rare_cosine, retreat_rate, slope
from verify.retreat import onset as proof
from verify.retreat.expansion import ORDER, derivatives, tails

BETAS = st.floats(0.2, 4)


def loss(x: float, masses: tuple[mpmath.mpf, ...], k: int, beta: float) -> mpmath.mpf:
    """`L_k` of three classes at cosines -1, x and -x, by summing over multisets of negatives."""
    X = mpmath.matrix([[1, -1, x], [-1, 1, -x], [x, -x, 1]])
    total = mpmath.mpf(0)
    for anchor in range(3):
        for negatives in combinations_with_replacement(range(3), k):
            ways = factorial(k)
            for c in range(3):
                ways //= factorial(negatives.count(c))
            mass = mpmath.fprod(masses[j] for j in negatives)
            terms = (mpmath.exp(beta * (X[anchor, j] - 1)) for j in negatives)
            total += masses[anchor] * ways * mass * mpmath.log(1 + mpmath.fsum(terms))
    return total


@given(st.floats(-0.9, 0.9), st.floats(0.3, 0.7), st.sampled_from([1, 2, 4]), BETAS)
@settings(max_examples=12, deadline=None)
def test_slope_is_the_derivative_of_the_enumerated_loss_in_the_rare_mass(
    x: float, p: float, k: int, beta: float
) -> None:
    with mpmath.workdps(50):
        r, p_exact = mpmath.mpf("1e-20"), mpmath.mpf(p)
        masses = (p_exact * (1 - r), (1 - p_exact) * (1 - r), r)
        numerical = mpmath.diff(lambda y: loss(y, masses, k, beta), x, h=mpmath.mpf("1e-15")) / (r * beta)
    assert slope(x, p, k, beta) == pytest.approx(float(numerical), rel=1e-11, abs=1e-11)


@given(st.floats(0.05, 0.95), st.sampled_from([1, 2, 3, 16, 1000, 10**6]), BETAS)
def test_rare_cosine_is_a_root_and_mirrors(p: float, k: int, beta: float) -> None:
    x = rare_cosine(p, k, beta)
    if abs(x) < 1:
        assert abs(slope(x, p, k, beta)) <= 1e-12 * max(1, k)
    assert rare_cosine(1 - p, k, beta) == pytest.approx(-x, abs=1e-10)


@pytest.mark.parametrize("k", [1, 2, 16, 4096, math.inf])
@pytest.mark.parametrize("beta", [0.5, 1.5, 3.0])
def test_retreat_rate_is_the_derivative_of_the_cosine(k: int | float, beta: float) -> None:
    step = 1e-4
    numerical = (rare_cosine(0.5 - step, k, beta) - rare_cosine(0.5 + step, k, beta)) / (2 * step)
    assert retreat_rate(k, beta) == pytest.approx(numerical, rel=1e-6)


def test_closed_form_of_one_negative_and_limits() -> None:
    w = math.exp(-1.3)
    assert retreat_rate(1, 1.3) == pytest.approx(2 * (1 + w) / 1.3, rel=1e-13)
    assert retreat_rate(10**9, 1.3) == pytest.approx(retreat_rate(math.inf, 1.3), rel=2e-9)
    for k in (1, 7):
        assert rare_cosine(0.97, k, 3.0) < 0 < rare_cosine(0.03, k, 3.0)


def test_published_values_of_the_onset() -> None:
    beta, k = first_onset(0.5)
    assert (round(beta, 6), k) == (1.534840, 110)
    assert onset(0.5, 64, 256) == pytest.approx(1.535266, abs=1e-6)
    assert onset(0.5, 10**5, math.inf) == pytest.approx(1.538118, abs=5e-6)
    assert [round(onset(p, 64, 256), 3) for p in (0.6, 0.8)] == [1.552, 1.730]


def exact_rate(k: int, beta: str) -> mpmath.mpf:
    """`beta c_k` by binomial sums, at the precision of mpmath."""
    w = mpmath.exp(-mpmath.mpf(beta))
    e = w * w

    def mean(n: int, f):
        return mpmath.fsum(comb(n, m) * f(m) for m in range(n + 1)) / mpmath.mpf(2) ** n

    V = 1 / (1 + w * k)
    R, Q = (mean(k - 1, lambda m, i=i: (1 + w + m + (k - 1 - m) * e) ** -i) for i in (1, 2))
    S = mpmath.mpf(0)
    if k > 1:
        D = lambda m: 1 + w + m + (k - 1 - m) * e  # noqa: E731
        S = -(k - 1) * (1 - e) * mean(k - 2, lambda m: 1 / (D(m) * (D(m) + 1 - e)))
    return (2 * V + 2 * R + S) / (V * (1 - w * V) + R - w * Q)


@pytest.mark.parametrize("k", [1, 2, 37, 110])
def test_enclosed_sums_and_floats_agree_with_fifty_digits(k: int) -> None:
    with mpmath.workdps(50), ctx.workprec(200):
        exact = exact_rate(k, "1.534835")
        N, M = proof._summed(k, arb("1.534835"))
        assert abs(mpmath.mpf((N / M).str(50, radius=False)) - exact) < mpmath.mpf("1e-40")
    assert retreat_rate(k, 1.534835) * 1.534835 == pytest.approx(float(exact), rel=1e-13)


@pytest.mark.parametrize(
    "beta", [pytest.param("0.3", marks=pytest.mark.slow), pytest.param("1.2", marks=pytest.mark.slow), "1.534835"]
)
def test_expansions_hold_the_means_and_their_slopes(beta: str) -> None:
    """R, Q and S by mpmath's quadrature, at real k."""
    with mpmath.workdps(20), ctx.workprec(100):
        b = mpmath.mpf(beta)
        w = mpmath.exp(-b)
        e = w * w
        phi = lambda t: (mpmath.exp(-t) + mpmath.exp(-e * t)) / 2  # noqa: E731
        g = lambda t: mpmath.exp(-(1 + w) * t)  # noqa: E731
        psi = lambda t: (mpmath.exp(-e * t) - mpmath.exp(-t)) / phi(t)  # noqa: E731
        coefficients = derivatives(arb(beta), arb(0))
        for which, f in enumerate((g, lambda t: t * g(t), lambda t: g(t) * psi(t))):
            tail = tails(arb(beta), coefficients)[which]

            def scaled(s, f=f):
                return mpmath.quad(lambda t: f(t) * phi(t) ** (1 / s), [0, 0.1, 1, 10]) / s

            for s in (mpmath.mpf(1) / 60,):
                value, change = tail.remainders(arb(s.__str__()))
                G = [mpmath.mpf(c.str(20, radius=False)) for c in coefficients[which][:ORDER]]
                polynomial = mpmath.fsum(c * s**j for j, c in enumerate(G))
                polynomial_slope = mpmath.fsum(j * c * s ** (j - 1) for j, c in enumerate(G) if j)
                assert abs(scaled(s) - polynomial) <= float(value) + 1e-18
                assert abs(mpmath.diff(scaled, s, h=s * mpmath.mpf("1e-6")) - polynomial_slope) <= float(change) + 1e-9


def test_derivatives_in_beta_are_those_of_the_series() -> None:
    with ctx.workprec(200), proof._cap(2):
        h = arb(2) ** -60
        low, high = derivatives(arb(1) - h, arb(0)), derivatives(arb(1) + h, arb(0))
        for series, a, b in zip(derivatives(arb_series([1, 1]), arb(0)), low, high, strict=True):
            for x, before, after in zip(series, a, b, strict=True):
                assert abs(float(x[1] - (after - before) / (2 * h))) < 1e-20 * max(1.0, abs(float(x[1])))


LOWER, UPPER = Fraction("1.534835"), Fraction("1.534845")


def test_critical_slices_are_shown_and_nothing_above_the_onset() -> None:
    """A sample of `enclosed`, whose full run is slow."""
    with ctx.workprec(100):
        assert proof.retreats(UPPER, 110)
        assert not proof.retreats(LOWER, 110)
        for k in (1, 2, 30):
            assert proof._falls_from(k, LOWER - Fraction(1, 100), LOWER)
        assert proof._falls_beyond(LOWER - Fraction(1, 10**6), LOWER)
        assert proof._falls_beyond(Fraction(0), Fraction(1, 20))
        # at 1.54 the limit rises, and at 1.5349 only the k around 110 do
        assert not proof._falls_beyond(Fraction("1.5399999"), Fraction("1.54"))
        assert not proof._falls_beyond(Fraction("1.5348999"), Fraction("1.5349"))


def test_an_onset_that_is_not_one_is_refused() -> None:
    with pytest.raises(proof.NotShown, match=r"c_111 > c_110 at beta"):
        proof.enclosed(Fraction(1), Fraction("1.5348"), 110)


@pytest.mark.slow
def test_the_onset_is_enclosed() -> None:
    found = proof.enclosed(LOWER, UPPER, 110)
    assert found.lower < Fraction("1.5348395") < found.upper
    assert 1 / found.lower - 1 / found.upper < Fraction(1, 10**5)


def test_rates_fall_below_the_onset_in_floats() -> None:
    for beta in np.linspace(0.1, 1.5348, 12):
        rates = [retreat_rate(k, float(beta)) for k in (1, 2, 3, 8, 50, 110, 200, 1000)]
        assert all(a > b for a, b in pairwise(rates))
