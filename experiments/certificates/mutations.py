"""Mutations of a certificate: each changes a correct one in a way that a forger or an accident might.

Half of them change the document (numbers, fields, the claim, the hints), half the bytes of its text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from random import Random
from typing import Any

from experiments.certificates.mutations_of_bytes import BYTES
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
_KINDS = ["averaging-step-refuted", "conjecture-holds", "conjecture-refuted", "downstream-loss", "etf-optimality"]
_KINDS += ["global-optimum", "indistinguishability", "", "Global-Optimum"]
_CHOICES = {
    "weighting": ["weighted", "balanced", "none"],
    "classifier": ["optimal", "mean", "best"],
    "excess_of": ["average", "every point", "one point"],
    "verdict": ["holds", "fails", "undecided"],
    "minimizer": ["means", "collapsed", "uniform", "none"],
    "structure": ["two-classes", "uniform", "total-collapse", "none"],
}
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
    statement["kind"] = rng.choice(_KINDS)
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
    """The claimed interval moved, swapped, shrunk or grown; a claimed increase made larger or smaller."""
    statement = document["statement"]
    if "lower" not in statement and "points" not in statement and "excess_lower" not in statement:
        _exchange_choice(document, rng)
        return
    amounts = [name for name in ("increase", "excess_lower") if name in statement]
    if amounts and ("points" not in statement or rng.random() < 0.5):
        factor = 1 + rng.choice([-1, 1]) * Fraction(rng.randrange(1, 100), 10 ** rng.randrange(2, 24))
        statement[amounts[0]] = ratio(Fraction(statement[amounts[0]]) * factor)
        return
    holder = rng.choice(statement["points"]) if "points" in statement else statement
    low, high = Fraction(holder["lower"]), Fraction(holder["upper"])
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
    holder["lower"], holder["upper"] = ratio(low), ratio(high)


def _witness(document: Any, rng: Random) -> None:
    """The shift, the embeddings or the classifier changed as a whole, or the hint replaced by another."""
    witness = document["witness"]
    if isinstance(witness.get("points"), list):
        witness = rng.choice(witness["points"])
    if "within" in witness and rng.random() < 0.5:
        part = rng.choice(["within", "radius"])
        witness[part] = ratio(Fraction(witness[part]) * (1 + Fraction(rng.choice([-1, 1]), 10 ** rng.randrange(30))))
        return
    names = [name for name in ("embeddings", "means", "classifier") if name in witness]
    if not names:
        witness.clear()
        witness |= rng.choice(
            [{"shift": "1/2", "embeddings": [["1/1"]]}, {"structure": rng.choice(_CHOICES["structure"])}]
        )
        return
    rows = witness[rng.choice(names)]
    match rng.randrange(7):
        case 0 if "shift" in witness:
            witness["shift"] = ratio(Fraction(witness["shift"]) * Fraction(10) ** rng.randrange(-40, 40))
        case 1:
            rng.shuffle(rows)
        case 2:
            rows[rng.randrange(len(rows))] = ["0/1"] * len(rows[0])
        case 3:
            rows[:] = [[*row, ratio(Fraction(rng.randrange(-9, 9)))] for row in rows]
        case 4:
            rows[:] = [[f"{rng.randrange(-(10**6), 10**6)}/1" for _ in row] for row in rows]
        case 5:
            witness["structure"] = rng.choice(_CHOICES["structure"])
        case _:
            rows *= 300


def _points(document: Any, rng: Random) -> None:
    """A point of a claim about several k taken away, repeated or exchanged, in the claim alone or in both parts."""
    lists = [part["points"] for part in (document["statement"], document["witness"]) if "points" in part]
    if not lists:
        _permute(document, rng)
        return
    i, j, change = rng.randrange(len(lists[0])), rng.randrange(len(lists[0])), rng.randrange(4)
    for points in lists[: rng.choice([1, 2])]:
        if change == 0:
            del points[i]
        elif change == 1:
            points.insert(j, json.loads(json.dumps(points[i])))
        else:
            points[i], points[j] = points[j], points[i]
            if change == 3 and "k" in points[i]:
                points[i]["k"], points[j]["k"] = points[j]["k"], points[i]["k"]


def _permute(document: Any, rng: Random) -> None:
    """Classes in another order, or masses moved between them."""
    statement = document["statement"]
    rho = statement.get("rho")
    if "graph" in statement:
        _graph(document, rng)
    elif rho is None:
        statement["C"] += rng.choice([-1, 1])
    elif rng.random() < 0.5:
        rng.shuffle(rho)
    else:
        masses = [Fraction(r) for r in rho]
        moved = masses[0] * Fraction(rng.choice([-1, 1]), 10 ** rng.randrange(1, 24))
        rho[0], rho[-1] = ratio(masses[0] + moved), ratio(masses[-1] - moved)


def _graph(document: Any, rng: Random) -> None:
    """A graph with as much mass in all: moved between its pairs, some pairs or points gone, other labels."""
    graph = document["statement"].get("graph")
    if graph is None:
        _permute(document, rng)
        return
    same, joint = graph["same"], graph["joint"]
    match rng.randrange(6):
        case 0 | 1 if joint:
            pair, g = rng.choice(joint), rng.randrange(len(same))
            both = 1 if pair[0] == pair[1] else 2
            moved = Fraction(pair[2]) * Fraction(rng.choice([-1, 1]), 10 ** rng.randrange(0, 20))
            pair[2], same[g] = ratio(Fraction(pair[2]) + moved), ratio(Fraction(same[g]) - both * moved)
        case 2 if joint:
            g, h, mass = joint.pop(rng.randrange(len(joint)))
            same[g], same[h] = (ratio(Fraction(x) + Fraction(mass) / (1 + (g == h))) for x in (same[g], same[h]))
        case 3:
            rng.shuffle(same)
        case 4 if "labels" in graph:
            rng.shuffle(graph["labels"])
        case _:
            graph["counts"][rng.randrange(len(same))] += rng.choice([-1, 1])


def _exchange_choice(document: Any, rng: Random) -> None:
    """A word replaced by another one that is known, or not."""
    places = [path for path in paths(document) if path[-1] in _CHOICES]
    if not places:
        _exchange_loss(document, rng)
        return
    path = rng.choice(places)
    _holder(document, path)[path[-1]] = rng.choice(_CHOICES[path[-1]])


def _extra_field(document: Any, rng: Random) -> None:
    rng.choice([document, document["statement"]])[rng.choice(["note", "upper2", "proved"])] = True


MUTATIONS: dict[str, tuple[Callable[[Any, Random], None], int]] = {
    "nudge": (_nudge, 8),
    "swap digits": (_swap_digits, 5),
    "drop": (_drop, 3),
    "wrong type": (_wrong_type, 4),
    "exchange kind": (_exchange_kind, 1),
    "exchange loss": (_exchange_loss, 1),
    "exchange choice": (_exchange_choice, 1),
    "permute": (_permute, 1),
    "graph": (_graph, 3),
    "points": (_points, 1),
    "precision": (_precision, 1),
    "interval": (_interval, 4),
    "witness": (_witness, 3),
    "extra field": (_extra_field, 1),
}


def mutate(text: str, rng: Random) -> tuple[str, bytes]:
    """The name of a mutation, and the certificate that it makes of this one."""
    document = json.loads(text)
    if rng.random() < 0.5:
        # without blanks, so that no change is lost on them
        changed = json.dumps(document, separators=(",", ":")).encode()
        name = rng.choices(list(BYTES), [weight for _, weight in BYTES.values()])[0]
        for _ in range(rng.choice([1, 1, 2])):
            changed = BYTES[name][0](changed, rng) if changed else changed
        return name, changed
    name = rng.choices(list(MUTATIONS), [weight for _, weight in MUTATIONS.values()])[0]
    MUTATIONS[name][0](document, rng)
    return name, json.dumps(document).replace(f'"{_NESTED}"', "[" * 100_000 + "]" * 100_000).encode()
