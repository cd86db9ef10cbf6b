"""Tampered certificates: whatever is changed, the checker must not accept a false statement, crash, hang or swell.

A mutation changes the text of a small, correct certificate. What the checker accepts is judged by the 60-digit
reference, not by the checker.
"""

from __future__ import annotations

import json
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from experiments.certificates import reference
from verify.checker import check

#: The kinds that the reference judges.
JUDGED = ("etf-optimality", "global-optimum")
_NESTED = "@nested@"
_WRONG: list[Any] = [
    None,
    True,
    False,
    1.5,
    -1,
    0,
    "",
    "x",
    "1",
    "1/0",
    "-1/2",
    "2/4",
    "+1/2",
    "1/-2",
    "0x10/1",
    " 1/2",
    [],
    {},
    [[]],
]
_WRONG += [float("nan"), float("inf"), "nan/1", "1/2/3", "٣/٤", 10**30, -(10**12), "1e999999999", "1e-999999999"]
_WRONG += ["1/" + "9" * 3999, "9" * 4000 + "/1", "9" * 5000 + "/1", "1/" + "9" * 100_000, _NESTED]
_PRECISIONS = [0, -1, 8 * 10**9, 10**9, 2**31, 10**30, 1.0e9, "1000000000"]


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant. `truth` is the reference's judgement of an accepted statement, else None."""

    mutation: str
    verdict: str
    truth: bool | None
    seconds: float
    text: str


def paths(node: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values in a JSON document, the containers included."""
    found = [prefix] if prefix else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += paths(value, (*prefix, key))
    return found


def _holder(document: Any, path: Sequence[Any]) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def _numbers(document: Any) -> list[tuple[Any, ...]]:
    places = []
    for path in paths(document):
        value = _holder(document, path)[path[-1]]
        if type(value) is int or (isinstance(value, str) and "/" in value):
            places.append(path)
    return places


def _ratio(q: Fraction) -> str:
    return f"{q.numerator}/{q.denominator}"


def _nudge(document: Any, rng: Random) -> None:
    """A number changed in its last unit, by a small part of itself, or by far."""
    path = rng.choice(_numbers(document))
    holder, key = _holder(document, path), path[-1]
    if type(holder[key]) is int:
        holder[key] = rng.choice([holder[key] + 1, holder[key] - 1, 2 * holder[key], -holder[key], holder[key] * 10**6])
        return
    q = Fraction(holder[key])
    unit = Fraction(1, q.denominator)
    part = abs(q) * Fraction(1, 10 ** rng.randrange(1, 24))
    holder[key] = _ratio(rng.choice([q + unit, q - unit, q + part, q - part, -q, 2 * q, q / 2, 1 - q, q + 1]))


def _swap_digits(document: Any, rng: Random) -> None:
    path = rng.choice(_numbers(document))
    holder, key = _holder(document, path), path[-1]
    text = list(str(holder[key]))
    i, j = rng.randrange(len(text)), rng.randrange(len(text))
    text[i], text[j] = text[j], text[i]
    changed = "".join(text)
    holder[key] = int(changed) if type(holder[key]) is int and changed.isdigit() and changed[0] != "0" else changed


def _drop(document: Any, rng: Random) -> None:
    path = rng.choice(paths(document))
    del _holder(document, path)[path[-1]]


def _wrong_type(document: Any, rng: Random) -> None:
    path = rng.choice(paths(document))
    _holder(document, path)[path[-1]] = rng.choice(_WRONG)


def _exchange_kind(document: Any, rng: Random) -> None:
    statement = document["statement"]
    statement["kind"] = rng.choice(["etf-optimality", "global-optimum", "conjecture-holds", "", "Global-Optimum"])
    if rng.random() < 0.5 and "rho" in statement:
        statement["C"] = len(statement.pop("rho"))
    elif rng.random() < 0.5 and "C" in statement:
        statement["rho"] = [f"1/{statement['C']}"] * statement.pop("C")
        document["witness"] = {"embeddings": [["1/1"]] * len(statement["rho"]), "shift": "1/1000000"}


def _exchange_loss(document: Any, rng: Random) -> None:
    document["statement"]["loss"] = rng.choice(["logistic", "hinge", "exponential", "separable", "decoupled", "zero"])


def _precision(document: Any, rng: Random) -> None:
    document["witness"]["precision"] = rng.choice(_PRECISIONS)


def _interval(document: Any, rng: Random) -> None:
    """The claimed interval moved, swapped, shrunk or grown."""
    statement = document["statement"]
    low, high = Fraction(statement["lower"]), Fraction(statement["upper"])
    width = high - low
    t = Fraction(rng.randrange(1, 100), 100)
    low, high = rng.choice(
        [
            (high, low),
            (low, low),
            (low + t * width, high),
            (low, high - t * width),
            (low + width * 2, high + width * 2),
            (low - width, low - t * width),
            (low + t * width / 2, high - t * width / 2),
            (high - width / 10**30, high),
            (low - t, high + t),
            (low - width * 100, high),
        ]
    )
    statement["lower"], statement["upper"] = _ratio(low), _ratio(high)


def _witness(document: Any, rng: Random) -> None:
    """The shift or the embeddings changed as a whole."""
    witness = document["witness"]
    if "shift" not in witness:
        document["witness"] = {"shift": "1/2", "embeddings": [["1/1"]]}
        return
    rows = witness["embeddings"]
    match rng.randrange(6):
        case 0:
            witness["shift"] = _ratio(Fraction(witness["shift"]) * Fraction(10) ** rng.randrange(-40, 40))
        case 1:
            rng.shuffle(rows)
        case 2:
            rows[rng.randrange(len(rows))] = ["0/1"] * len(rows[0])
        case 3:
            rows[:] = [[*row, _ratio(Fraction(rng.randrange(-9, 9)))] for row in rows]
        case 4:
            rows[:] = [[f"{rng.randrange(-(10**6), 10**6)}/1" for _ in row] for row in rows]
        case _:
            rows *= 300


def _extra_field(document: Any, rng: Random) -> None:
    rng.choice([document, document["statement"]])[rng.choice(["note", "upper2", "proved"])] = True


MUTATIONS: dict[str, tuple[Callable[[Any, Random], None], int]] = {
    "nudge": (_nudge, 8),
    "swap digits": (_swap_digits, 5),
    "drop": (_drop, 3),
    "wrong type": (_wrong_type, 4),
    "exchange kind": (_exchange_kind, 1),
    "exchange loss": (_exchange_loss, 1),
    "precision": (_precision, 1),
    "interval": (_interval, 4),
    "witness": (_witness, 3),
    "extra field": (_extra_field, 1),
}


def mutate(text: str, rng: Random) -> tuple[str, str]:
    """The name of a mutation, and the certificate that it makes of this one."""
    if rng.random() < 0.05:
        cut = rng.randrange(len(text))
        return "text", rng.choice(
            [
                text[:cut],
                text[:cut] + chr(rng.randrange(32, 127)) + text[cut + 1 :],
                text.replace('"lower"', '"upper"'),
                text[:cut] + "[" * 200_000,
                "",
                '{"schema":' * 100_000,
            ]
        )
    document = json.loads(text)
    names = list(MUTATIONS)
    name = rng.choices(names, [MUTATIONS[n][1] for n in names])[0]
    MUTATIONS[name][0](document, rng)
    changed = json.dumps(document)
    return name, changed.replace(f'"{_NESTED}"', "[" * 100_000 + "]" * 100_000)


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
