"""A published statement, the command that looks into it, and how a verdict follows from what the command says.

No verdict is written down here: `judge` reads the JSON of the commands (`verify.literature` runs them). A statement
whose source was not at hand may be read wrongly: nothing that was read in an abstract only, or at second hand, is ever
called refuted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Word = Literal["proved", "refuted", "sharpened", "numerical", "undecided"]
#: What of the source was read for this project: all of the part that is cited, its abstract, or others' words on it.
Read = Literal["talk", "abstract", "second hand"]
#: The JSON of each command, in their order.
Results = Sequence[Mapping[str, Any]]


class Judged(NamedTuple):
    """A verdict, and the evidence in one line."""

    verdict: Word
    evidence: str


@dataclass(frozen=True)
class Statement:
    """One published statement.

    Attributes:
        name: permanent.
        source: authors, year, where.
        read: what of the source was at hand.
        statement: exactly, as this project reads it.
        hypotheses: under which it is read.
        commands: arguments of `python -m` without `--json`; `FILE` stands for a certificate. None where nothing here
            decides it.
        judge: from their results, in order, to the verdict.
    """

    name: str
    source: str
    read: Read
    statement: str
    hypotheses: tuple[str, ...]
    commands: tuple[str, ...]
    judge: Callable[[Results], Judged]

    def verdict(self, results: Results) -> Judged:
        """The verdict on these results."""
        found = self.judge(results)
        if found.verdict == "refuted" and self.read != "talk":
            return Judged("undecided", f"as it is read here it fails ({found.evidence}); its source was not at hand")
        return found


def claim(results: Results) -> Judged:
    """What `python -m verify --only NAME` says of the claim that is the statement."""
    [one] = results[0]["claims"]
    return Judged(one["status"], one["evidence"])


def counterclaim(results: Results) -> Judged:
    """The claim that is the opposite of the statement: proved, it refutes it."""
    found = claim(results)
    return Judged("refuted" if found.verdict == "proved" else "undecided", found.evidence)


def undecided(why: str) -> Callable[[Results], Judged]:
    """Nothing here decides it."""
    return lambda results: Judged("undecided", why)


def bound(name: str, tighter: str | None = None) -> Callable[[Results], Judged]:
    """An upper bound of `verify.bounds` on the loss of the mean classifier, and a tighter one that is derived there."""

    def judge(results: Results) -> Judged:
        exact, value = results[0]["exact"]["mean_classifier"], results[0]["bounds"][name]["value"]
        if exact is None or value is None or results[0]["status"] != "numerical":
            return Judged("undecided", "no value")
        if exact > value * (1 + 1e-9):
            return Judged("refuted", f"{exact:.6g} is above {value:.6g}")
        evidence = f"the loss {exact:.6g} is below the bound {value:.6g}"
        sharper = None if tighter is None else results[0]["bounds"][tighter]["value"]
        if sharper is not None and exact <= sharper < value * (1 - 1e-9):
            return Judged("sharpened", f"{evidence}, and below the derived {sharper:.6g}")
        return Judged("numerical", evidence)

    return judge
