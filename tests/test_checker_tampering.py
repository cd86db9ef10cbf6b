"""Tampered certificates are rejected, or true; nothing crashes the checker (`experiments.certificates.tampering`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.certificates import tampering
from experiments.certificates.__main__ import main
from verify.checker import rows

DATA = Path(__file__).parent / "data" / "certificates"


def judge(result: dict[str, Any]) -> None:
    assert result["accepted_but_false"] == 0, result["false"]
    assert result["verdicts"]["rejected"] > result["mutants"] / 10
    assert result["verdicts"]["unreadable"] > result["mutants"] / 10
    assert result["peak_memory_mb"] < 4000
    assert result["slowest_check_cpu_seconds"] < 120


def test_a_sample_of_mutants() -> None:
    judge(tampering.run(300, 20220717, DATA))


def test_a_sample_of_mutants_by_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that the checker takes for many classes, on few."""
    monkeypatch.setattr(rows, "FEW_ENTRIES", 1)
    monkeypatch.setattr(rows, "MOMENTS", 10**9)
    judge(tampering.run(200, 7, DATA))


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


def test_the_judge_knows_false_from_true() -> None:
    statement: dict[str, Any] = {
        "kind": "etf-optimality",
        "loss": "logistic",
        "C": 3,
        "k": 2,
        "d": 2,
        "temperature": "1/1",
    }
    assert tampering.is_true({**statement, "lower": "0/1", "upper": "3/1"})
    assert not tampering.is_true({**statement, "lower": "0/1", "upper": "1/2"})
    assert not tampering.is_true({**statement, "lower": "0/1", "upper": "3/1", "d": 1})
