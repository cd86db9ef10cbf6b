"""Tampered certificates: whatever is changed, the checker must not accept a false statement, crash, hang or swell.

What the checker accepts is judged by the 60-digit reference, not by the checker.
"""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from experiments.certificates import reference
from experiments.certificates.mutations import mutate
from verify.checker import check

#: The kinds that the reference judges.
JUDGED = ("etf-optimality", "global-optimum")


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant. `truth` is the reference's judgement of an accepted statement, else None."""

    mutation: str
    verdict: str
    truth: bool | None
    seconds: float
    text: str


def is_true(statement: dict[str, Any]) -> bool:
    """Whether an accepted statement is true, by the reference.

    Raises:
        ValueError: if the reference cannot tell (another kind, more than three classes, too many negatives).
    """
    low, high = (reference.number(Fraction(statement[key])) for key in ("lower", "upper"))
    beta, k = 1 / Fraction(statement["temperature"]), statement["k"]
    if k > 3000:
        raise ValueError(f"k = {k}: too many negatives to enumerate")
    if statement["kind"] not in JUDGED:
        raise ValueError(f"the reference does not judge {statement['kind']}")
    if statement["kind"] == "etf-optimality":
        if statement["d"] < statement["C"] - 1:
            return False
        return bool(low <= reference.etf_minimum(statement["loss"], statement["C"], k, beta) <= high)
    counts = statement.get("counts", [1] * len(statement["rho"]))
    if sum(counts) > 3:
        raise ValueError("the reference finds minimizers for two and three classes")
    of_class = [g for g, n in enumerate(counts) for _ in range(n)]
    rho = tuple(Fraction(statement["rho"][g]) for g in of_class)
    if len(counts) != len(statement["rho"]) or sum(rho) != 1 or min(rho) <= 0:
        return False
    minimum = reference.minimum(statement["loss"], rho, k, beta)
    collapsed = all(abs(x) == 1 for row in minimum.gram for x in row)
    if not low <= minimum.loss <= high or statement["d"] < (1 if collapsed and "counts" in statement else len(rho) - 1):
        return False
    if "minimizer" not in statement:
        return True
    gram, radius = statement["minimizer"]["gram"], reference.number(Fraction(statement["minimizer"]["radius"]))
    # two classes of one group are told by the diagonal, which is 1 for a group of one class
    pairs = [
        (1 if c == j else ours, reference.number(Fraction(gram[g][h])))
        for (c, g), row in zip(enumerate(of_class), minimum.gram, strict=True)
        for (j, h), ours in zip(enumerate(of_class), row, strict=True)
        if c != j or counts[g] == 1
    ]
    return all(bool(abs(g - h) <= radius) for g, h in pairs)


def try_one(text: str, rng: Random) -> Outcome:
    """One mutant, checked and judged."""
    name, changed = mutate(text, rng)
    start = time.process_time()
    verdict = check(changed)
    seconds = time.process_time() - start
    truth = is_true(verdict.statement) if verdict.verdict == "accepted" else None
    return Outcome(name, verdict.verdict, truth, seconds, changed)


def run(count: int, seed: int, folder: Path, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """`count` mutants of the certificates in `folder`: counts, the slowest check in CPU seconds, peak memory."""
    texts = [path.read_text(encoding="ascii") for path in sorted(folder.glob("*.json"))]
    texts = [text for text in texts if json.loads(text)["statement"]["kind"] in JUDGED]
    rng, verdicts, slowest, false = Random(seed), Counter[str](), 0.0, []
    by_mutation = Counter[str]()
    start = time.perf_counter()
    for i in range(count):
        outcome = try_one(rng.choice(texts), rng)
        verdicts[outcome.verdict] += 1
        by_mutation[outcome.mutation] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.truth is False:
            false.append(outcome.text[:2000])
        progress(i)
    return {
        "mutants": count,
        "seed": seed,
        "verdicts": dict(sorted(verdicts.items())),
        "accepted_and_true": verdicts["accepted"] - len(false),
        "accepted_but_false": len(false),
        "false": false,
        "by_mutation": dict(sorted(by_mutation.items())),
        "slowest_check_cpu_seconds": round(slowest, 2),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "seconds": round(time.perf_counter() - start, 1),
    }
