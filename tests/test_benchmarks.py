"""The benchmarks: every method finds the same minimum, results are kept and resumed, and what is missing is said."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.benchmarks import __main__ as command
from experiments.benchmarks import measure, run, speedup, table, tasks
from experiments.benchmarks.methods import method, multisets
from theory import priors
from theory.errors import InputError
from theory.geometry import from_gram

RESULTS = Path(run.__file__).parent / "results"


def task(kind: str, name: str, k: int = 2, C: int = 3) -> dict[str, Any]:
    made = tasks.Task("against", kind, name, "0.5,0.3,0.2" if C == 3 else "zipf:1", C, k, C, runs=1)
    return {**made.as_json(), "runs": made.runs}


def test_multisets_and_their_probabilities() -> None:
    drawn = multisets.counts(3, 4)
    expected = {tuple(draw.count(j) for j in range(3)) for draw in combinations_with_replacement(range(3), 4)}
    assert {tuple(row) for row in drawn.tolist()} == expected
    assert len(drawn) == comb(6, 4)
    assert multisets.probabilities(drawn, np.array([0.5, 0.3, 0.2])).sum() == pytest.approx(1.0, abs=1e-14)


def test_answers_are_made_feasible() -> None:
    G = np.array([[1.1, -0.9, 0.2], [-0.9, 0.9, 0.3], [0.2, 0.3, 1.0]])
    U = from_gram(G, len(G))
    np.testing.assert_allclose(np.sum(U**2, axis=1), 1.0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["ours", "cvxpy-clarabel", "pymanopt", "enumeration"])
def test_methods_find_the_same_minimum(name: str) -> None:
    record = measure.measure(task("solve", name))
    assert record["status"] == "done", record["note"]
    assert 0 <= record["gap"] < 1e-7
    assert record["seconds"]["median"] > 0 and record["peak_mb"] >= record["base_mb"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gap"), [("cvxpy-scs", 1e-6), ("sgd-1e3", 1e-3)])
def test_slow_methods_come_near_the_minimum(name: str, gap: float) -> None:
    assert 0 <= measure.measure(task("solve", name))["gap"] < gap


@pytest.mark.parametrize(
    ("name", "error"), [("ours", 1e-13), ("public", 1e-13), ("enumeration", 1e-13), ("sampling", 1e-2)]
)
def test_evaluations_are_of_the_same_loss(name: str, error: float) -> None:
    record = measure.measure(task("evaluate", name))
    assert record["error"] < error
    assert record["products_seconds"]["median"] > 0


def test_groups_are_solved_and_proven() -> None:
    C = 1000
    rho = tasks.ten_groups(C)
    assert (priors.parse(rho).C, len(priors.parse(rho).merged().masses)) == (C, 10)
    record = measure.measure({**task("solve", "groups", 64, C), "rho": rho, "d": C})
    assert record["status"] == "done" and record["gap"] < 1e-12


def test_what_does_not_fit_or_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "multisets" in measure.measure(task("solve", "cvxpy-clarabel", 64, 10))["note"]
    assert "too many" in measure.measure(task("evaluate", "enumeration", 64, 10))["note"]
    monkeypatch.setattr(method("pymanopt")[0], "PACKAGES", ("a-package-that-nobody-has",))
    record = measure.measure(task("solve", "pymanopt"))
    assert record["status"] == "missing" and "a-package-that-nobody-has is not installed" in record["note"]


def test_results_are_saved_one_by_one_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, measured = list(tasks.quick())[:3], []

    def stub(one: tasks.Task) -> dict[str, Any]:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(one.id)
        return {"status": "failed", "note": "not measured"}

    monkeypatch.setattr(run, "_measure", stub)
    out = tmp_path / "new" / "results.json"
    with pytest.raises(KeyboardInterrupt):
        run.run(chosen, out, "python")
    assert [r["id"] for r in json.loads(out.read_text())["records"]] == measured == [t.id for t in chosen[:2]]
    monkeypatch.setattr(run, "_measure", lambda one: {"status": "failed", "note": "later"})
    results = run.run(chosen, out, "python")
    assert [r["note"] for r in results.records] == ["not measured", "not measured", "later"]
    monkeypatch.setattr(run, "machine", lambda: {"cpu": "another"})
    with pytest.raises(InputError, match="another machine"):
        run.run(chosen, out, "python")
    assert run.run([], out, "python").records == results.records
    out.write_text("[]")
    with pytest.raises(InputError, match="it is not a JSON object"):
        run.run(chosen, out, "python")


def test_a_measurement_has_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        command.main(["--quick", "--suite", "groups", "--json", "--out", str(tmp_path / "b.json")])
    assert exit_.value.code == 0
    [record] = json.loads(capsys.readouterr().out)["records"]
    assert (record["status"], record["method"], record["C"]) == ("done", "groups", 1000)


def test_ids_are_unique_and_methods_exist() -> None:
    every = list(tasks.full())
    assert len({one.id for one in every}) == len(every)
    for name in {one.method for one in every}:
        assert hasattr(method(name)[0], "PACKAGES")


@pytest.mark.parametrize("path", sorted(RESULTS.glob("cpu*.json")), ids=lambda path: path.stem)
def test_committed_results(path: Path) -> None:
    results = run.run([], path, "")
    text = table.table(results)
    for record in results.records:
        if record["status"] == "done" and record["kind"] == "solve" and not record["method"].startswith("sgd"):
            assert record["gap"] < 1e-6, record["id"]
        if record["status"] == "done" and record["kind"] == "evaluate" and record["method"] == "ours":
            assert record["error"] < 1e-12
    assert results.speedup == speedup.speedup(results.records)
    assert results.speedup is not None and results.speedup["ratio"] >= 1000
    assert "times as long" in text
