"""Is a statement of a certificate true? Judged by the references, never by the checker, kind by kind.

Each judge reads the statement by itself: what is missing, unknown or out of place makes it false.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from math import comb
from typing import Any

from experiments.certificates import judges_graph, reference, reference_averaging
from experiments.certificates.reference import WEIGHTED
from experiments.certificates.reference_averaging import Representation
from experiments.certificates.reference_downstream import MAX_DRAWS, TINY, downstream_loss

Statement = dict[str, Any]
MAX_SUM = 3000
ON_A_GRAPH = " on a graph"


def is_true(statement: Statement) -> bool:
    """Whether the statement is true.

    Raises:
        ValueError: if the reference cannot tell (an unknown kind, more than three classes, too many negatives).
    """
    name = kind_of(statement)
    if name not in JUDGES:
        raise ValueError(f"the reference does not judge {name}")
    judge, needed, more = JUDGES[name]
    weighted = statement.get("loss") == WEIGHTED.rstrip(":")
    if weighted != ("q" in statement) or (weighted and Fraction(statement["q"]) <= 0):
        return False
    if weighted:
        statement = {field: x for field, x in statement.items() if field != "q"} | {"loss": WEIGHTED + statement["q"]}
    if not {"kind", *needed} <= set(statement) <= {"kind", *needed, *more}:
        return False
    return judge(statement)


def kind_of(statement: Statement) -> str:
    """Its kind; a statement about an augmentation graph is of a kind of its own."""
    on_a_graph = "graph" in statement and statement["kind"] != "indistinguishability"
    return f"{statement['kind']}{ON_A_GRAPH if on_a_graph else ''}"


def _rationals(values: list[str]) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, values))


def _beta(statement: Statement) -> Fraction:
    return 1 / Fraction(statement["temperature"])


def _holds(interval: Statement, value: Any) -> bool:
    return bool(reference.number(Fraction(interval["lower"])) <= value <= reference.number(Fraction(interval["upper"])))


def _etf(statement: Statement) -> bool:
    if statement["k"] > MAX_SUM:
        raise ValueError(f"k = {statement['k']}: too many terms")
    if statement["d"] < statement["C"] - 1:
        return False
    return _holds(statement, reference.etf_minimum(statement["loss"], statement["C"], statement["k"], _beta(statement)))


def _optimum(statement: Statement) -> bool:
    counts = statement.get("counts", [1] * len(statement["rho"]))
    if sum(counts) > 3:
        raise ValueError("the reference finds minimizers for two and three classes")
    if comb(statement["k"] + sum(counts) - 1, statement["k"]) > MAX_DRAWS:
        raise ValueError(f"k = {statement['k']}: too many negatives to enumerate")
    of_class = [g for g, n in enumerate(counts) for _ in range(n)]
    rho = tuple(Fraction(statement["rho"][g]) for g in of_class)
    if len(counts) != len(statement["rho"]) or sum(rho) != 1 or min(rho) <= 0:
        return False
    minimum = reference.minimum(statement["loss"], rho, statement["k"], _beta(statement))
    collapsed = all(abs(x) == 1 for row in minimum.gram for x in row)
    least = 1 if collapsed and "counts" in statement else len(rho) - 1
    if not _holds(statement, minimum.loss) or statement["d"] < least:
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


def _downstream(statement: Statement, k: int) -> Any:
    """The downstream loss of the minimizer at this k, or None where the statement makes no sense."""
    rho, C = _rationals(statement["rho"]), len(statement["rho"])
    if sum(rho) != 1 or min(rho) <= 0 or statement["d"] < max(1, C - 1) or k < 1:
        return None
    weights = {"weighted": rho, "balanced": (Fraction(1, C),) * C}[statement["weighting"]]
    return downstream_loss(
        statement["loss"], rho, k, _beta(statement), weights, statement["classifier"], min(statement["d"], C)
    )


def _downstream_loss(statement: Statement) -> bool:
    value = _downstream(statement, statement["k"])
    return value is not None and _holds(statement, value)


def _series(statement: Statement) -> list[Any] | None:
    """The losses at the points, or None if one of the intervals misses its own."""
    found = []
    for point in statement["points"]:
        value = _downstream(statement, point["k"])
        if set(point) != {"k", "lower", "upper"} or value is None or not _holds(point, value):
            return None
        found.append(value)
    if any(first["k"] >= second["k"] for first, second in pairwise(statement["points"])):
        return None
    return found


def _refuted(statement: Statement) -> bool:
    values, increase = _series(statement), Fraction(statement["increase"])
    if values is None or len(values) != 2:
        return False
    return increase > 0 and bool(reference.number(increase) <= values[1] - values[0])


def _conjecture_holds(statement: Statement) -> bool:
    values = _series(statement)
    return bool(values) and all(bool(later <= earlier + TINY) for earlier, later in pairwise(values or []))


def _averaging(statement: Statement) -> bool:
    loss = {name: Fraction(value) for name, value in statement["loss"].items()}
    rho = list(_rationals(statement["rho"]))
    weights = [list(_rationals(row)) for row in statement["weights"]]
    rows = [list(_rationals(row)) for row in statement["embeddings"]]
    claimed = Fraction(statement["excess_lower"])
    if not reference_averaging.is_in_the_family(loss) or sum(rho) != 1 or min(rho) <= 0 or claimed <= 0:
        return False
    if any(sum(row) != 1 or min(row) <= 0 for row in weights) or not 0 <= statement["class"] < len(rho):
        return False
    if any(sum(x * x for x in row) != 1 or len(row) != statement["d"] for row in rows):
        return False
    N = len(weights[0])
    if {len(row) for row in weights} != {N} or len(weights) != len(rho) or len(rows) != N * len(rho):
        return False
    found = reference_averaging.excesses(
        loss, Representation(rho, weights, rows), statement["k"], _beta(statement), statement["class"]
    )
    chances = weights[statement["class"]]
    average = sum(reference.number(w) * x for w, x in zip(chances, found, strict=True))
    least = {"average": average, "every point": min(found)}[statement["excess_of"]]
    return bool(reference.number(claimed) <= least)


_TASK = ("loss", "temperature", "d", "rho", "weighting", "classifier")
_GRAPH = ("loss", "temperature", "d", "graph")
#: Of each kind the judge, the fields that a statement has, and those that it may have.
JUDGES: dict[str, tuple[Callable[[Statement], bool], tuple[str, ...], tuple[str, ...]]] = {
    "averaging-step-refuted": (
        _averaging,
        ("loss", "k", "temperature", "rho", "d", "weights", "embeddings", "class", "excess_of", "excess_lower"),
        (),
    ),
    "conjecture-holds": (_conjecture_holds, (*_TASK, "points"), ()),
    "conjecture-refuted": (_refuted, (*_TASK, "points", "increase"), ()),
    "downstream-loss": (_downstream_loss, (*_TASK, "k", "lower", "upper"), ()),
    "etf-optimality": (_etf, ("loss", "C", "k", "temperature", "d", "lower", "upper"), ()),
    "global-optimum": (
        _optimum,
        ("loss", "k", "temperature", "d", "rho", "lower", "upper"),
        ("counts", "minimizer"),
    ),
    "indistinguishability": (judges_graph.verdict_holds, (*_GRAPH, "k", "verdict"), ()),
    "global-optimum" + ON_A_GRAPH: (judges_graph.minimum_holds, (*_GRAPH, "k", "lower", "upper"), ()),
    "downstream-loss" + ON_A_GRAPH: (judges_graph.loss_holds, (*_GRAPH, "task", "k", "lower", "upper"), ()),
    "conjecture-refuted" + ON_A_GRAPH: (judges_graph.rise_holds, (*_GRAPH, "task", "points", "increase"), ()),
}
