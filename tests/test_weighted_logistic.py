"""The weighted logistic loss from end to end: expectations, enclosures, certificates, commands."""

import json
import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.certificates import reference
from tests.statements import tampered
from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.losses import WeightedLogistic, get_loss
from theory.population import GramExpansion, embeddings_loss, enumerated_loss, population_loss
from theory.priors import from_masses
from theory.problem import Problem
from verify import bounds, check, conjecture, downstream, etf, optimum
from verify.certify import losses
from verify.certify.balls import ball
from verify.certify.balls import bounds as ends
from verify.certify.document import ratio
from verify.certify.enclosure import Point, enclose
from verify.certify.gram_radius import gram_radius
from verify.certify.rows import law, row_losses
from verify.checker import check as decide
from verify.checker import intervals, rows
from verify.checker.losses import LOSSES, WEIGHTED, LogSum
from verify.results import Status

DATA = Path(__file__).parent / "data" / "certificates"
RHO = tuple(Fraction(n, 10) for n in (5, 3, 2))
PRIOR = from_masses(RHO)
ROWS = [[40, 3], [-31, 25], [-19, -36]]
WEIGHTS = ["1/3", "5/2", "40"]
GRAM = np.array([[1.0, -0.6, -0.3], [-0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])


def sample(chosen: set[Any], all_of_them: Iterable[Any]) -> list[Any]:
    """Parameters, of which only the chosen are not slow."""
    return [
        pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=() if one in chosen else pytest.mark.slow)
        for one in all_of_them
    ]


def named(q: str) -> str:
    return f"weighted-logistic:{q}"


@settings(max_examples=40)
@given(
    q=st.sampled_from(["1/1000", "1/3", "5/2", "40", "1000"]),
    k=st.sampled_from([1, 2, 5, 9]),
    beta=st.sampled_from([0.3, 1.0, 4.0]),
    seed=st.integers(0, 10**6),
)
def test_expectations_are_the_enumerated_ones(q: str, k: int, beta: float, seed: int) -> None:
    """On both ways: margins that are negative after the shift, and the fast path where none is."""
    rng, loss = np.random.default_rng(seed), get_loss(named(q))
    rho = rng.dirichlet(np.ones(3))
    expected = float(enumerated_loss(loss, GRAM, rho, k, beta))
    assert float(population_loss(loss, GRAM, rho, k, beta)) == pytest.approx(expected, rel=1e-12)
    dense = loss.expected(beta * (1 - GRAM), rho, k)
    assert float(rho @ dense) == pytest.approx(expected, rel=1e-12)


def test_special_weights_and_limits() -> None:
    rho = np.array([0.5, 0.3, 0.2])
    for k in (3, 16):
        plain = population_loss(get_loss("logistic"), GRAM, rho, k)
        assert population_loss(get_loss(named(str(k))), GRAM, rho, k) == pytest.approx(plain, rel=1e-13)
    loss, x = get_loss(named("5/2")), np.exp(GRAM - 1)
    limit = rho @ np.log1p(2.5 * (x @ rho))
    assert population_loss(loss, GRAM, rho, math.inf) == pytest.approx(limit, rel=1e-14)
    assert abs(population_loss(loss, GRAM, rho, 10**8) - limit) < 1e-8
    v = np.array([0.3, -1.0, 2.0])
    assert loss(v) == pytest.approx(np.log1p(2.5 * np.mean(np.exp(-v))), rel=1e-15)
    counted = loss.expansion(np.array([0.3, -1.0]), np.array([3.0, 1.0]))
    assert counted.value == pytest.approx(loss(np.array([0.3, 0.3, 0.3, -1.0])), rel=1e-15)


@pytest.mark.parametrize(("q", "k"), [("1/3", 16), ("40", 5)])
def test_derivatives_are_those_of_jax_and_of_differences(q: str, k: int) -> None:
    loss, rho, h = get_loss(named(q)), np.array([0.5, 0.3, 0.2]), 1e-6
    at = GramExpansion(loss, GRAM, rho, k, 1.5)
    change = np.array([[0.0, 0.3, -0.2], [0.3, 0.0, 0.5], [-0.2, 0.5, 0.0]])
    plus, minus = (GramExpansion(loss, GRAM + t * change, rho, k, 1.5) for t in (h, -h))
    assert np.sum(at.gradient * change) == pytest.approx((plus.value - minus.value) / (2 * h), rel=1e-8)
    np.testing.assert_allclose(at.along(change), (plus.gradient - minus.gradient) / (2 * h), rtol=1e-6, atol=1e-10)
    U = np.linalg.cholesky(GRAM)
    of_U = jax.jit(jax.grad(lambda U: embeddings_loss(loss, U, jnp.asarray(rho), float(k), 1.5)))(jnp.asarray(U))
    np.testing.assert_allclose(of_U, (at.gradient + at.gradient.T) @ U, rtol=1e-10, atol=1e-12)
    # the weight of one negative is q/k, so that k is in the loss itself too
    of_k = jax.jit(jax.grad(lambda k: population_loss(loss, jnp.asarray(GRAM), jnp.asarray(rho), k, 1.5)))(k + 0.5)
    near = [float(population_loss(loss, GRAM, rho, k + 0.5 + t, 1.5)) for t in (1e-4, -1e-4)]
    assert float(of_k) == pytest.approx((near[0] - near[1]) / 2e-4, rel=1e-5)


@pytest.mark.parametrize("q", WEIGHTS)
@pytest.mark.parametrize(("k", "beta"), [(1, Fraction(1)), (4, Fraction(5)), (9, Fraction(1, 3))])
def test_enclosures_contain_the_enumerated_loss_and_gradient(q: str, k: int, beta: Fraction) -> None:
    mp = reference.mp
    unit = [[x / mp.sqrt(sum(y * y for y in row)) for x in row] for row in ROWS]
    exact = [[mp.fdot(v, w) for w in unit] for v in unit]
    value, gradient = reference.population_loss(named(q), RHO, k, beta, exact)
    local = enclose(Problem(PRIOR, k, loss=named(q), temperature=1 / beta), Point(ROWS), 120)

    def holds(number: Any, enclosed: Any) -> bool:
        low, high = (reference.number(end) for end in ends(enclosed))
        return bool(low - mp.mpf(10) ** -60 <= number <= high + mp.mpf(10) ** -60)

    assert holds(value, local.loss) and float(local.loss.rad()) < 1e-32
    for c in range(3):
        for j in range(c):
            assert holds((gradient[c][j] + gradient[j][c]) / 2, local.gradient[c][j])
            assert float(local.gradient[c][j].rad()) < 1e-31


@pytest.mark.parametrize(("q", "k"), sample({("40", 1), ("5/2", 7), ("1/3", 60)}, product(WEIGHTS, [1, 7, 60])))
def test_rows_of_maker_and_checker(q: str, k: int) -> None:
    """Against a binomial sum, at few bits too: there the bounds on the rule, not rounding, make the width."""
    mp, mass, x = reference.mp, Fraction(3, 10), reference.mp.exp(reference.mp.mpf(-17) / 10)
    p, expected, slope = reference.number(mass), mp.mpf(0), mp.mpf(0)
    for m in range(k + 1):
        weight = mp.binomial(k, m) * p**m * (1 - p) ** (k - m)
        one, derivatives = reference.loss_of(named(q), (m, k - m), (mp.mpf(1), x))
        expected, slope = expected + weight * one, slope + weight * derivatives[1]
    slope /= 1 - p
    for bits in (8, 20, 128):
        interval = intervals.context(bits, k)
        values = [interval.mpf(1), intervals.exp(interval, intervals.enclose(interval, Fraction(-17, 10)))]
        loss = LogSum("weighted-logistic", one=1, q=Fraction(q))
        [(value, slopes)] = rows.row_losses(interval, loss, k, values, [{0: mass, 1: 1 - mass}])
        with ctx.workprec(bits + 60):
            [(theirs, their_slopes)] = row_losses(
                named(q), k, [arb(1), ball(Fraction(-17, 10)).exp()], [law([(0, mass), (1, 1 - mass)])], bits
            )
            pairs = [(expected, value, theirs), (slope, slopes[1], their_slopes[1])]
        for exact, checked, made in pairs:
            low, high = (reference.number(end(checked)) for end in (intervals.low, intervals.high))
            slack = mp.mpf(10) ** -55
            assert low - slack <= exact <= high + slack
            assert high - low <= 600 * max(k, Fraction(q)) * mp.mpf(2) ** -bits
            bottom, top = (reference.number(end) for end in ends(made))
            assert bottom - slack <= exact <= top + slack


@pytest.mark.parametrize("q", sample({"5/2"}, ["1/3", "5/2"]))
def test_moments_serve_many_values(q: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the weight of a negative is at most 1 both sides may take moments: the same numbers."""
    k, exponents = 7, [Fraction(n, 40) for n in range(80)]
    laws = [law([(u, Fraction(1, 80)) for u in range(80)])]
    with ctx.workprec(140):
        values = [ball(-x).exp() for x in exponents]
        plain = row_losses(named(q), k, values, laws, 64)[0]
        monkeypatch.setattr("verify.certify.rows._FEW_VALUES", 0)
        moments = row_losses(named(q), k, values, laws, 64)[0]
        assert plain[0].overlaps(moments[0]) and float(moments[0].rad()) < 1e-18
        assert all(plain[1][u].overlaps(moments[1][u]) for u in plain[1])
    interval, loss = intervals.context(64, k), LogSum("weighted-logistic", one=1, q=Fraction(q))
    theirs = [intervals.exp(interval, intervals.enclose(interval, -x)) for x in exponents]
    masses = [dict.fromkeys(range(80), Fraction(1, 80))]
    found = []
    for few in (1, 10**9):
        monkeypatch.setattr(rows, "FEW_ENTRIES", few)
        monkeypatch.setattr(rows, "MOMENTS", 10**9)
        found.append(rows.row_losses(interval, loss, k, theirs, masses)[0])
    for (value, slopes), (other, others) in [tuple(found)]:
        assert intervals.low(value) <= intervals.high(other) and intervals.low(other) <= intervals.high(value)
        for u in (0, 40, 79):
            assert intervals.low(slopes[u]) <= intervals.high(others[u])
            assert intervals.low(others[u]) <= intervals.high(slopes[u])


@settings(max_examples=60)
@given(
    name=st.sampled_from([*(n for n in LOSSES if n != "decoupled"), *map(named, WEIGHTS)]),
    n=st.integers(1, 6),
    beta=st.sampled_from([0.3, 1.0, 3.0]),
    seed=st.integers(0, 10**6),
)
def test_no_hessian_is_below_the_curvature(name: str, n: int, beta: float, seed: int) -> None:
    """At margins of class-level embeddings and of classifiers, corners included; for all losses of the tables."""
    rng, loss, table = np.random.default_rng(seed), get_loss(name), losses.get(name)
    for low, high in ((0.0, 2 * beta), (-2 * beta, 2 * beta)):
        w = float(table.curvature(n, arb(-high).exp(), arb(-low).exp()))
        v = rng.uniform(low, high, size=(30, n))
        v = np.where(rng.uniform(size=v.shape) < 0.5, np.where(v > (low + high) / 2, high, low), v)
        v[0] = low
        eigenvalues = np.linalg.eigvalsh(loss.expansion(v).hessian())
        assert np.all(eigenvalues[:, 0] >= w * (1 - 1e-9) - 1e-15)
    family, _, q = name.partition(":")
    checked = LOSSES[name] if name in LOSSES else LogSum(family, one=1, q=Fraction(q))
    interval = intervals.context(64, n)
    theirs = checked.curvature(interval, n, intervals.exp(interval, intervals.enclose(interval, Fraction(-2 * beta))))
    ours = table.curvature(n, arb(-2 * beta).exp(), arb(1))
    assert float(intervals.low(theirs)) <= float(ours) * (1 + 1e-12)
    assert float(intervals.low(theirs)) == pytest.approx(float(ours), rel=1e-10)


def test_no_curvature_no_radius() -> None:
    assert gram_radius(Problem(PRIOR, 3, loss="decoupled"), Fraction(1, 10**9)) is None
    assert gram_radius(Problem(PRIOR, 3, loss=named("3")), Fraction(1, 10**9)) == gram_radius(
        Problem(PRIOR, 3), Fraction(1, 10**9)
    )


@pytest.mark.parametrize(("q", "k"), sample({("3", 16)}, [("3", 16), ("40", 3)]))
def test_the_minimum_is_proved_and_its_certificate_says_q(q: str, k: int, tmp_path: Path) -> None:
    path = tmp_path / "minimum.json"
    found = optimum.run("0.5,0.3,0.2", k, loss=named(q), certificate=path)
    assert found.status is Status.PROVED and found.gram_radius is not None and found.certificate == str(path)
    certificate = json.loads(path.read_text())
    assert certificate["statement"]["loss"] == "weighted-logistic" and certificate["statement"]["q"] == f"{q}/1"
    assert check.run(certificate).problem.loss == named(q) == found.problem.loss
    for other in (ratio(Fraction(q) + Fraction(1, 10**9)), f"{k}/1"):
        assert tampered(certificate, q=other) == "rejected"
    for bad in (None, 3, "3", "0/1", "-3/1", "1/1001", "1000001/1"):
        assert tampered(certificate, q=bad) == "unreadable"
    assert tampered(certificate, loss="logistic") == "rejected"  # before the field q is met that it does not have
    assert tampered(certificate, loss="logistic", q=None) == "rejected"


def test_the_committed_certificate_is_accepted_and_its_neighbours_are_not() -> None:
    certificate = json.loads((DATA / "optimum-weighted-logistic-planar-k3.json").read_text())
    assert decide(certificate).verdict == "accepted" and certificate["statement"]["q"] == "5/2"
    for q in ("2500000001/1000000000", "2499999999/1000000000"):
        assert tampered(certificate, q=q) == "rejected"


def test_a_weight_is_no_field_of_other_losses() -> None:
    certificate = json.loads((DATA / "optimum-logistic-planar-k3.json").read_text())
    assert decide(certificate).verdict == "accepted"
    certificate["statement"]["q"] = "3/1"
    assert decide(certificate).verdict == "unreadable"
    # of three negatives that weigh three the loss is the logistic one, to the last digit
    certificate["statement"]["loss"] = "weighted-logistic"
    assert decide(certificate).verdict == "accepted"
    certificate["statement"]["q"] = "2/1"
    assert decide(certificate).verdict == "rejected"


def test_downstream_losses() -> None:
    found = downstream.run("0.5,0.3,0.2", 2, loss=named("2.5"))
    assert found.status is Status.PROVED and found.problem.loss == named("5/2")
    best = optimum.run("0.5,0.3,0.2", 2, loss=named("5/2"))
    eigenvalues, vectors = np.linalg.eigh(np.array(best.gram))
    U = vectors * np.sqrt(np.maximum(eigenvalues, 0.0))
    there = downstream.run("0.5,0.3,0.2", 2, loss=named("5/2"), embeddings=U)
    assert found.sup.lower == pytest.approx(there.sup.upper, abs=1e-9)
    assert found.mean_classifier.lower == pytest.approx(there.mean_classifier.upper, abs=1e-9)


def test_the_conjecture_and_the_prior_bounds() -> None:
    series = conjecture.run("0.7,0.2,0.1", (16, math.inf), loss=named("5/2"))
    assert series.status is Status.NUMERICAL and series.series[1].sup < series.series[0].sup
    stated = bounds.run("0.5,0.3,0.2", 16, loss=named("3"))
    assert stated.status is Status.NUMERICAL
    assert {bound.reason for bound in stated.bounds.values()} == {"stated for the logistic loss only"}


CERTIFIED = [
    (downstream.run, "0.6,0.4", 2),
    (downstream.run, "0.5,0.3,0.2", 2),
    (conjecture.run, "0.7,0.2,0.1", (1, 16)),
]


@pytest.mark.parametrize(("run", "rho", "k"), sample({CERTIFIED[0]}, CERTIFIED))
def test_certificates_about_downstream_losses_say_q(run: Any, rho: str, k: Any, tmp_path: Path) -> None:
    path = tmp_path / "loss.json"
    found = run(rho, k, loss=named("5/2"), certificate=path)
    assert found.status is Status.PROVED and found.certificate == str(path)  # as the checker has accepted it
    certificate = json.loads(path.read_text())
    assert certificate["statement"]["q"] == "5/2" and tampered(certificate, q="3/1") == "rejected"


def test_equal_classes_and_groups(tmp_path: Path) -> None:
    path = tmp_path / "etf.json"
    found = etf.run(4, 5, loss=named("3"), starts=2, certificate=path)
    assert found.status is Status.PROVED and found.geometry.unique
    exact = reference.etf_minimum(named("3"), 4, 5, Fraction(1))
    assert found.nce.lower <= float(exact) <= found.nce.upper and found.certificate == str(path)
    grouped = optimum.run("groups:1x0.5,4x0.5", 8, loss=named("3"))
    apart = optimum.run("1/2,1/8,1/8,1/8,1/8", 8, loss=named("3"))
    assert grouped.status is apart.status is Status.PROVED
    assert max(grouped.nce.lower, apart.nce.lower) <= min(grouped.nce.upper, apart.nce.upper)
    many = downstream.run("groups:1x0.5,9999x0.5", 64, loss=named("3"))
    assert many.status is Status.PROVED


@pytest.mark.parametrize("q", ["x", "", "0", "-1", "1/1001", "1000001", "1/0", "nan", "3:4"])
def test_what_is_no_weight_is_refused_in_a_line(q: str) -> None:
    with pytest.raises(InputError, match="loss"):
        optimum.run("0.5,0.3,0.2", 4, loss=named(q))


def test_names_are_exact() -> None:
    assert get_loss(named("2.5")) == get_loss(named("5/2")) == WeightedLogistic(Fraction(5, 2))
    assert get_loss(named("0.1")).q == Fraction(1, 10)
    assert losses.get(named("2.5")).stated() == {"loss": "weighted-logistic", "q": "5/2"}
    assert set(WEIGHTED) == set(losses.FAMILIES)
    with pytest.raises(InputError, match="proven are"):
        losses.get("weighted")
    with pytest.raises(InputError, match="proven are"):
        row_losses("hinge", 3, [arb(1)], [law([(0, Fraction(1))])], 40)
