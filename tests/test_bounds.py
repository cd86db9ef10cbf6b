"""The prior bounds: their ingredients against exact enumeration, the bounds against what they bound."""

import itertools
import json
import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import bounds, priors
from theory.bounds.collisions import log_no_collision, log_no_collision_worst
from theory.bounds.coverage import log_coverage
from theory.downstream import mean_classifier_loss
from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.geometry import gram, normalized
from theory.losses import get_loss
from theory.population import population_loss
from verify import bounds as command
from verify.supervised.classifier import optimal_classifier

LOGISTIC = get_loss("logistic")
MASSES = st.lists(st.integers(1, 500), min_size=2, max_size=5)
FEW_SIZES = st.sampled_from([3, 5]).flatmap(lambda C: st.lists(st.integers(1, 500), min_size=C, max_size=C))


@jax.jit
def risk_and_mean_loss(G, rho, k, beta):
    return population_loss(LOGISTIC, G, rho, k, beta), mean_classifier_loss(LOGISTIC, G, rho, beta)


def prior_of(masses):
    return priors.from_masses(masses, normalize=True)


def covers(rho, c, k, *, collisions):
    """P(k draws meet every class but c; without collisions: and never c), by inclusion and exclusion, exactly."""
    others = [r for i, r in enumerate(rho) if i != c]
    total = Fraction(0)
    for n in range(len(others) + 1):
        for missed in itertools.combinations(others, n):
            total += (-1) ** n * ((1 if collisions else 1 - rho[c]) - sum(missed, Fraction(0))) ** k
    return total


def log_of(q):
    with mpmath.workdps(40):
        return float(mpmath.log(mpmath.mpf(q.numerator) / q.denominator))


@given(MASSES, st.integers(1, 40), st.booleans())
def test_coverage_is_the_least_over_anchors_and_agrees_with_inclusion_exclusion(masses, k, collisions):
    prior = prior_of(masses)
    exact = min(covers(prior.rho, c, k, collisions=collisions) for c in range(prior.C))
    found = log_coverage(prior, k, collisions=collisions)
    if exact == 0:
        assert found == -math.inf
        assert k < prior.C - 1
    else:
        assert found == pytest.approx(log_of(exact), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("C", "k"), [(12, 11), (12, 12), (12, 60), (40, 300)])
def test_uniform_coverage_is_the_coupon_collector(C, k):
    met = [Fraction(0)] * (C + 1)  # P(that many of the C classes are met), after each of k + 1 draws
    met[0] = Fraction(1)
    for _ in range(k + 1):
        new = [met[n] * Fraction(n, C) + (met[n - 1] * Fraction(C - n + 1, C) if n else 0) for n in range(C + 1)]
        met = new
    assert log_coverage(priors.uniform(C), k, collisions=True) == pytest.approx(log_of(met[C]), rel=1e-12, abs=1e-13)


@given(MASSES, st.sampled_from([1, 2, 7, 50]))
def test_collision_loss_and_probability_against_binomial_sums(masses, k):
    prior = prior_of(masses)
    with mpmath.workdps(30):
        loss, none = mpmath.mpf(0), mpmath.mpf(0)
        for mass in prior.rho:
            p = mpmath.mpf(mass.numerator) / mass.denominator
            terms = [mpmath.binomial(k, m) * p**m * (1 - p) ** (k - m) for m in range(k + 1)]
            loss += p * sum(t * mpmath.log(1 + m) for m, t in enumerate(terms))
            none += p * terms[0]
        worst = mpmath.log(1 - max(prior.as_array())) * k
    assert bounds.collision_loss(prior, k) == pytest.approx(float(loss), rel=1e-12, abs=1e-15)
    assert log_no_collision(prior, k) == pytest.approx(float(mpmath.log(none)), rel=1e-12, abs=1e-12)
    assert log_no_collision_worst(prior, k) == pytest.approx(float(worst), rel=1e-10)


@pytest.mark.parametrize("text", ["uniform", "zipf:1", "longtail:100", "groups:1x0.9,999x0.1"])
@pytest.mark.parametrize("k", [1, 998, 999, 1000, 10**4, 10**6])
def test_stable_at_a_thousand_classes_and_a_million_negatives(text, k):
    prior = priors.parse(text, 1000)
    risk = math.log(1 + k) + 0.1
    assert risk > bounds.collision_loss(prior, k) > 0
    for name, bound in bounds.all_bounds(prior, k, risk).items():
        if bound.value is None:
            assert bound.reason
            assert "bao" not in name
        else:
            assert math.isfinite(bound.value)
            assert bound.log is None or bound.value == pytest.approx(math.exp(bound.log), rel=1e-9)
    infinite = k < 999
    assert (bounds.saunshi2019(prior, k, risk).log is None) == infinite
    assert (bounds.nozawa_sato2021(prior, k, risk).log is None) == infinite
    assert bounds.ash2021(prior, k, risk).log is not None


@given(FEW_SIZES, st.sampled_from([1, 3, 10, 64]), st.integers(0, 10**6), st.sampled_from([0.3, 1.0, 3.0]))
def test_no_bound_is_violated_by_a_random_representation(masses, k, seed, beta):
    prior = prior_of(masses)
    C = prior.C
    G = jnp.asarray(gram(normalized(np.random.default_rng(seed).normal(size=(C, 2)))))
    rho = jnp.asarray(prior.as_array())
    risk, mean = map(float, risk_and_mean_loss(G, rho, float(k), beta))
    found = bounds.all_bounds(prior, k, risk, beta)
    assert risk >= bounds.collision_loss(prior, k)
    for name, bound in found.items():
        if bound.value is not None and name.endswith("_lower"):
            assert mean >= bound.value - 1e-9
        elif bound.value is not None:
            assert mean <= bound.value + 1e-9, name
    if found["nozawa_sato2021"].log is not None:
        assert found["nozawa_sato2021_tight"].log <= found["nozawa_sato2021"].log + 1e-12
    if found["saunshi2019"].log is not None:
        assert found["saunshi2019_exact"].log <= found["saunshi2019"].log + 1e-12
    assert found["ash2021"].log <= found["ash2021_safe"].log + 1e-12


def test_uniform_forms_are_the_published_ones():
    prior, k, risk = priors.uniform(4), 9, 2.0
    coll, tau = bounds.collision_loss(prior, k), 1 - 0.75**9
    v = float(covers(prior.rho, 0, k, collisions=True))
    harmonic = 1 + 1 / 2 + 1 / 3
    assert bounds.saunshi2019(prior, k, risk).value == pytest.approx((risk - coll) / ((1 - tau) * v))
    ash = 2 / (1 - tau) * max(1, 2 * 3 * harmonic / k) * (risk - coll)
    assert bounds.ash2021(prior, k, risk).value == pytest.approx(ash)
    assert bounds.ash2021_safe(prior, k, risk).value == pytest.approx(ash)
    assert bounds.nozawa_sato2021(prior, k, risk).value == pytest.approx((2 * risk - coll) / v)
    upper, lower = bounds.bao2021_upper(prior, k, risk).value, bounds.bao2021_lower(prior, k, risk).value
    assert upper == pytest.approx(risk + math.log(16 * math.cosh(1) ** 2 / 4 / k))
    assert lower == pytest.approx(risk + math.log(4) + math.log(k) - 2 * math.log(1 + k) - 2 * math.log(math.cosh(1)))
    assert upper - lower == pytest.approx(4 * math.log(math.cosh(1)) + 2 * math.log(1 + 1 / k))


def test_bao_is_finite_in_the_limit_and_the_limit_of_finite_k():
    prior, k = priors.parse("0.5,0.3,0.2"), 10**8
    at_k = bounds.bao2021_lower(prior, k, 1.0 + math.log(k)).value
    assert bounds.bao2021_lower(prior, math.inf, 1.0).value == pytest.approx(at_k, abs=1e-6)
    at_k = bounds.bao2021_upper(prior, k, 1.0 + math.log(k)).value
    assert bounds.bao2021_upper(prior, math.inf, 1.0).value == pytest.approx(at_k, abs=1e-6)
    assert bounds.saunshi2019(prior, 10**6, 20.0).value is None
    assert all(b.reason for n, b in bounds.all_bounds(prior, math.inf, 1.0).items() if "bao" not in n)


def test_command_agrees_with_the_functions_and_flags_what_is_violated(monkeypatch):
    prior = priors.parse("0.5,0.3,0.2")
    U = normalized(np.random.default_rng(5).normal(size=(3, 3)))
    result = command.run(prior, 4, embeddings=U, d=4)
    weights = prior.as_array()
    assert result.at == "embeddings"
    risk, mean = map(float, risk_and_mean_loss(jnp.asarray(gram(U)), jnp.asarray(weights), 4.0, 1.0))
    assert result.exact.nce == pytest.approx(risk, rel=1e-12)
    assert result.exact.mean_classifier == pytest.approx(mean, rel=1e-12)
    assert result.exact.sup == pytest.approx(
        optimal_classifier(LOGISTIC, U, np.arange(3), weights, d=4).upper, rel=1e-12
    )
    assert result.exact.sup <= result.exact.mean_classifier
    assert result.violated == ()
    assert result.bounds["nozawa_sato2021"].value == bounds.nozawa_sato2021(prior, 4, result.exact.nce).value
    monkeypatch.setattr(bounds, "all_bounds", lambda *_: {"bao2021_upper": bounds.Bound(0.0)})
    assert command.run(prior, 4, embeddings=U).violated == ("bao2021_upper",)
    with pytest.raises(InputError, match="embeddings"):
        command.run(prior, 4, embeddings=np.eye(4))


def test_command_line(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--rho", "uniform", "--C", "3", "--k", "1", "--json"])
    assert stop.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert {"claim", "status", "problem", "exact", "bounds", "seconds", "versions"} <= set(found)
    assert found["status"] == "numerical"
    assert found["bounds"]["saunshi2019"] == {
        "value": None,
        "reason": "infinite: the event that the bound rests on has probability 0",
        "log": None,
    }
    assert found["bounds"]["bao2021_lower"]["value"] <= found["exact"]["mean_classifier"]
    for bad in (["--rho", "0.5,0.4", "--k", "1"], ["--rho", "0.5,0.5", "--k", "1", "--embeddings", "/nowhere.npy"]):
        with pytest.raises(SystemExit) as stop:
            command.main(bad)
        assert stop.value.code == 2
        printed = capsys.readouterr()
        assert printed.err.count("\n") == 1
        assert printed.out == ""
