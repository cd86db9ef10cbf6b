"""`--certificate` on verify.etf and verify.optimum: proved, accepted, and the same bytes twice."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from verify import etf, optimum
from verify.certify import publish
from verify.checker import Verdict, check, rows


def test_etf_certificate(tmp_path: Path) -> None:
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in paths:
        result = etf.run(3, 5, starts=2, certificate=path)
        assert (result.status.value, result.certificate) == ("proved", str(path))
        assert result.nce.gap is not None
        assert result.nce.gap <= 1e-25
    assert paths[0].read_bytes() == paths[1].read_bytes()
    statement = json.loads(paths[0].read_text())["statement"]
    assert (statement["kind"], statement["C"], statement["k"]) == ("etf-optimality", 3, 5)
    assert check(paths[0].read_bytes()).verdict == "accepted"


def test_optimum_certificate(tmp_path: Path) -> None:
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    for path in paths:
        result = optimum.run("0.6,0.3999,0.0001", 20, temperature=Fraction(1, 2), certificate=path)
        assert (result.status.value, result.certificate) == ("proved", str(path))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    verdict = check(paths[0].read_bytes())
    assert verdict.verdict == "accepted"
    assert verdict.statement["rho"] == ["3/5", "3999/10000", "1/10000"]
    assert result.gram_radius is not None
    assert result.nce.lower is not None and result.nce.upper is not None
    # The doubles that are printed are rounded outwards from the exact claim.
    assert Fraction(result.nce.lower) <= Fraction(verdict.statement["lower"])
    assert Fraction(result.nce.upper) >= Fraction(verdict.statement["upper"])


def test_a_certificate_that_the_checker_refuses_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> Verdict:
        return Verdict("rejected", "for a test", {})

    monkeypatch.setattr(publish, "check", refuse)
    result = etf.run(3, 5, starts=2, certificate=tmp_path / "refused.json")
    assert (result.status.value, result.certificate) == ("undecided", None)
    assert "rejected" in result.note
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_large_for_the_checker_stays_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_WORK", 1000)
    result = optimum.run("0.5,0.3,0.2", 5, certificate=tmp_path / "large.json")
    assert (result.status.value, result.certificate) == ("proved", None)
    assert "no certificate: the checker says precision exhausted" in result.note
    assert list(tmp_path.iterdir()) == []
