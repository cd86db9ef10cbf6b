"""The loss of one anchor over random positives and negatives: by exponentials, by moments, and by other means."""

import math
from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.expectation import cosine_moments, positives
from theory.losses import Logistic, Separable

BETAS = [0.05, 0.5, 1.0, 2.0, 10.0, 40.0]
KS = [1, 2, 7, 256, 4096, 10**6, 10**9]


def row(seed, n, kind="random"):
    """Cosines of an anchor to n points, itself the first, and two laws on them."""
    rng = np.random.default_rng(seed)
    g = {
        "random": rng.uniform(-1, 1, n),
        "collapsed": np.ones(n),
        "antipodal": np.full(n, -1.0),
        "either": rng.choice([-1.0, 1.0], n),
        "near": 1 - 1e-9 * rng.random(n),
    }[kind]
    g[0] = 1.0
    return g[None], *rng.dirichlet(np.full(n, 0.5), size=2)


def by_exponentials(g, of_positives, of_negatives, k, beta):
    return positives.log1p_ratio(g, of_positives[None], of_negatives, k, beta, positives.nodes(k, beta))[0]


def by_moments(g, of_positives, of_negatives, k, beta):
    side = cosine_moments.side(k, beta)
    at = positives.rule(k, beta, positives.nodes(k, beta))
    both = (cosine_moments.moments(g, w, side) for w in (of_negatives, of_positives))
    return cosine_moments.log1p_ratio_of_moments(at, *both, k, beta).value[0]


def by_enumeration(g, of_positives, of_negatives, k, beta):
    total = 0.0
    for p, *drawn in product(range(g.shape[1]), repeat=k + 1):
        mass = of_positives[p] * math.prod(of_negatives[j] for j in drawn)
        total += mass * math.log1p(sum(math.exp(beta * (g[0, j] - g[0, p])) for j in drawn))
    return total


def by_mpmath(g, of_positives, of_negatives, k, beta):
    """The integral in 30 digits, by the trapezoid rule with half the step and twice the reach."""
    mp = mpmath.mp.clone()
    mp.dps = 30
    laws = [[mp.mpf(float(w)) for w in law] for law in (of_positives, of_negatives)]
    laws = [[w / mp.fsum(law) for w in law] for law in laws]
    cosines = [mp.mpf(float(x)) for x in g[0]]
    X = [mp.exp(beta * (x - 1)) for x in cosines]

    def integrand(s):
        t = mp.exp(s)
        psi, phi = (mp.fsum(w * mp.exp(-t * x) for w, x in zip(law, X, strict=True)) for law in laws)
        return mp.exp(-t) - psi * phi**k

    h = mp.mpf("0.14")
    first, last = -45 - math.log(k), 5 + 2 * beta
    whole = h * mp.fsum(integrand(first + h * i) for i in range(int((last - first) / h)))
    return float(whole + beta * (1 - mp.fsum(w * x for w, x in zip(laws[0], cosines, strict=True))))


@pytest.mark.parametrize("kind", ["random", "collapsed", "antipodal", "either", "near"])
def test_the_integral_is_the_sum_over_all_draws(kind):
    for k, beta in ((1, 0.5), (2, 3.0), (4, 1.0)):
        case = (*row(1, 4, kind), k, beta)
        value = by_enumeration(*case)
        assert by_exponentials(*case) == pytest.approx(value, abs=1e-13 * max(1, value))
        assert by_moments(*case) == pytest.approx(value, abs=1e-13 * max(1, value))


@pytest.mark.parametrize(("k", "beta"), [(1, 10.0), (4096, 2.0), (10**9, 1.0), (64, 40.0)])
def test_the_integral_in_thirty_digits(k, beta):
    case = (*row(2, 5), k, beta)
    value = by_mpmath(*case)
    assert by_exponentials(*case) == pytest.approx(value, rel=2e-14)
    assert by_moments(*case) == pytest.approx(value, rel=2e-13)


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([2, 9]),
    kind=st.sampled_from(["random", "collapsed", "antipodal", "either", "near"]),
    k=st.sampled_from(KS),
    beta=st.sampled_from(BETAS),
)
def test_moments_agree_with_exponentials(seed, n, kind, k, beta):
    case = (*row(seed, n, kind), k, beta)
    value = by_exponentials(*case)
    # a row of moments is a sum of terms that cancel: seven digits of sixteen at beta = 40 and one negative
    assert by_moments(*case) == pytest.approx(value, abs=1e-14 * max(1.0, value) * max(10, beta**2))


def test_the_limit_of_many_negatives():
    case = row(3, 6)
    limit = by_moments(*case, math.inf, 2.0)
    assert by_exponentials(*case, math.inf, 2.0) == pytest.approx(limit, rel=1e-14)
    assert by_moments(*case, 10**9, 2.0) - math.log(10**9) == pytest.approx(limit, abs=1e-8)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), side=st.sampled_from([2, 3, 5, 8, 17]), parts=st.booleans())
def test_moments_are_sums_of_chebyshev_polynomials(seed, side, parts):
    g, _, w = row(seed, 7)
    expected = [np.sum(w * np.cos(n * np.arccos(g[0]))) for n in range(side**2)]
    if parts:
        found = cosine_moments.moments(g[:, :3], w[:3], side) + cosine_moments.moments(g[:, 3:], w[3:], side)
    else:
        found = cosine_moments.moments(g, w, side)
    np.testing.assert_allclose(found[0], expected, atol=1e-14 * side**2)


@pytest.mark.parametrize(("k", "beta"), [(1, 0.5), (1, 2.0), (256, 2.0), (4096, 2.0), (1, 10.0), (10**6, 10.0)])
def test_truncation_bounds_the_error_of_the_interpolant(k, beta):
    """At fewer degrees than are needed, so that the error is above rounding: bounded, and not by far too much."""
    side = cosine_moments.side(k, beta) // 2 + 1
    bound = cosine_moments.truncation(side, k, beta)
    points, transform = cosine_moments.chebyshev_points(side**2 - 1)
    at = positives.rule(k, beta, positives.nodes(k, beta))
    t, g = at.t[at.counts][:, None], np.linspace(-1, 1, 301)
    defects = [-np.expm1(-t * np.exp(beta * (x - 1))) for x in (points, g)]
    error = np.abs(np.polynomial.chebyshev.chebval(g, (defects[0] @ transform).T) - defects[1])
    worst = np.max(error / np.minimum(t, 1))
    assert 1e-15 < worst <= bound
    assert cosine_moments.truncation(cosine_moments.side(k, beta), k, beta) <= 2.0**-53


def test_the_sensitivity_bounds_what_a_change_of_the_laws_does():
    g, of_positives, of_negatives = row(4, 6)
    for k, beta in ((1, 2.0), (64, 2.0), (1, 10.0)):
        at = positives.rule(k, beta, positives.nodes(k, beta))
        side = cosine_moments.side(k, beta)
        both = [cosine_moments.moments(g, w, side) for w in (of_negatives, of_positives)]
        rows = cosine_moments.log1p_ratio_of_moments(at, *both, k, beta)
        X = np.exp(beta * (g - 1))
        E = -np.expm1(-at.t[:, None] * X)
        off = 1e-7 * np.minimum(at.t, 1)

        def value(sign, at=at, E=E, X=X, off=off, k=k, beta=beta):
            laws = [
                positives.Law((E @ w + sign * off)[None], (X @ w) * (1 + 0.0), g @ w)
                for w in (of_negatives, of_positives)
            ]
            return positives.integral(at, *laws, k, beta).value[0]

        change = abs(value(1) - value(-1)) / 2e-7
        assert change <= rows.sensitivity[0] * (1 + 1e-4)
        assert change >= 0.5 * rows.sensitivity[0]


def test_positives_one_by_one():
    """The way of losses without an integral of their own: all rows at once, or a few at a time."""
    rng = np.random.default_rng(5)
    for n in (5, 120):
        g, laws, w = rng.uniform(-1, 1, (n, n)), rng.dirichlet(np.ones(n), size=n), rng.dirichlet(np.ones(n))
        found = np.asarray(Separable().expected_over_positives(g, laws, w, 3.0, 2.0))
        one_by_one = [3 * law @ np.logaddexp(0, 2 * (x - x[:, None])) @ w for x, law in zip(g, laws, strict=True)]
        np.testing.assert_allclose(found, one_by_one, rtol=1e-13)
    g, laws, w = rng.uniform(-1, 1, (2, 5)), rng.dirichlet(np.ones(5), size=2), rng.dirichlet(np.ones(5))
    alone = super(Logistic, Logistic()).expected_over_positives(g, laws, w, 3.0, 2.0)
    np.testing.assert_allclose(Logistic().expected_over_positives(g, laws, w, 3.0, 2.0), alone, rtol=1e-13)
