"""Negatives without replacement: the other items of a batch, drawn from a pool of N."""

import json
import math
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tests.statements import tampered
from theory.errors import InputError
from theory.losses import get_loss
from theory.objectives import get_objective
from theory.population import GramExpansion, population_loss
from theory.priors import parse
from theory.problem import Problem
from verify import check, conjecture, downstream, etf, optimum
from verify.certify import prove_etf
from verify.certify.balls import bounds as ends
from verify.certify.enclosure import Point, enclose
from verify.checker import check as decide
from verify.checker import dual, intervals
from verify.results import Status

ROWS = [[40, 3], [-31, 25], [-19, -36]]
COUNTS = [5, 3, 2]
RHO = np.array(COUNTS) / 10
UNIT = np.array(ROWS) / np.linalg.norm(ROWS, axis=1)[:, None]
GRAM = UNIT @ UNIT.T
LOSSES = ["logistic", "decoupled", "exponential", "separable", "weighted-logistic:5/2"]


def by_subsets(loss: str, gram: np.ndarray, k: int, beta: float) -> float:
    """Ten items, each the anchor in turn, and every k of the nine others."""
    items = [c for c, n in enumerate(COUNTS) for _ in range(n)]
    total = 0.0
    for anchor, c in enumerate(items):
        rest = items[:anchor] + items[anchor + 1 :]
        draws = np.array(list(combinations(rest, k)))
        margins = np.where(draws == c, 0.0, beta * (1 - gram[c, draws]))
        total += float(np.mean(get_loss(loss)(margins))) / len(items)
    return total


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("k", "beta"), [(1, 1.0), (3, 4.0), (9, 0.5)])
def test_the_expectation_is_the_mean_over_subsets(loss: str, k: int, beta: float) -> None:
    found = population_loss(get_loss(loss), GRAM, RHO, k, beta, get_objective("pool:10"))
    assert found == pytest.approx(by_subsets(loss, GRAM, k, beta), rel=1e-13)


def test_a_large_pool_is_the_population() -> None:
    rows = [
        population_loss(get_loss("logistic"), GRAM, RHO, 6, 1.0, get_objective(one)) for one in ("pool:1000000", "nce")
    ]
    assert rows[0] == pytest.approx(rows[1], rel=1e-5) and rows[0] != rows[1]


@pytest.mark.parametrize("loss", LOSSES)
def test_derivatives_are_differences(loss: str) -> None:
    h, pool = 1e-6, get_objective("pool:10")
    at = GramExpansion(get_loss(loss), GRAM, RHO, 4, 1.5, pool)
    change = np.array([[0.0, 0.3, -0.2], [0.3, 0.0, 0.5], [-0.2, 0.5, 0.0]])
    plus, minus = (GramExpansion(get_loss(loss), GRAM + t * change, RHO, 4, 1.5, pool) for t in (h, -h))
    assert np.sum(at.gradient * change) == pytest.approx((plus.value - minus.value) / (2 * h), rel=1e-8)
    np.testing.assert_allclose(at.along(change), (plus.gradient - minus.gradient) / (2 * h), rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_both_enclosures_hold_the_mean_over_subsets(loss: str) -> None:
    exact = by_subsets(loss, GRAM, 4, 1.0)
    problem = Problem(parse("0.5,0.3,0.2"), 4, loss=loss, objective="pool:10")
    local = enclose(problem, Point(ROWS), 100)
    assert float(local.loss.mid()) == pytest.approx(exact, rel=1e-13) and float(local.loss.rad()) < 1e-25
    at = GramExpansion(get_loss(loss), GRAM, RHO, 4, 1.0, problem.objective)
    middles = [[float(x.mid()) for x in row] for row in local.gradient]
    np.testing.assert_allclose(middles, (at.gradient + at.gradient.T) / 2, rtol=1e-11)
    family, _, q = loss.partition(":")
    stated = {"loss": family, "k": 4, "temperature": "1/1", "d": 3, **problem.objective.stated()} | (
        {"q": q} if q else {}
    )
    fields = dual.Fields("statement", stated | {"rho": ["1/2", "3/10", "1/5"]})
    checked, _ = dual.read_problem(fields)
    fields.done()
    means = dual.Means(ROWS, [sum(x * x for x in row) for row in ROWS], [False] * 3)
    found = dual.enclose_optimum(checked, means, Fraction(1000), 100)
    low, high = intervals.low(found.loss), intervals.high(found.loss)
    assert low <= ends(local.loss)[1] and ends(local.loss)[0] <= high and high - low < Fraction(1, 10**25)


@pytest.mark.parametrize(("rho", "C", "N"), [("0.5,0.3,0.2", None, 20), ("uniform", 10, 40)])
def test_the_minimum_is_proved_and_its_certificate_cannot_be_bent(
    rho: str, C: int | None, N: int, tmp_path: Path
) -> None:
    path = tmp_path / "pool.json"
    found = optimum.run(rho, 8, C=C, objective=f"pool:{N}", certificate=path)
    assert found.status is Status.PROVED and found.nce.gap < 1e-19 and found.certificate == str(path)
    with_replacement = optimum.run(rho, 8, C=C)
    assert found.nce.upper < with_replacement.nce.lower
    certificate = json.loads(path.read_text())
    assert check.run(certificate).problem.objective == f"pool:{N}" == found.problem.objective
    assert decide(certificate).verdict == "accepted"
    assert tampered(certificate, pool=2 * N) == tampered(certificate, k=9) == "rejected"
    for pool in (N + 1, 8, 0, None, "20"):
        assert tampered(certificate, pool=pool) == "unreadable"
    assert tampered(certificate, objective="nce", pool=None) == "rejected"
    assert tampered(certificate, objective="nce") != "accepted"


def test_each_class_once_is_a_sum_and_has_the_simplex() -> None:
    """`log(1 + sum of e^(z - 1))` over the other classes, k = C - 1: no expectation is left."""
    found = optimum.run("uniform", 9, C=10, objective="pool:10")
    assert found.status is Status.PROVED
    assert found.nce.lower <= math.log1p(9 * math.exp(-10 / 9)) <= found.nce.upper
    off = np.array(found.gram)[~np.eye(10, dtype=bool)]
    assert np.max(np.abs(off + 1 / 9)) <= found.gram_radius + 1e-15 and found.gram_radius < 1e-8


def test_the_downstream_loss_and_its_change_with_k(tmp_path: Path) -> None:
    path = tmp_path / "series.json"
    series = conjecture.run("0.5,0.3,0.2", (1, 3), objective="pool:10", certificate=path)
    assert series.status in (Status.PROVED, Status.REFUTED)
    certificate = json.loads(path.read_text())
    assert decide(certificate).verdict == "accepted" and tampered(certificate, pool=20) == "rejected"
    assert downstream.run("uniform", 4, C=5, objective="pool:10").status is Status.PROVED


def test_what_a_pool_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="accepted: pool:N with rho_c N a whole number for every class"):
        optimum.run("0.5,0.3,0.2", 4, objective="pool:15")
    with pytest.raises(InputError, match="k: got '10'; accepted for pool:10: an integer, at most 9"):
        optimum.run("0.5,0.3,0.2", 10, objective="pool:10")
    with pytest.raises(InputError, match="k: got 'inf'; accepted for pool:10"):
        optimum.run("0.5,0.3,0.2", math.inf, objective="pool:10")
    with pytest.raises(InputError, match="losses other than hinge"):
        optimum.run("0.5,0.3,0.2", 3, loss="hinge", objective="pool:10")
    with pytest.raises(InputError, match="at most 20000 multisets of 4 values"):
        optimum.run("0.5,0.3,0.2", 900, objective="pool:1000")
    for name in ("pool:1", "pool:x", "pool:5/2", "pool"):
        with pytest.raises(InputError, match="objective: got"):
            optimum.run("0.5,0.5", 3, objective=name)
    with pytest.raises(InputError, match="objective: got 'pool:10'; accepted here: nce, no-collisions"):
        etf.run(5, 3, objective="pool:10")


def test_the_table_of_the_page_is_what_the_commands_say() -> None:
    """All digits that are printed: with replacement, without, and no collisions at all."""
    text = (Path(__file__).parents[1] / "docs" / "objectives.md").read_text().split("## `pool:N`", 1)[1]
    rows = [line.strip("|").split("|") for line in text.split("\n## ", 1)[0].splitlines() if line.startswith("|")][2:]
    assert [int(row[0]) for row in rows] == [1, 4, 16, 64, 99]
    for row in rows:
        k = int(row[0])
        proofs = [
            prove_etf(Problem(parse("uniform", 10), k, objective=one)) for one in ("nce", "pool:100", "no-collisions")
        ]
        assert [cell.strip() for cell in row[1:]] == [f"{float(proof.lower):.9f}" for proof in proofs]
