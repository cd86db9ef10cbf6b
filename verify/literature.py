"""`python -m verify.literature`: published statements, and what became of them.

The ledger (`theory/literature/ledger.json`) is what `--recheck --save` found: every verdict is the result of commands,
whose JSON the statement's own `judge` reads. `--recheck` runs them again, and says where a verdict has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from theory.errors import InputError
from theory.literature import STATEMENTS, Statement
from verify import cli, files
from verify.results import Result, Status, versions
from verify.symbolic import EveryProblem

LEDGER = Path(__file__).parents[1] / "theory" / "literature" / "ledger.json"
#: What a command may end with that has settled something: proved or numerical, refuted, undecided.
_SETTLED = (0, 1, 3)


@dataclass(frozen=True)
class Entry:
    """One statement and its verdict.

    Attributes:
        read: what of the source was at hand.
        verdict: "proved", "refuted", "sharpened", "numerical" or "undecided".
        evidence: the numbers behind it.
        certificate: whether the command wrote one that the checker accepted; None where it writes none.
        digest: of the statement and its commands, so that a verdict is not taken for that of another one.
    """

    name: str
    source: str
    read: str
    statement: str
    hypotheses: tuple[str, ...]
    verdict: str
    evidence: str
    command: tuple[str, ...]
    certificate: str | None
    digest: str


@dataclass(frozen=True, repr=False)
class LiteratureResult(Result):
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        status: `numerical` for the ledger as it stands, or where every verdict that was checked again is the same;
            else `undecided`.
        changed: names of statements whose verdict is another one than in the ledger.
    """

    claim: str
    status: Status
    problem: EveryProblem
    statements: tuple[Entry, ...]
    rechecked: bool
    changed: tuple[str, ...]
    seconds: float
    versions: dict[str, str]


def run(
    *,
    recheck: bool = False,
    only: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> LiteratureResult:
    """The ledger, of some statements or all; with `recheck` their commands are run again.

    Raises:
        InputError: for a name that there is not.
    """
    begun, known = time.perf_counter(), {one.name: one for one in STATEMENTS}
    for name in only:
        if name not in known:
            raise InputError("only", name, f"accepted: {', '.join(known)}")
    recorded = {one["name"]: one for one in json.loads(LEDGER.read_text("ascii"))}
    entries, changed = [], []
    ran: dict[str, Any] = {}
    for name in only or known:
        statement, before = known[name], recorded.get(name)
        stale = before is None or before["digest"] != _digest(statement)
        if recheck:
            if progress is not None:
                progress(f"{name} ...")
            entry = _entry(statement, *settle(statement, ran))
            if stale or before is None or before["verdict"] != entry.verdict:
                changed.append(name)
        elif stale or before is None:
            entry = _entry(statement, "undecided", "not looked into since it was written: --recheck", None)
            changed.append(name)
        else:
            entry = _entry(statement, before["verdict"], before["evidence"], before["certificate"])
        entries.append(entry)
    return LiteratureResult(
        "literature",
        Status.UNDECIDED if changed else Status.NUMERICAL,
        EveryProblem(),
        tuple(entries),
        recheck,
        tuple(changed),
        time.perf_counter() - begun,
        versions(),
    )


def settle(statement: Statement, ran: dict[str, Any]) -> tuple[str, str, str | None]:
    """The verdict, its evidence, and what became of the certificate, from the commands, each in a process of its own.

    `ran` keeps results for other statements with the same commands.
    """
    certificate = None
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "certificate.json"
        for command in statement.commands:
            if command not in ran or "FILE" in command:
                done = _run(command.replace("FILE", str(place)))
                if done.returncode not in _SETTLED:
                    return "undecided", f"{command}: ends with {done.returncode}: {done.stderr.strip()}", None
                ran[command] = json.loads(done.stdout)
        if any("FILE" in command for command in statement.commands):
            from verify.checker import check

            certificate = check(place.read_bytes()).verdict if place.exists() else "not written"
    if certificate not in (None, "accepted"):
        return "undecided", f"the certificate is {certificate}", certificate
    judged = statement.verdict([ran[command] for command in statement.commands])
    return judged.verdict, judged.evidence, certificate


def _run(command: str) -> subprocess.CompletedProcess[str]:
    """`python -m COMMAND --json`, whose modules are found where this process has found them."""
    module, *words = command.split()
    start = f"import runpy, sys; sys.path[:] = {sys.path!r}; runpy.run_module({module!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", start, *words, "--json"], capture_output=True, text=True, check=False)


def _entry(statement: Statement, verdict: str, evidence: str, certificate: str | None) -> Entry:
    return Entry(
        statement.name,
        statement.source,
        statement.read,
        statement.statement,
        statement.hypotheses,
        verdict,
        evidence,
        tuple(f"python -m {command}" for command in statement.commands),
        certificate,
        _digest(statement),
    )


def _digest(statement: Statement) -> str:
    parts = (statement.source, statement.read, statement.statement, *statement.hypotheses, *statement.commands)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def as_ledger(entries: Sequence[Entry]) -> str:
    """The text of the ledger's file: what is not in the statements themselves."""
    kept = ("name", "verdict", "evidence", "certificate", "digest")
    rows: list[dict[str, Any]] = [{name: asdict(entry)[name] for name in kept} for entry in entries]
    return json.dumps(rows, indent=1, ensure_ascii=True) + "\n"


def report(result: LiteratureResult) -> str:
    """The readable ledger."""
    lines = []
    for one in result.statements:
        at_hand = "" if one.read == "talk" else f" [{one.read}]"
        lines += [f"{one.verdict:10} {one.name}: {one.statement}", f"           {one.source}{at_hand}"]
        lines += [f"           {one.evidence}"] + [f"           {command}" for command in one.command]
    number = Counter(one.verdict for one in result.statements)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in number.items())
    lines.append(f"{len(result.statements)} statements: {counts}")
    if result.changed:
        lines.append(f"changed, or not looked into: {', '.join(result.changed)}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.literature`."""
    parser = cli.parser(
        "verify.literature",
        "Published statements as this project reads them, and what became of them: proved, refuted, sharpened,\n"
        "numerical or undecided, each with the command that shows it. With --recheck the commands are run again.",
        "  python -m verify.literature\n  python -m verify.literature --recheck --only awasthi2022-conjecture",
    )
    parser.add_argument("--recheck", action="store_true", help="run the commands again, and say what has changed")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only this statement; may be given several times"
    )
    parser.add_argument(
        "--save", type=cli.writable, metavar="FILE", help="write the verdicts to FILE, as the ledger is"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> LiteratureResult:
        result = run(recheck=arguments.recheck, only=arguments.only or (), progress=progress)
        if arguments.save is not None:
            files.write(arguments.save, as_ledger(result.statements).encode("ascii"))
        return result

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
