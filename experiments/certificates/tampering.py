"""Tampered certificates: whatever is changed, the checker must not accept a false statement, crash, hang or swell.

What the checker accepts is judged by references of 60 digits and more, not by the checker.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from experiments.certificates.judges import is_true, kind_of
from experiments.certificates.mutations import mutate
from verify import check as command
from verify.checker import Verdict, check
from verify.checker import __main__ as alone
from verify.checker.verdict import ACCEPTED, EXIT

#: CPU seconds after which a check is given up and counted as `OUT_OF_TIME`.
LIMIT = 120.0
OUT_OF_TIME = "out of time"
#: One mutant of so many goes through both commands too.
THROUGH_COMMANDS = 20
#: Losses whose rows are integrals, a hundred times the work of a sum, are drawn less often by this factor.
RARER = 4


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant.

    `judged` speaks of an accepted statement: "true", "false", or why the reference cannot tell; empty for the others.
    `fault` is a defect of the checker, or of the commands where the mutant went through them.
    """

    kind: str
    mutation: str
    verdict: str
    judged: str
    fault: str
    seconds: float
    text: bytes


class _OutOfTimeError(BaseException):
    """No `Exception`, which the checker's last guard would take for an internal error."""


def _stop(signum: int, frame: FrameType | None) -> None:
    raise _OutOfTimeError


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """`_OutOfTimeError` after so many CPU seconds (in the main thread)."""
    before = signal.signal(signal.SIGVTALRM, _stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def judgement(verdict: Verdict) -> str:
    """Whether the accepted statement is true, in words."""
    try:
        return "true" if is_true(verdict.statement) else "false"
    except ValueError as error:
        return str(error)


def ends_badly(text: bytes, verdict: str, folder: Path) -> str:
    """What is wrong with how `verify.checker` and `verify.check` end on this text, if anything is."""
    path = folder / "mutant.json"
    path.write_bytes(text)
    for name, run in (("verify.checker", alone.main), ("verify.check", command.main)):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                status: object = run([str(path)])
            except SystemExit as stop:
                status = stop.code
        shown = out.getvalue() + err.getvalue()
        if status != EXIT[verdict] or "Traceback" in shown or not shown.isascii():
            return f"{name}: {verdict} ends in {status}: {shown[:200]}"
    return ""


def try_one(text: str, rng: Random, folder: Path | None = None) -> Outcome:
    """One mutant, checked and judged; through both commands if there is a folder to put it in."""
    name, changed = mutate(text, rng)
    kind = kind_of(json.loads(text)["statement"])
    start = time.process_time()
    try:
        with _limited(LIMIT):
            found = check(changed)
    except _OutOfTimeError:
        return Outcome(kind, name, OUT_OF_TIME, "", "", time.process_time() - start, changed)
    seconds = time.process_time() - start
    judged = judgement(found) if found.verdict == ACCEPTED else ""
    fault = found.fault or (ends_badly(changed, found.verdict, folder) if folder is not None else "")
    return Outcome(kind, name, found.verdict, judged, fault, seconds, changed)


def read(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """By kind, the certificates in a folder, and how often each is drawn."""
    by_kind: dict[str, list[tuple[str, int]]] = {}
    for path in sorted(folder.glob("*.json")):
        text = path.read_text(encoding="ascii")
        statement = json.loads(text)["statement"]
        rarer = statement["loss"] in ("logistic", "decoupled")
        by_kind.setdefault(kind_of(statement), []).append((text, 1 if rarer else RARER))
    return by_kind


def run(count: int, seed: int, folder: Path, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """`count` mutants of the certificates in `folder`, all kinds alike: counts, CPU seconds, peak memory."""
    by_kind, rng = read(folder), Random(seed)
    verdicts: dict[str, Counter[str]] = {kind: Counter() for kind in by_kind}
    mutations, judged, slowest, commands = Counter[str](), Counter[str](), 0.0, 0
    failures: dict[str, list[str]] = {"accepted_but_false": [], "not_judged": [], "faults": []}
    start = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        for i in range(count):
            certificates = by_kind[rng.choice(list(by_kind))]
            [(text, _)] = rng.choices(certificates, [weight for _, weight in certificates])
            through = i % THROUGH_COMMANDS == 0
            commands += through
            outcome = try_one(text, rng, Path(scratch) if through else None)
            verdicts[outcome.kind][outcome.verdict] += 1
            mutations[outcome.mutation] += 1
            slowest = max(slowest, outcome.seconds)
            shown = outcome.text.decode("utf-8", "backslashreplace")[:3000]
            if outcome.judged in ("", "true"):
                judged[outcome.judged] += 1
            elif outcome.judged == "false":
                failures["accepted_but_false"].append(shown)
            else:
                failures["not_judged"].append(f"{outcome.judged}: {shown}")
            if outcome.fault:
                failures["faults"].append(f"{outcome.fault}: {shown}")
            progress(i)
    return {
        "mutants": count,
        "seed": seed,
        "certificates": sum(map(len, by_kind.values())),
        "verdicts": dict(sorted(sum(verdicts.values(), Counter[str]()).items())),
        "accepted_and_true": judged["true"],
        **failures,
        "through_the_commands": commands,
        "by_kind": {kind: dict(sorted(found.items())) for kind, found in sorted(verdicts.items())},
        "by_mutation": dict(sorted(mutations.items())),
        "slowest_check_cpu_seconds": round(slowest, 2),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "cpu_seconds": round(time.process_time() - start, 1),
    }
