"""Total collapse of the minority classes: the closed form against binomial sums, the optimizer, and the proofs."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import priors
from theory.collapse_threshold import collapse_margin, collapse_threshold
from theory.losses import get_loss
from theory.problem import Problem
from verify.optimize.search import minimum
from verify.supervised.minimizer import exact_structure

LOGISTIC = get_loss("logistic")


def binomial_margin(p, k, beta):
    with mpmath.workdps(40):
        p, eps = mpmath.mpf(p), mpmath.exp(-2 * mpmath.mpf(beta))
        q = 1 - p

        def mean(s, f):
            return sum(mpmath.binomial(k - 1, m) * s**m * (1 - s) ** (k - 1 - m) * f(m) for m in range(k))

        def a(m):
            return 1 / (1 + m + eps + (k - 1 - m) * eps)

        b = mean(q, lambda m: 1 / (2 + m + (k - 1 - m) * eps))
        return float(k * (p * eps / 2 * (mean(p, a) + mean(q, a)) - q * b))


@given(st.floats(0.05, 0.999), st.sampled_from([1, 2, 5, 30, 200]), st.sampled_from([0.1, 1.0, 4.0]))
def test_margin_is_the_binomial_sum(p, k, beta):
    assert collapse_margin(p, k, beta) == pytest.approx(binomial_margin(p, k, beta), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("beta", [0.2, 1.0, 5.0, 20.0])
def test_one_negative_in_closed_form(beta):
    missing = 2 / (3 + math.exp(2 * beta))
    assert 1 - collapse_threshold(1, beta) == pytest.approx(missing, rel=1e-9, abs=3e-16)


def test_grows_with_k_to_its_limit():
    values = [collapse_threshold(k) for k in (1, 2, 3, 5, 10, 100, 10**4, 10**6, math.inf)]
    assert np.all(np.diff(values) > 0)
    assert values[-1] == pytest.approx(0.92402006589, abs=1e-10)
    assert collapse_threshold(10**9) == pytest.approx(values[-1], abs=1e-8)


@pytest.mark.parametrize("k", [1, 8, 1000])
@pytest.mark.parametrize("split", [(0.5, 0.5), (0.9, 0.1), (0.98, 0.02)])
def test_optimizer_collapses_above_and_not_below(k, split):
    p = collapse_threshold(k)
    shares = np.array([[m, (1 - m) * split[0], (1 - m) * split[1]] for m in (p - 0.004, p + 0.004)])
    minority = [minimum(LOGISTIC, rho, k, 3).gram[1, 2] for rho in shares]
    assert minority[0] < 1 - 1e-4
    assert minority[1] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("k", [1, 7, 10**5])
def test_proof_of_collapse_agrees_on_both_sides(k):
    p = Fraction(collapse_threshold(k))
    for offset, expected in ((Fraction(1, 10**9), "total-collapse"), (Fraction(-1, 10**9), None)):
        q = 1 - p - offset
        prior = priors.Prior((p + offset, q * Fraction(2, 3), q / 3), (1, 1, 1))
        assert exact_structure(Problem(prior, k)) == expected
