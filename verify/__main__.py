"""`python -m verify`: every claim at a default size, as one table."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from theory.claims import Claim, Outcome
from theory.errors import InputError
from verify import cli
from verify.claims import CLAIMS
from verify.results import Status, versions, weakest
from verify.symbolic import EveryProblem


@dataclass(frozen=True)
class Settled:
    """A claim with the status that was earned, and the evidence."""

    name: str
    status: Status
    statement: str
    source: str
    hypotheses: tuple[str, ...]
    depends: tuple[str, ...]
    method: str
    evidence: str
    seconds: float


@dataclass(frozen=True)
class Summary:
    """All claims; `status` is the weakest of theirs, with `refuted` the weakest of all."""

    claim: str
    status: Status
    problem: EveryProblem
    claims: tuple[Settled, ...]
    seconds: float
    versions: dict[str, str]


def run(claims: Sequence[Claim] = CLAIMS, *, progress: Callable[[str], None] | None = None) -> Summary:
    """Settle every claim, one after the other."""
    begun = time.perf_counter()
    return _summary([_settle(claim, progress) for claim in claims], begun)


def run_in_two(progress: Callable[[str], None] | None = None) -> Summary:
    """Settle all claims that ship, those that compile meanwhile in a process of their own: half of the time each."""
    begun = time.perf_counter()
    names = [claim.name for claim in CLAIMS if claim.compiled]
    # modules are found where this process has found them, whatever the folder is
    start = f"import sys; sys.path[:] = {sys.path!r}; from verify.__main__ import main; main(sys.argv[1:])"
    words = [word for name in names for word in ("--only", name)]
    command = [sys.executable, "-c", start, "--json", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        try:
            settled = {claim.name: _settle(claim, progress) for claim in CLAIMS if not claim.compiled}
            if progress is not None:
                progress(f"{', '.join(names)} ...")
            settled |= {one.name: one for one in _read(other.communicate()[0])}
        finally:
            other.kill()
    # what the other process has not settled, for whatever reason, is settled here
    return _summary([settled.get(claim.name) or _settle(claim, progress) for claim in CLAIMS], begun)


def _read(printed: bytes) -> list[Settled]:
    """The claims in the JSON of a summary; none if it is not one."""
    try:
        entries = json.loads(printed)["claims"]
        lists = ("hypotheses", "depends")
        return [
            Settled(**one | {"status": Status(one["status"])} | {name: tuple(one[name]) for name in lists})
            for one in entries
        ]
    except (ValueError, KeyError, TypeError):
        return []


def _settle(claim: Claim, progress: Callable[[str], None] | None) -> Settled:
    if progress is not None:
        progress(f"{claim.name} ...")
    start = time.perf_counter()
    outcome = claim.check()
    return Settled(
        claim.name,
        Status(outcome.status),
        claim.statement,
        claim.source,
        claim.hypotheses,
        claim.depends,
        claim.method,
        outcome.evidence,
        time.perf_counter() - start,
    )


def _summary(settled: list[Settled], begun: float) -> Summary:
    status, seconds = weakest(one.status for one in settled), time.perf_counter() - begun
    return Summary("all-claims", status, EveryProblem(), tuple(settled), seconds, versions("jax", "python-flint"))


def load(path: str) -> tuple[Claim, ...]:
    """The claims `package.module:NAME`: one `Claim`, or several.

    Raises:
        InputError: if there are none.
    """
    module, _, attribute = path.partition(":")
    accepted = "accepted: package.module:NAME of a Claim, or of a list of them"
    try:
        loaded = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise InputError("claims", path, f"{accepted} ({type(error).__name__}: {error})") from error
    claims = (loaded,) if isinstance(loaded, Claim) else tuple(loaded) if isinstance(loaded, list | tuple) else ()
    if not claims or not all(isinstance(claim, Claim) for claim in claims):
        raise InputError("claims", path, accepted)
    return tuple(replace(claim, check=partial(_checked, claim)) for claim in claims)


def _checked(claim: Claim) -> Outcome:
    """What a user's own claim says.

    Raises:
        InputError: if it fails, ends the program, or says something else.
    """
    try:
        outcome = claim.check()
        Status(outcome.status)
    except (Exception, SystemExit) as error:
        raise InputError("claims", claim.name, f"its check fails ({type(error).__name__}: {error})") from error
    return outcome


def report(summary: Summary) -> str:
    """The table."""
    width = max(len(one.name) for one in summary.claims)
    lines = [f"{'status':10} {'claim':{width}} seconds  evidence"]
    lines += [f"{one.status.value:10} {one.name:{width}} {one.seconds:7.1f}  {one.evidence}" for one in summary.claims]
    number = Counter(one.status for one in summary.claims)
    counts = ", ".join(f"{number[status]} {status.value}" for status in Status if number[status])
    lines.append(f"{len(summary.claims)} claims: {counts}; in {summary.seconds:.1f} s")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify`."""
    parser = cli.parser(
        "verify",
        "Every claim at a default size, as one table. Each claim is settled by itself at any size by the commands\n"
        "verify.etf, verify.optimum, verify.collapse, verify.symbolic and their neighbours.",
        "  python -m verify\n  python -m verify --only lemma-1 --only balanced-etf --json",
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="only this claim; may be given several times")
    parser.add_argument("--claims", metavar="P.M:NAME", help="claims of your own, instead of those that ship")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Summary:
        if arguments.claims is None and not arguments.only and (os.cpu_count() or 1) > 1:
            return run_in_two(progress)
        claims = CLAIMS if arguments.claims is None else load(arguments.claims)
        known = {claim.name: claim for claim in claims}
        for name in arguments.only or ():
            if name not in known:
                raise InputError("only", name, f"accepted: {', '.join(known)}")
        return run([known[name] for name in arguments.only or known], progress=progress)

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
