"""Mutations of a certificate: each changes the text of a correct one in a way that a forger or an accident might."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import Any

from verify.certify.document import ratio

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
    holder[key] = ratio(rng.choice([q + unit, q - unit, q + part, q - part, -q, 2 * q, q / 2, 1 - q, q + 1]))


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
    statement["lower"], statement["upper"] = ratio(low), ratio(high)


def _witness(document: Any, rng: Random) -> None:
    """The shift or the embeddings changed as a whole."""
    witness = document["witness"]
    if "shift" not in witness:
        document["witness"] = {"shift": "1/2", "embeddings": [["1/1"]]}
        return
    rows = witness["embeddings"]
    match rng.randrange(6):
        case 0:
            witness["shift"] = ratio(Fraction(witness["shift"]) * Fraction(10) ** rng.randrange(-40, 40))
        case 1:
            rng.shuffle(rows)
        case 2:
            rows[rng.randrange(len(rows))] = ["0/1"] * len(rows[0])
        case 3:
            rows[:] = [[*row, ratio(Fraction(rng.randrange(-9, 9)))] for row in rows]
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
