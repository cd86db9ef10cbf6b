"""`python -m verify.check FILE`: does this certificate prove its statement?

The decision is `verify.checker`'s alone, which uses the standard library and mpmath's intervals and nothing else.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from theory.errors import InputError
from theory.priors import Prior
from verify import cli
from verify.checker import Verdict, check
from verify.checker.dual import read_groups
from verify.checker.reading import MAX_BYTES, Fields
from verify.checker.verdict import ACCEPTED, EXIT, UNREADABLE, Unreadable, printable
from verify.results import UNLESS_DEFAULT, Status, listed, versions


class Ruling(str):
    """`proved` if the certificate is accepted, else `undecided`; as an integer, the exit status of its verdict."""

    exit_status: int

    def __new__(cls, verdict: str) -> Ruling:
        ruling = super().__new__(cls, (Status.PROVED if verdict == ACCEPTED else Status.UNDECIDED).value)
        ruling.exit_status = EXIT[verdict]
        return ruling

    def __int__(self) -> int:
        return self.exit_status


@dataclass(frozen=True)
class StatedProblem:
    """The problem as the statement gives it, None where it does not; `rho` as in `verify.results.ProblemRecord`."""

    C: int | None
    k: int | None
    d: int | None
    rho: list[str] | None
    loss: str | None
    temperature: str | None
    objective: str | None = field(default=None, metadata=UNLESS_DEFAULT)


@dataclass(frozen=True)
class CheckResult:
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        verdict: "accepted", "rejected", "unreadable" or "precision exhausted".
        reason: why, in one line.
        statement: what the certificate claims, as it stands in the file.
    """

    claim: str
    status: Ruling
    verdict: str
    reason: str
    statement: dict[str, Any]
    problem: StatedProblem
    seconds: float
    versions: dict[str, str]


def run(certificate: str | bytes | dict[str, Any]) -> CheckResult:
    """Check a certificate, given as text or as parsed JSON."""
    begun = time.perf_counter()
    verdict = check(certificate)
    return CheckResult(
        claim=_kind(verdict),
        status=Ruling(verdict.verdict),
        verdict=verdict.verdict,
        reason=verdict.reason,
        statement=verdict.statement,
        problem=_problem(verdict.statement),
        seconds=time.perf_counter() - begun,
        versions=versions("mpmath"),
    )


def _kind(verdict: Verdict) -> str:
    kind = verdict.statement.get("kind")
    return kind if isinstance(kind, str) and verdict.verdict != UNREADABLE else "unknown"


def _problem(statement: dict[str, Any]) -> StatedProblem:
    def typed(name: str, kind: type) -> Any:
        return statement[name] if type(statement.get(name)) is kind else None

    C, rho = typed("C", int), None
    if "rho" in statement:
        try:
            masses, counts = read_groups(Fields("statement", statement))
        except Unreadable:
            C = None
        else:
            C = sum(counts)
            with suppress(InputError):  # masses that the checker reads and no other command
                rho = list(listed(Prior(tuple(masses), tuple(counts))))
    loss, q = typed("loss", str), typed("q", str)
    if loss is not None and q is not None:
        loss = f"{loss}:{q.removesuffix('/1')}"  # as --loss reads it
    objective, parameter = typed("objective", str), typed("bias", str) or typed("pool", int)
    if objective is not None and parameter is not None:
        objective = f"{objective}:{str(parameter).removesuffix('/1')}"  # as --objective reads it
    return StatedProblem(C, typed("k", int), typed("d", int), rho, loss, typed("temperature", str), objective)


def report(result: CheckResult) -> str:
    """The readable report."""
    lines = [f"{result.verdict}: {printable(result.reason)}"]
    for name, value in result.statement.items():
        shown = printable(str(value))
        lines.append(f"  {printable(name):12} {shown if len(shown) <= 90 else shown[:87] + '...'}")
    lines.append(f"  checked in {result.seconds:.1f} s")
    return "\n".join(lines)


def _read(name: str) -> bytes:
    """The bytes of the file, or a few more than the checker accepts."""
    if name == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with Path(name).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"got '{name}'; accepted: a file that can be read, or - ({error.strerror})"
        ) from None


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.check`."""
    parser = cli.parser(
        "verify.check",
        "Decide whether a certificate proves its statement: every bound is derived again from the statement, in\n"
        "interval arithmetic, by a small program that shares nothing with the one that wrote the certificate.\n"
        "Exit status: 0 accepted, 1 rejected, 2 unreadable, 3 precision exhausted.",
        "  python -m verify.etf --C 10 --k 64 --certificate etf.json && python -m verify.check etf.json",
    )
    parser.add_argument("certificate", type=_read, metavar="FILE", help="the certificate, or - for standard input")

    cli.main(parser, lambda arguments, progress: run(arguments.certificate), report, argv)


if __name__ == "__main__":
    main()
