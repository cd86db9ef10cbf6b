"""The registry of claims, and the command that settles all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from theory.claims import Claim, Outcome
from theory.symbolic import steps
from verify import __main__ as every
from verify import claims
from verify.claims import outcomes

OWN = """
from theory.claims import Claim, Outcome


def check():
    return Outcome("{status}", "evidence")


CLAIMS = [Claim("own", "a statement", "mine", (), (), "by hand", check)]
"""


def _command(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        every.main(list(argv))
    printed = capsys.readouterr()
    return int(stop.value.code or 0), printed.out, printed.err


def test_claims_are_complete() -> None:
    known = [claim.name for claim in claims.CLAIMS]
    assert len(set(known)) == len(known)
    allowed = {*known, *(step.name for step in steps())}
    for claim in claims.CLAIMS:
        assert claim.statement
        assert claim.source
        assert claim.method
        assert set(claim.depends) <= allowed


@pytest.mark.parametrize(
    ("name", "status"),
    [
        pytest.param("lemma-1", "numerical", marks=pytest.mark.slow),
        ("lemma-1-lifting", "proved"),
        pytest.param("lemma-1-lifting-instances", "numerical", marks=pytest.mark.slow),
        ("family-members", "proved"),
        ("balanced-etf", "proved"),
        pytest.param("averaging-step", "numerical", marks=pytest.mark.slow),
        pytest.param("collapse-by-optimization", "numerical", marks=pytest.mark.slow),
        ("balanced-all-representations", "proved"),
        pytest.param("balanced-all-representations-instances", "numerical", marks=pytest.mark.slow),
        ("downstream-balanced", "proved"),
        ("optimal-rank", "proved"),
        ("minority-collapse", "proved"),
        ("growth-of-earlier-bounds", "proved"),
    ],
)
def test_claims_are_settled(name: str, status: str) -> None:
    claim = next(claim for claim in claims.CLAIMS if claim.name == name)
    assert claim.check().status == status


@pytest.mark.slow
def test_all_claims(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _command(capsys, "--json")
    printed = json.loads(out)
    assert code == 0
    assert {one["name"] for one in printed["claims"]} == {claim.name for claim in claims.CLAIMS}
    assert {one["status"] for one in printed["claims"]} == {"proved", "numerical"}


def test_the_weakest_status_is_that_of_the_table() -> None:
    def claim(status: str) -> Claim:
        return Claim(status, "s", "s", (), (), "m", lambda: Outcome(status, "e"))

    assert every.run([claim("proved")]).status.value == "proved"
    assert every.run([claim("proved"), claim("numerical")]).status.value == "numerical"
    assert every.run([claim("undecided"), claim("numerical")]).status.value == "undecided"
    assert every.run([claim("undecided"), claim("refuted"), claim("proved")]).status.value == "refuted"


def test_the_last_line_counts_the_statuses() -> None:
    words = ["proved", "numerical", "proved", "undecided"]
    claims = [Claim(f"c{i}", "s", "s", (), (), "m", lambda w=w: Outcome(w, "e")) for i, w in enumerate(words)]
    last = every.report(every.run(claims)).splitlines()[-1]
    assert last.startswith("4 claims: 2 proved, 1 numerical, 1 undecided; in ")


def test_instances_are_never_proofs_and_a_violated_one_is_undecided() -> None:
    assert outcomes.tried(0, 10, 0.0).status == "numerical"
    assert outcomes.tried(1, 10, -1.0).status == "undecided"


def test_a_general_statement_names_no_size_and_rests_on_no_run() -> None:
    """What is proved for every C, k and loss of the family comes from symbolic steps; a run says at what size."""
    known = {step.name for step in steps()}
    general = ("lemma-1-lifting", "family-members", "balanced-etf", "balanced-all-representations")
    for claim in claims.CLAIMS:
        if claim.name in general:
            assert set(claim.depends) <= known
            assert "the prose that joins them is not checked" in claim.method
            assert not any("C =" in text or "checked for" in text for text in claim.hypotheses)
        if "-instance" in claim.name:
            assert any("C = " in text for text in claim.hypotheses)


@pytest.mark.parametrize(("status", "code"), [("proved", 0), ("refuted", 1), ("undecided", 3)])
def test_claims_of_ones_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: str, code: int
) -> None:
    (tmp_path / f"own_{status}.py").write_text(OWN.format(status=status))
    monkeypatch.syspath_prepend(str(tmp_path))
    stopped, out, _ = _command(capsys, "--claims", f"own_{status}:CLAIMS", "--json")
    printed = json.loads(out)
    assert stopped == code
    assert [one["name"] for one in printed["claims"]] == ["own"]
    assert {"claim", "status", "problem", "seconds", "versions"} <= set(printed)
    stopped, out, _ = _command(capsys, "--claims", f"own_{status}:CLAIMS")
    assert status in out


@pytest.mark.parametrize(
    ("argv", "option"),
    [(("--only", "nonsense"), "only"), (("--claims", "json:loads"), "claims"), (("--claims", "no_module:X"), "claims")],
)
def test_bad_input_is_one_line(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], option: str) -> None:
    code, out, err = _command(capsys, *argv)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"--{option}" in err


def test_what_the_process_of_symbolic_claims_prints_is_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    """And what it does not print, or prints damaged, is nothing: those claims are then settled here."""
    code, out, _ = _command(capsys, "--only", "family-members", "--json")
    (one,) = every._read(out.encode())
    assert (code, one.name, one.status.value) == (0, "family-members", "proved")
    assert one.depends == next(claim.depends for claim in claims.CLAIMS if claim.name == one.name)
    assert every._read(b"") == every._read(b'{"claims": [{"name": "family-members"}]}') == []


def test_claims_that_compile_are_marked() -> None:
    """No other loads JAX: two processes that both do take twice its start."""
    program = (
        "import sys\nfrom verify.claims import CLAIMS\n"
        "for claim in CLAIMS:\n    assert claim.compiled or claim.check().status != 'undecided', claim.name\n"
        "    assert 'jax' not in sys.modules, claim.name\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert {claim.name for claim in claims.CLAIMS if claim.compiled} == {
        "averaging-step-gap",
        "averaging-conclusion-gap",
    }
