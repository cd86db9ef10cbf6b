"""Is a statement about an augmentation graph true? Judged by `reference_graph`, never by the checker."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from experiments.certificates import reference_graph
from experiments.certificates.reference import Minimum, number
from experiments.certificates.reference_downstream import smallest_loss
from experiments.certificates.reference_graph import TINY, PointGraph, points_of

Statement = dict[str, Any]


def minimum_holds(statement: Statement) -> bool:
    """`global-optimum`: the minimum is in the interval."""
    graph = _graph(statement)
    return graph is not None and _within(statement, _minimum(statement, graph, statement["k"]).loss)


def verdict_holds(statement: Statement) -> bool:
    """`indistinguishability`: points of a class coincide at the minimum ("holds"), or some do not ("fails")."""
    graph = _graph(statement)
    if graph is None or not graph.labels or graph.crosses:
        return False
    gram = _minimum(statement, graph, statement["k"]).gram
    n = range(len(gram))
    spread = max(1 - gram[i][j] for i in n for j in n if graph.labels[i] == graph.labels[j])
    return {"holds": spread <= TINY, "fails": spread > TINY}.get(statement["verdict"], False)


def loss_holds(statement: Statement) -> bool:
    """`downstream-loss` of a task: the loss of the minimizer is in the interval."""
    value = _downstream(statement, statement["k"])
    return value is not None and _within(statement, value)


def rise_holds(statement: Statement) -> bool:
    """`conjecture-refuted` for a task: the loss is in both intervals, and rises by the increase."""
    points, increase = statement["points"], Fraction(statement["increase"])
    if len(points) != 2 or not points[0]["k"] < points[1]["k"] or increase <= 0:
        return False
    values = [_downstream(statement, point["k"]) for point in points]
    for point, value in zip(points, values, strict=True):
        if set(point) != {"k", "lower", "upper"} or value is None or not _within(point, value):
            return False
    return bool(number(increase) <= values[1] - values[0])


def _graph(statement: Statement) -> PointGraph | None:
    """Its points, unless it makes no sense, or `d` is below their number."""
    graph = points_of(statement["graph"])
    return graph if graph is not None and statement["d"] >= len(graph.joint) else None


def _minimum(statement: Statement, graph: PointGraph, k: int) -> Minimum:
    return reference_graph.minimum(statement["loss"], graph, k, 1 / Fraction(statement["temperature"]))


def _downstream(statement: Statement, k: int) -> Any:
    """The downstream loss of the minimizer at this k, or None where the statement makes no sense."""
    graph, task = _graph(statement), [[Fraction(x) for x in row] for row in statement["task"]]
    if graph is None or k < 1 or len(task) != len(set(graph.groups)) or len({len(row) for row in task}) != 1:
        return None
    if len(task[0]) < 2 or min(x for row in task for x in row) < 0:
        return None
    sizes = [graph.groups.count(g) for g in range(len(task))]
    masses = [[x / sizes[g] for x in task[g]] for g in graph.groups]
    if any(sum(row) != mass for row, mass in zip(masses, graph.marginal, strict=True)):
        return None
    gram = _minimum(statement, graph, k).gram
    return smallest_loss(statement["loss"], masses, 1 / Fraction(statement["temperature"]), gram, statement["d"])


def _within(interval: Statement, value: Any) -> bool:
    return bool(number(Fraction(interval["lower"])) <= value <= number(Fraction(interval["upper"])))
