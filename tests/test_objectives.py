"""Objectives: which negatives an anchor meets, against enumeration, through proofs, certificates and commands."""

import json
import math
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import priors, temperatures

from tests.statements import tampered
from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.groups import class_gram, grouped_loss
from theory.losses import LOSSES, get_loss
from theory.objectives import NCE, NO_COLLISIONS, OBJECTIVES, ONE_TOWER, SIGMOIDS, get_objective
from theory.population import GramExpansion, enumerated_loss, population_loss
from theory.priors import from_masses, parse
from theory.problem import Problem
from verify import augmentation, bounds, check, conjecture, downstream, embeddings, etf, optimum
from verify.certify import prove_etf
from verify.certify.balls import bounds as ends
from verify.certify.enclosure import Point, enclose
from verify.checker import check as decide
from verify.checker import dual, intervals
from verify.checker.objectives import ONE_TOWER as ONE
from verify.checker.objectives import TWO_TOWERS as TWO
from verify.lemma.hypotheses import CLASSES, violation
from verify.results import Status

DOCS = Path(__file__).parents[1] / "docs" / "objectives.md"
NAMES = [*LOSSES, "weighted-logistic:5/2"]
GRAM = np.array([[1.0, -0.6, -0.3], [-0.6, 1.0, 0.2], [-0.3, 0.2, 1.0]])
ROWS = [[40, 3], [-31, 25], [-19, -36]]


def by_tuples(name: str, gram: np.ndarray, rho: list[Fraction], k: int, beta: float, *, collisions: bool) -> float:
    """The expectation as its definition has it: one negative after the other, each of its classes."""
    loss, total, classes = get_loss(name), 0.0, range(len(rho))
    for c in classes:
        allowed = [j for j in classes if collisions or j != c]
        mass = sum(float(rho[j]) for j in allowed)
        draws = list(product(allowed, repeat=k))
        margins = [[0.0 if j == c else beta * (1 - gram[c, j]) for j in draw] for draw in draws]
        probabilities = [math.prod(float(rho[j]) / mass for j in draw) for draw in draws]
        total += float(rho[c]) * float(np.dot(probabilities, loss(np.array(margins))))
    return total


@settings(max_examples=40)
@given(
    prior=priors(3, largest=50),
    k=st.integers(1, 4),
    temperature=temperatures,
    name=st.sampled_from(NAMES),
    objective=st.sampled_from(ONE_TOWER),
    seed=st.integers(0, 99),
)
def test_the_expectation_is_that_of_all_tuples_of_negatives(
    prior: Any, k: int, temperature: Fraction, name: str, objective: str, seed: int
) -> None:
    U = np.random.default_rng(seed).normal(size=(3, 2))
    U /= np.linalg.norm(U, axis=1)[:, None]
    gram, beta, chosen = U @ U.T, 1 / float(temperature), OBJECTIVES[objective]
    exact = by_tuples(name, gram, list(prior.rho), k, beta, collisions=chosen.collisions)
    rho = prior.as_array()
    for way in (population_loss, enumerated_loss):
        assert way(get_loss(name), gram, rho, k, beta, chosen) == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["logistic", "decoupled", "separable", "weighted-logistic:5/2"])
def test_derivatives_of_no_collisions_are_differences(name: str) -> None:
    loss, rho, h = get_loss(name), np.array([0.5, 0.3, 0.2]), 1e-6
    at = GramExpansion(loss, GRAM, rho, 16, 1.5, NO_COLLISIONS)
    change = np.array([[0.0, 0.3, -0.2], [0.3, 0.0, 0.5], [-0.2, 0.5, 0.0]])
    plus, minus = (GramExpansion(loss, GRAM + t * change, rho, 16, 1.5, NO_COLLISIONS) for t in (h, -h))
    assert np.sum(at.gradient * change) == pytest.approx((plus.value - minus.value) / (2 * h), rel=1e-8)
    np.testing.assert_allclose(at.along(change), (plus.gradient - minus.gradient) / (2 * h), rtol=1e-6, atol=1e-10)


def test_jax_and_batches_of_priors_have_the_same_law() -> None:
    rho = jnp.asarray([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
    G = jnp.asarray(np.stack([GRAM, GRAM]))
    together = jax.jit(lambda G: population_loss(get_loss("logistic"), G, rho, 7, 1.0, NO_COLLISIONS))(G)
    alone = [population_loss(get_loss("logistic"), GRAM, np.asarray(r), 7, 1.0, NO_COLLISIONS) for r in rho]
    np.testing.assert_allclose(together, alone, rtol=1e-13)


def test_groups_of_equal_classes_are_the_classes() -> None:
    prior = parse("groups:2x0.5,3x0.3,1x0.2")
    cosines = np.array([[-0.4, -0.2, 0.1], [-0.2, -0.3, 0.0], [0.1, 0.0, 1.0]])
    rho, counts = (np.array([float(x) for x in xs]) for xs in (prior.masses, prior.counts))
    plain = population_loss(
        get_loss("logistic"), class_gram(cosines, prior, prior), prior.as_array(), 9, 1.0, NO_COLLISIONS
    )
    grouped = grouped_loss(get_loss("logistic"), cosines, rho, counts, 9, 1.0, NO_COLLISIONS)
    assert grouped == pytest.approx(plain, rel=1e-14)


def test_a_law_is_accurate_where_one_class_has_nearly_all_mass() -> None:
    """`1 - rho_c` is 0 in doubles there."""
    law = NO_COLLISIONS.law(np.array([1.0, 3e-30, 1e-30]))
    np.testing.assert_allclose(law[0], [0.0, 0.75, 0.25], rtol=1e-15)
    np.testing.assert_array_equal(NCE.law(np.array([0.7, 0.3])), [0.7, 0.3])


@pytest.mark.parametrize("name", ["logistic", "decoupled", "exponential", "separable", "weighted-logistic:5/2"])
def test_both_enclosures_hold_the_sum_over_all_tuples(name: str) -> None:
    rho, k = [Fraction(n, 10) for n in (5, 3, 2)], 3
    unit = np.array(ROWS) / np.linalg.norm(ROWS, axis=1)[:, None]
    gram = unit @ unit.T
    exact = by_tuples(name, gram, rho, k, 1.0, collisions=False)
    problem = Problem(from_masses(rho), k, loss=name, objective="no-collisions")
    local = enclose(problem, Point(ROWS), 100)
    low, high = (float(x) for x in ends(local.loss))
    assert low - 1e-14 <= exact <= high + 1e-14 and float(local.loss.rad()) < 1e-25
    h = 1e-5
    for c in range(3):
        for j in range(c):
            moved = [gram.copy(), gram.copy()]
            for G, t in zip(moved, (h, -h), strict=True):
                G[c, j] = G[j, c] = gram[c, j] + t
            plus, minus = (by_tuples(name, G, rho, k, 1.0, collisions=False) for G in moved)
            assert float(local.gradient[c][j]) == pytest.approx((plus - minus) / (4 * h), rel=1e-8)
    statement = {
        "loss": name.partition(":")[0],
        "k": k,
        "temperature": "1/1",
        "d": 3,
        "objective": "no-collisions",
        "rho": ["1/2", "3/10", "1/5"],
    } | ({"q": "5/2"} if ":" in name else {})
    fields = dual.Fields("statement", statement)
    checked, _ = dual.read_problem(fields)
    fields.done()
    found = dual.enclose_optimum(checked, dual.Means(ROWS, [sum(x * x for x in r) for r in ROWS], [False] * 3),
                                 Fraction(10), 100)  # fmt: skip
    assert float(intervals.low(found.loss)) == pytest.approx(exact, abs=1e-14)
    assert intervals.high(found.loss) - intervals.low(found.loss) < Fraction(1, 10**25)


def test_maker_and_checker_know_the_same_objectives_and_laws() -> None:
    checked = ONE | TWO
    assert set(ONE) == set(ONE_TOWER) and set(checked) == {*OBJECTIVES, *SIGMOIDS}
    for name in checked:
        one = get_objective(f"{name}:1/3" if name in SIGMOIDS else name)
        assert one.towers == checked[name].towers and (one.bias is None) == (checked[name].bias is None)
        for mass in (Fraction(1, 7), Fraction(9, 10)):
            assert (one.own(mass), one.factor(mass)) == (checked[name].own(mass), checked[name].factor(mass))
            assert one.own(mass) + one.factor(mass) * (1 - mass) == 1


@pytest.mark.parametrize(("rho", "C"), [("0.5,0.3,0.2", None), ("uniform", 10)])
def test_the_minimum_without_collisions_is_proved_and_its_certificate_says_so(
    rho: str, C: int | None, tmp_path: Path
) -> None:
    path = tmp_path / "minimum.json"
    found = optimum.run(rho, 16, C=C, objective="no-collisions", certificate=path)
    assert found.status is Status.PROVED and found.certificate == str(path) and found.nce.gap < 1e-19
    assert found.problem.objective == "no-collisions" == found.to_dict()["problem"]["objective"]
    with_collisions = optimum.run(rho, 16, C=C)
    assert "objective" not in with_collisions.to_dict()["problem"]
    assert found.nce.upper < with_collisions.nce.lower
    certificate = json.loads(path.read_text())
    checked = check.run(certificate)
    assert checked.verdict == "accepted" and checked.problem.objective == "no-collisions"
    assert tampered(certificate, objective=None) == "rejected"
    assert tampered(certificate, objective="nce") == "rejected"
    assert tampered(certificate, objective="no-collision") == "unreadable"
    assert tampered(certificate, k=17) == "rejected"
    assert tampered(certificate, lower=certificate["statement"]["upper"]) == "rejected"


def test_the_simplex_is_optimal_without_collisions_too(tmp_path: Path) -> None:
    """Every margin is the same there: `log(1 + k e^(-C/(C-1)))`, whose certificate has no witness."""
    path = tmp_path / "etf.json"
    found = etf.run(10, 64, objective="no-collisions", certificate=path, starts=2)
    closed = math.log1p(64 * math.exp(-10 / 9))
    assert found.status is Status.PROVED and found.nce.lower <= closed <= found.nce.upper
    assert found.geometry.max_cosine_error < 1e-7
    certificate = json.loads(path.read_text())
    assert decide(certificate).verdict == "accepted"
    assert tampered(certificate, objective=None) == "rejected"
    for loss in ("hinge", "decoupled", "separable"):
        proof = prove_etf(Problem(parse("uniform", 5), 7, loss=loss, objective="no-collisions"))
        assert decide(proof.certificate()).verdict == "accepted"
        assert float(proof.lower) == pytest.approx(float(get_loss(loss)(np.full(7, 5 / 4))), rel=1e-14)


def test_the_downstream_loss_and_its_change_with_k(tmp_path: Path) -> None:
    path = tmp_path / "series.json"
    series = conjecture.run("0.5,0.3,0.2", (1, 16), objective="no-collisions", certificate=path)
    assert series.status is Status.REFUTED and series.witness.increase_lower > 7e-4
    certificate = json.loads(path.read_text())
    assert certificate["statement"]["objective"] == "no-collisions" and decide(certificate).verdict == "accepted"
    assert tampered(certificate, objective=None) == "rejected"
    for point in certificate["witness"]["points"]:
        point["structure"] = "total-collapse"
    assert decide(certificate).verdict != "accepted"


@pytest.mark.slow
def test_more_distinct_classes_than_the_barrier_takes() -> None:
    rho = ",".join(str(100 + n) for n in range(52))
    found = optimum.run(rho, 8, normalize=True, objective="no-collisions")
    assert found.status is Status.PROVED
    assert found.nce.upper < optimum.run(rho, 8, normalize=True).nce.lower


def test_what_makes_no_sense_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="objective: got 'clipped'; accepted here: nce, no-collisions, pool:N, "):
        optimum.run("0.5,0.5", 3, objective="clipped")
    with pytest.raises(InputError, match="objective: got 'no-collisions'; accepted here: nce"):
        bounds.run("0.5,0.5", 3, objective="no-collisions")
    with pytest.raises(InputError, match="objective: got 'no-collisions'; accepted here: nce"):
        augmentation.run((3,), rho="0.5,0.5", points=2, overlap="0.3", objective="no-collisions")
    with pytest.raises(InputError, match="objective: got 'pool:4'; accepted here: nce"):
        embeddings.run(np.eye(2), [0, 1], 3, objective="pool:4")
    with pytest.raises(InputError, match="accepted with a loss of one's own: nce"):
        optimum.run("0.5,0.5", 3, loss=lambda v: jnp.sum(jnp.exp(-v), axis=-1), objective="no-collisions")
    for command, arguments in (
        (optimum, ["--rho", "0.5,0.5", "--k", "3", "--objective", "x"]),
        (bounds, ["--rho", "0.5,0.5", "--k", "3", "--objective", "no-collisions"]),
        (augmentation, ["--rho", "0.5,0.5", "--k", "3", "--threshold", "--objective", "no-collisions"]),
        (embeddings, ["points.npz", "--k", "3", "--objective", "clip"]),
    ):
        with pytest.raises(SystemExit) as stopped:
            command.main(arguments)
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert "--objective: got" in error and error.count("\n") == 1


# what the libraries call it


def nt_xent(Z: np.ndarray, B: int, beta: float) -> float:
    """The mean of `-log(e^s(positive) / sum over all other rows of e^s)` over 2B rows, row i + B the positive of i."""
    S = np.exp(beta * (Z @ Z.T))
    np.fill_diagonal(S, 0.0)
    positive = S[np.arange(2 * B), (np.arange(2 * B) + B) % (2 * B)]
    return float(np.mean(-np.log(positive / S.sum(axis=1))))


def supcon(Z: np.ndarray, classes: tuple[int, ...], beta: float) -> float:
    """The mean over anchors of the mean over their positives, all rows of their class, of the same logarithm."""
    S, labels = np.exp(beta * (Z @ Z.T)), np.array(classes * 2)
    np.fill_diagonal(S, 0.0)
    logs = -np.log(np.where(S > 0, S, 1.0) / S.sum(axis=1, keepdims=True))
    positives = (labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)
    return float(np.mean(np.sum(logs * positives, axis=1) / positives.sum(axis=1)))


@pytest.mark.parametrize(("B", "beta"), [(2, 1.0), (3, 2.0), (4, 5.0)])
def test_nt_xent_of_a_batch_is_the_weighted_logistic_loss(B: int, beta: float) -> None:
    """B images, iid by class, and two views of each: exactly `weighted-logistic:2(B-1)` at k = B-1; and so is SupCon's
    outer form, whose further positives are where the first one is."""
    rho = [Fraction(n, 10) for n in (5, 3, 2)]
    U = np.array(ROWS) / np.linalg.norm(ROWS, axis=1)[:, None]
    expected = supervised = 0.0
    for classes in product(range(3), repeat=B):
        probability, Z = math.prod(float(rho[c]) for c in classes), np.concatenate([U[list(classes)]] * 2)
        expected += probability * nt_xent(Z, B, beta)
        supervised += probability * supcon(Z, classes, beta)
    loss = get_loss(f"weighted-logistic:{2 * (B - 1)}")
    value = population_loss(loss, U @ U.T, np.array([0.5, 0.3, 0.2]), B - 1, beta)
    assert value == pytest.approx(expected, rel=1e-13) and value == pytest.approx(supervised, rel=1e-13)


def debiased(v: Any, Q: float, tau: float, beta: float) -> Any:
    """Chuang et al. 2020, over e^beta: a share tau is taken off the mean of the negatives, which weigh Q."""
    rest = (jnp.mean(jnp.exp(-v), axis=-1) - tau) / (1 - tau)
    return jnp.log1p(Q * jnp.maximum(rest, math.exp(-2 * beta)))


@pytest.mark.parametrize(("Q", "convex"), [(8.9, True), (9.5, False), (64.0, False)])
def test_the_debiased_loss_is_convex_for_small_weights_only(Q: float, convex: bool) -> None:
    """With tau = 1/10 exactly up to Q tau = 1 - tau, Q = 9."""
    found = violation(get_loss(lambda v: debiased(v, Q, 0.1, 1.0)), 4, 1.0, margins=CLASSES)
    assert (found is None) == convex and (convex or found[0] == "convex")


@pytest.mark.slow
def test_the_debiased_loss_has_a_value_and_no_bound_where_it_is_not_convex() -> None:
    found = optimum.run("0.5,0.3,0.2", 4, loss=lambda v: debiased(v, 64.0, 0.1, 1.0))
    assert found.status is Status.UNDECIDED and found.nce.lower is None
    assert "no lower bound: the loss is not convex" in found.note
    exact = by_tuples_of(lambda v: debiased(v, 64.0, 0.1, 1.0), np.array(found.gram), 4)
    assert found.nce.found == pytest.approx(exact, rel=1e-12)


def by_tuples_of(loss: Any, gram: np.ndarray, k: int) -> float:
    """The expectation of a loss of one's own at 0.5, 0.3, 0.2, by its definition."""
    rho, draws = np.array([0.5, 0.3, 0.2]), list(product(range(3), repeat=k))
    weights = [math.prod(rho[j] for j in draw) for draw in draws]
    margins = [[[0.0 if j == c else 1 - gram[c, j] for j in draw] for draw in draws] for c in range(3)]
    return float(rho @ [np.dot(weights, np.asarray(loss(jnp.asarray(rows)))) for rows in margins])


def tables(heading: str) -> list[list[list[str]]]:
    """The rows of the tables under a heading of the page."""
    blocks = DOCS.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].split("\n\n")
    return [
        [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]
        for block in blocks
        if block.startswith("|")
    ]


def test_the_cost_of_collisions_on_the_page_is_what_the_commands_say() -> None:
    """All digits that are printed: k, the two minima and their difference, for ten equal classes."""
    rows = tables("What collisions cost")[0]
    assert [int(row[0]) for row in rows] == [4**n for n in range(7)]
    for row in rows:
        k = int(row[0])
        minima = [prove_etf(Problem(parse("uniform", 10), k, objective=one)) for one in ("nce", "no-collisions")]
        values = [proof.lower for proof in minima]
        assert row[1:] == [f"{float(x):.9f}" for x in (*values, values[0] - values[1])]


@pytest.mark.slow
@pytest.mark.parametrize("n", range(7))
def test_the_cost_for_unequal_classes_is_what_the_commands_say(n: int) -> None:
    row = tables("What collisions cost")[1][n]
    k = int(row[0])
    found = [
        *(optimum.run("0.5,0.3,0.2", k, objective=one).nce for one in ONE_TOWER),
        *(downstream.run("0.5,0.3,0.2", k, objective=one).sup for one in ONE_TOWER),
    ]
    assert k == 4**n and row[1:] == [f"{one.upper:.9f}" for one in found]
