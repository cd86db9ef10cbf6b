"""The ledger of published statements: verdicts come from commands, and are what these say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from theory.errors import InputError
from theory.literature import STATEMENTS
from theory.literature.statement import Word
from verify import literature
from verify.results import Status

KNOWN = {one.name: one for one in STATEMENTS}


def test_the_ledger_is_about_the_statements_as_they_stand() -> None:
    result = literature.run()
    assert result.status is Status.NUMERICAL and result.changed == () and not result.rechecked
    assert [one.name for one in result.statements] == [one.name for one in STATEMENTS] and len(KNOWN) >= 15
    for entry, statement in zip(result.statements, STATEMENTS, strict=True):
        assert entry.verdict in get_args(Word) and entry.evidence
        assert entry.verdict != "refuted" or statement.read == "talk"
        assert (entry.certificate == "accepted") == any("FILE" in command for command in statement.commands)
        assert statement.commands or entry.verdict == "undecided"
    assert {one["name"] for one in json.loads(literature.LEDGER.read_text())} == set(KNOWN)


#: Of one process or two each; the others are slow.
QUICK = {"saunshi2019-bound", "bao2021-bounds", "oord2018-information"}


@pytest.mark.parametrize(
    "names",
    [sorted(QUICK), pytest.param(sorted(set(KNOWN) - QUICK), marks=pytest.mark.slow)],
    ids=["quick", "others"],
)
def test_the_commands_say_so_again(names: list[str]) -> None:
    before = literature.run(only=names)
    again = literature.run(recheck=True, only=names)
    assert again.changed == () and again.status is Status.NUMERICAL
    assert [one.verdict for one in again.statements] == [one.verdict for one in before.statements]


def test_a_statement_that_was_reworded_has_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = replace(STATEMENTS[0], statement="another one")
    monkeypatch.setattr(literature, "STATEMENTS", (first, *STATEMENTS[1:]))
    result = literature.run()
    assert result.changed == (first.name,) and result.statements[0].verdict == "undecided"
    assert result.status is Status.UNDECIDED and first.name in literature.report(result).splitlines()[-1]


def judged(name: str, *results: dict[str, Any]) -> str:
    return KNOWN[name].verdict(results).verdict


def test_verdicts_follow_what_the_commands_say() -> None:
    """The same judges on results that say something else."""
    assert judged("awasthi2022-balanced-etf", {"claims": [{"status": "undecided", "evidence": ""}]}) == "undecided"
    assert judged("awasthi2022-averaging-step", {"claims": [{"status": "undecided", "evidence": ""}]}) == "undecided"
    fell = {"status": "proved", "witness": None, "note": ""}
    assert judged("awasthi2022-conjecture", fell) == "undecided"
    bounds = {"saunshi2019": {"value": 1.0}, "saunshi2019_exact": {"value": 0.9}}
    at = {"status": "numerical", "bounds": bounds}
    assert judged("saunshi2019-bound", at | {"exact": {"mean_classifier": 0.8}}) == "sharpened"
    assert judged("saunshi2019-bound", at | {"exact": {"mean_classifier": 0.95}}) == "numerical"
    # it fails there, but the source was not at hand
    assert judged("saunshi2019-bound", at | {"exact": {"mean_classifier": 1.1}}) == "undecided"
    assert judged("saunshi2019-bound", at | {"exact": {"mean_classifier": None}}) == "undecided"
    drawn = "bao2021-curves-at-minus-one"
    assert "fails" in KNOWN[drawn].verdict([{"status": "proved", "nce": {"lower": 3.27}}]).evidence
    assert "fails" not in KNOWN[drawn].verdict([{"status": "proved", "nce": {"lower": 2.7}}]).evidence
    told = replace(KNOWN[drawn], read="talk")
    assert told.verdict([{"status": "proved", "nce": {"lower": 3.27}}]).verdict == "refuted"
    phases = [{"status": "proved", "nce": {"upper": 1.0}}] * 3
    assert judged("lee2024-sigmoid-phases", *phases) == "undecided"
    limit = {"series": [{"k": 10, "nce": {"found": 1.0}}, {"k": "inf", "nce": {"found": 0.0}}]}
    assert judged("wang-isola2020-limit", limit) == "undecided"


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        literature.main(["--json", "--save", str(tmp_path / "ledger.json")])
    found = json.loads(capsys.readouterr().out)
    assert stopped.value.code == 0 and found["claim"] == "literature" and len(found["statements"]) == len(KNOWN)
    assert {"name", "source", "statement", "verdict", "command"} <= set(found["statements"][0])
    assert (tmp_path / "ledger.json").read_text() == literature.LEDGER.read_text()
    with pytest.raises(SystemExit) as stopped:
        literature.main(["--only", "nobody2020"])
    assert stopped.value.code == 2 and "--only: got 'nobody2020'" in capsys.readouterr().err
    with pytest.raises(InputError):
        literature.run(only=["nobody2020"])
