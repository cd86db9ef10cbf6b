"""The certificates of `verify.augmentation`: collapse or not, the minimum, the downstream loss, and its rise with k."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from theory.augmentation.chains import members, within
from verify.certify.document import document, ratio
from verify.certify.publish import publish
from verify.graphs.collapse import ClassLevel, gap_is_at_least
from verify.graphs.proof import GraphProof, graph_statement
from verify.graphs.series import Point, Setting, best_rise
from verify.graphs.uniform import UniformProof
from verify.results import Status


def certify(
    setting: Setting, points: Sequence[Point], kind: str | None, path: Path | str, status: Status
) -> tuple[str | None, Status, str]:
    """Write the certificate of this kind, if there is one and the checker accepts it: where, the status, and a note."""
    if kind is None:
        one = "global-optimum" if setting.graph.crosses else "indistinguishability"
        kind = "conjecture-refuted" if len(points) > 1 else one
    made = _made(setting, points, kind)
    if isinstance(made, str):
        return None, status, f"no certificate: {made}"
    return publish(made, path, status)


def _made(setting: Setting, points: Sequence[Point], kind: str) -> dict[str, Any] | str:
    if kind == "indistinguishability":
        return indistinguishability(setting, points[0])
    if kind == "global-optimum":
        return minimum(setting, points[0])
    if kind == "downstream-loss":
        return downstream(setting, points[0], next(iter(setting.tasks)))
    for task in setting.tasks:
        rise = best_rise(points, task)
        if rise is not None:
            return refuted(setting, points[rise[0]], points[rise[1]], task)
    return "no rise of the downstream loss is proved"


def indistinguishability(setting: Setting, point: Point) -> dict[str, Any] | str:
    """`indistinguishability`: holds or fails at this k."""
    level = point.level
    if level is None or level.enclosures is None or isinstance(level.minimizer, str):
        return "collapse is not proved, nor refuted"
    statement = graph_statement("indistinguishability", setting.at(point.k).problem)
    if point.collapsed == "proved":
        return document(statement | {"verdict": "holds"}, dict(level.minimizer.witness))
    if point.collapsed != "refuted":
        return "collapse is not proved, nor refuted"
    return document(statement | {"verdict": "fails"}, level.minimizer.witness | _violation(setting, level))


def _violation(setting: Setting, level: ClassLevel) -> dict[str, Any]:
    """A class whose gap is too small, and a vector that shows it where no group does by itself."""
    graph = setting.graph
    assert level.enclosures is not None
    c = next(
        c
        for c, (low, _) in enumerate(level.enclosures)
        if gap_is_at_least(graph, c, low - Fraction(1, 10**30)) is False
    )
    below = level.enclosures[c][0]
    groups = members(graph, c)
    for g in groups:
        n = graph.counts[g]
        if n > 1:
            mates = graph.joint.get((g, g), Fraction(0)) / (n - 1)
            if (1 - below) * graph.marginal[g] < graph.same[g] - mates:
                return {"class": c}
    pi = np.array([float(graph.marginal[g]) for g in groups])
    root = np.sqrt(pi)
    symmetric = within(graph, c) / np.outer(root, root)
    _, vectors = np.linalg.eigh(symmetric - 2 * np.outer(root, root) / np.sum(pi))
    vector = vectors[:, -1] / root
    return {"class": c, "vector": [ratio(Fraction(round(x * 2**40), 2**40)) for x in vector / np.abs(vector).max()]}


def minimum(setting: Setting, point: Point) -> dict[str, Any] | str:
    """`global-optimum`: the minimum on the graph, by means of the groups."""
    if isinstance(point.proof, GraphProof):
        return point.proof.certificate()
    from verify.graphs.proof import prove_minimum
    from verify.graphs.solution import solve

    problem = setting.at(point.k).problem
    proof = prove_minimum(problem, solve(problem).means)
    return proof if isinstance(proof, str) else proof.certificate()


def downstream(setting: Setting, point: Point, task: str) -> dict[str, Any] | str:
    """`downstream-loss` of one task."""
    hint = _hint(point, task)
    if isinstance(hint, str):
        return hint
    statement = (
        graph_statement("downstream-loss", setting.at(point.k).problem) | _task(setting, task) | _claim(point, task)
    )
    return document(statement, hint)


def refuted(setting: Setting, first: Point, second: Point, task: str) -> dict[str, Any] | str:
    """`conjecture-refuted` for a task: the downstream loss rises from the first k to the second."""
    hints = [_hint(point, task) for point in (first, second)]
    for hint in hints:
        if isinstance(hint, str):
            return hint
    before, after = first.tasks[task].bracket, second.tasks[task].bracket
    assert before is not None
    assert after is not None
    statement = graph_statement("conjecture-refuted", setting.at(first.k).problem)
    del statement["k"]
    statement |= _task(setting, task) | {
        "points": [_claim(point, task) for point in (first, second)],
        "increase": ratio(after.lower - before.upper),
    }
    return document(statement, {"points": hints})


def _task(setting: Setting, task: str) -> dict[str, Any]:
    return {"task": [[ratio(mass) for mass in row] for row in setting.tasks[task]]}


def _claim(point: Point, task: str) -> dict[str, Any]:
    bracket = point.tasks[task].bracket
    assert bracket is not None
    return {"k": point.k, "lower": ratio(bracket.lower), "upper": ratio(bracket.upper)}


def _hint(point: Point, task: str) -> dict[str, Any] | str:
    """Where to look for the minimizer, and a good classifier."""
    bracket = point.tasks[task].bracket
    if bracket is None:
        return "the downstream loss is not proved"
    classifier = {"classifier": bracket.witness()}
    if point.representation.collapsed:
        assert point.level is not None and not isinstance(point.level.minimizer, str)
        return {"minimizer": "collapsed"} | point.level.minimizer.witness | classifier
    if isinstance(point.proof, UniformProof):
        enclosure = {"within": ratio(point.proof.within), "radius": ratio(point.proof.radius)}
        return {"minimizer": "uniform"} | enclosure | classifier
    assert isinstance(point.proof, GraphProof)
    return {"minimizer": "means"} | point.proof.witness() | classifier
