"""Tampered certificates are rejected, or true; nothing crashes the checker (`experiments.certificates.tampering`)."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from experiments.certificates import judges, reference, reference_downstream, tampering
from experiments.certificates.__main__ import main
from experiments.certificates.reference_downstream import TINY, downstream_loss
from verify.checker import Verdict, rows
from verify.checker import __main__ as alone
from verify.checker.verdict import EXIT

DATA = Path(__file__).parent / "data" / "certificates"


def judge(result: dict[str, Any]) -> None:
    for name in ("accepted_but_false", "not_judged", "faults"):
        assert result[name] == []
    assert set(result["by_kind"]) == set(judges.JUDGES)
    assert set(result["verdicts"]) <= set(EXIT)
    for verdict in ("accepted", "rejected", "unreadable"):
        assert result["verdicts"][verdict] > result["mutants"] / 20
    assert result["through_the_commands"] >= result["mutants"] // tampering.THROUGH_COMMANDS
    assert result["peak_memory_mb"] < 4000


def test_a_sample_of_mutants() -> None:
    judge(tampering.run(30, 60, DATA))


def test_a_sample_of_mutants_by_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that the checker takes for many classes, on few."""
    monkeypatch.setattr(rows, "FEW_ENTRIES", 1)
    monkeypatch.setattr(rows, "MOMENTS", 10**9)
    judge(tampering.run(15, 77, DATA))


def test_the_command_writes_what_it_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["tampering", "--count", "5", "--data", str(tmp_path), "--certificates"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, str(DATA), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert (stopped.value.code, result["status"]) == (0, "numerical")
    assert json.loads((tmp_path / "tampering.json").read_text()) == result["counts"]
    assert result["counts"]["mutants"] == 5
    with pytest.raises(SystemExit) as stopped:
        main([*command, str(tmp_path / "none")])
    assert stopped.value.code == 2
    assert "argument --certificates: got" in capsys.readouterr().err


def test_how_long_many_classes_take_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["classes", "--count", "1", "--data", str(tmp_path)])
    assert stopped.value.code == 0
    assert "certificates-classes: numerical" in capsys.readouterr().out
    [found] = json.loads((tmp_path / "classes.json").read_text())["sizes"]
    assert (found["C"], found["status"], found["checker"]) == (16, "proved", "accepted")
    assert 0 < found["relative_width"] < 1e-15
    assert found["certificate_bytes"] > 1000


@pytest.mark.slow
def test_ten_thousand_mutants() -> None:
    judge(tampering.run(10_000, 1, DATA))


# the judges, who must not be those who are judged


def changed(name: str, **fields: Any) -> bool:
    """Whether a committed statement is true with other fields."""
    return judges.is_true({**json.loads((DATA / f"{name}.json").read_text())["statement"], **fields})


def moved(points: list[dict[str, Any]], n: int, **fields: Any) -> list[dict[str, Any]]:
    return [{**point, **fields} if i == n else point for i, point in enumerate(points)]


def test_the_judge_knows_false_from_true() -> None:
    for low, high, d, truth in (("0/1", "3/1", 2, True), ("0/1", "1/2", 2, False), ("0/1", "3/1", 1, False)):
        assert changed("etf-separable-C3-k4", lower=low, upper=high, d=d, k=2) is truth
    for name in ("optimum-logistic-planar-k3", "downstream-logistic-planar-k2", "downstream-logistic-two-k6"):
        assert changed(name, lower="0/1", upper="9/1")
        assert not changed(name, lower="0/1", upper="1/100")
        assert not changed(name, lower="0/1", upper="9/1", d=0)
        assert not changed(name, lower="0/1", upper="9/1", note=1)
        assert not changed(name, lower="0/1", upper="9/1", rho=["1/2", "1/4"])
    assert not changed("downstream-logistic-planar-k2", weighting="balanced")
    assert not changed("downstream-logistic-planar-k2", classifier="mean")


def test_the_judge_knows_weights() -> None:
    name = "optimum-weighted-logistic-planar-k3"
    assert changed(name)
    for q in ("2500000001/1000000000", "3/1", "-5/2"):
        assert not changed(name, q=q)
    assert not changed(name, loss="logistic")
    assert not changed("optimum-logistic-planar-k3", q="1/1")


def test_the_judge_of_series_knows_false_from_true() -> None:
    name = "refuted-logistic-mean-k1-k8"
    points = json.loads((DATA / f"{name}.json").read_text())["statement"]["points"]
    wide = [{**point, "lower": "0/1", "upper": "9/1"} for point in points]
    assert changed(name, points=wide, increase="72/10000")
    assert not changed(name, points=wide, increase="74/10000")
    assert not changed(name, points=wide, increase="-1/10000")
    assert not changed(name, points=wide[::-1], increase="72/10000")
    assert not changed(name, points=moved(wide, 1, upper="1/100"), increase="72/10000")
    assert not changed(name, points=moved(wide, 1, k=2), increase="72/10000")
    name = "holds-separable-planar-k1-k3"
    points = json.loads((DATA / f"{name}.json").read_text())["statement"]["points"]
    wide = [{**point, "lower": "0/1", "upper": "9/1"} for point in points]
    assert changed(name, points=wide)
    assert changed(name, points=moved(wide, 1, k=10**6))
    assert not changed(name, points=wide[::-1])
    assert not changed(name, points=moved(wide, 0, lower="2/1"))
    rising = json.loads((DATA / "refuted-logistic-mean-k1-k8.json").read_text())["statement"]
    del rising["increase"]
    assert not judges.is_true({**rising, "kind": "conjecture-holds"})


def test_the_judge_of_the_averaging_step_knows_false_from_true() -> None:
    assert changed("averaging-k2", excess_lower="22/1")
    for wrong in (
        {"excess_lower": "23/1"},
        {"excess_of": "every point"},
        {"class": 1},
        {"k": 1},
        {"excess_lower": "-1/1"},
    ):
        assert not changed("averaging-k2", **wrong)


def test_the_judge_of_graphs_knows_false_from_true() -> None:
    wide = {"lower": "0/1", "upper": "9/1"}
    for name in ("graph-optimum-separable-k2", "graph-downstream-separable-means-k2"):
        graph = json.loads((DATA / f"{name}.json").read_text())["statement"]["graph"]
        assert changed(name, **wide)
        assert not changed(name, lower="0/1", upper="1/100")
        assert not changed(name, **wide, d=3)
        assert not changed(name, **wide, note=1)
        assert not changed(name, **wide, graph={**graph, "same": ["1/2", *graph["same"][1:]]})
    assert not changed("graph-downstream-separable-means-k2", **wide, task=[["1/4", "0/1"]] * 4)
    name = "graph-fails-separable-vector-k2"
    assert not changed(name, verdict="holds")
    assert not changed(name, graph={**graph, "labels": [0, 1, 1, 1]})  # a pair crosses the classes
    holds = json.loads((DATA / "graph-holds-logistic-k3.json").read_text())["statement"]
    assert judges.is_true(holds)
    assert not judges.is_true({**holds, "verdict": "fails"})
    points = json.loads((DATA / "graph-refuted-logistic-uniform-k1-k4.json").read_text())["statement"]["points"]
    wide_points = [{**point, **wide} for point in points]
    for increase, truth in (("1/1000", True), ("1/10", False), ("-1/1000", False)):
        assert changed("graph-refuted-logistic-uniform-k1-k4", points=wide_points, increase=increase) is truth
    assert not changed("graph-refuted-logistic-uniform-k1-k4", points=wide_points[::-1], increase="1/1000")


def test_the_judge_says_when_it_cannot_tell() -> None:
    for name, fields in (
        ("optimum-logistic-planar-k3", {"k": 10**6}),
        ("downstream-logistic-planar-k2", {"k": 10**6}),
        ("etf-separable-C3-k4", {"k": 10**6}),
        ("averaging-k2", {"k": 8}),
        ("graph-optimum-separable-k2", {"k": 10**3}),
        ("etf-separable-C3-k4", {"kind": "unheard of"}),
    ):
        with pytest.raises(ValueError, match=r"too many|does not judge"):
            changed(name, **fields)


@pytest.mark.parametrize(
    ("loss", "beta"), [("logistic", Fraction(4)), ("exponential", Fraction(1, 3)), ("separable", Fraction(1))]
)
def test_downstream_losses_in_closed_form(loss: str, beta: Fraction) -> None:
    mp, b = reference.mp, reference.number(beta)
    of = {
        "logistic": lambda n, x: mp.log(1 + n * x),
        "exponential": lambda n, x: n * x,
        "separable": lambda n, x: n * mp.log(1 + x),
    }[loss]
    two, three = (Fraction(2, 3), Fraction(1, 3)), (Fraction(1, 3),) * 3
    for classifier in ("optimal", "mean"):
        found = downstream_loss(loss, two, 5, beta, two, classifier, 1)
        assert abs(found - of(1, mp.exp(-2 * b))) < TINY
        found = downstream_loss(loss, three, 5, beta, three, classifier, 2)
        assert abs(found - of(2, mp.exp(-3 * b / 2))) < TINY


def test_no_classifier_does_better_than_the_best() -> None:
    rho, one = (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)), Fraction(1)
    best = downstream_loss("logistic", rho, 3, one, rho, "optimal", 3)
    assert best < downstream_loss("logistic", rho, 3, one, rho, "mean", 3)
    gram = np.array(reference_downstream.minimizer("logistic", rho, 3, one), dtype=float)
    values, vectors = np.linalg.eigh(gram)
    U = vectors[:, 1:] * np.sqrt(values[1:])
    angles = 2 * np.pi * np.arange(90) / 90
    a, b, c = np.meshgrid(angles, angles, angles, indexing="ij")
    scores = [U @ np.stack([np.cos(x).ravel(), np.sin(x).ravel()]) for x in (a, b, c)]
    total = sum(float(r) * np.log(sum(np.exp(s[i] - scores[i][i]) for s in scores)) for i, r in enumerate(rho))
    assert float(best) <= total.min() < float(best) + 5e-3


# what a run would report


def test_a_check_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def spin(text: bytes) -> Verdict:
        while True:
            pass

    monkeypatch.setattr(tampering, "check", spin)
    monkeypatch.setattr(tampering, "LIMIT", 0.05)
    outcome = tampering.try_one((DATA / "averaging-k2.json").read_text(), Random(0))
    assert (outcome.verdict, outcome.kind) == (tampering.OUT_OF_TIME, "averaging-step-refuted")
    assert 0 < outcome.seconds < 2


def test_an_end_that_is_none_of_the_four_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (DATA / "etf-exponential-C5-k3.json").read_bytes()
    assert tampering.ends_badly(good, "accepted", tmp_path) == ""
    assert "verify.checker" in tampering.ends_badly(good, "rejected", tmp_path)
    monkeypatch.setattr(alone, "main", lambda _: 70)
    assert tampering.ends_badly(good, "accepted", tmp_path).startswith("verify.checker: accepted ends in 70")


def test_a_false_statement_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a checker that accepts everything."""
    monkeypatch.setattr(
        tampering, "check", lambda text: Verdict("accepted", "", json.loads(text)["statement"], "a fault")
    )
    monkeypatch.setattr(
        tampering, "mutate", lambda text, _: ("raised", text.replace('"lower": "', '"lower": "9').encode())
    )
    monkeypatch.setattr(tampering, "THROUGH_COMMANDS", 1000)
    result = tampering.run(8, 3, DATA)
    assert len(result["accepted_but_false"]) + result["accepted_and_true"] == 8
    assert len(result["accepted_but_false"]) >= 4
    assert len(result["faults"]) == 8
