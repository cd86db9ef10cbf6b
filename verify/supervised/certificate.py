"""The parts of the certificates `downstream-loss`, `conjecture-holds` and `conjecture-refuted`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.certify.document import document, ratio
from verify.certify.losses import get

if TYPE_CHECKING:
    from theory.problem import Problem
    from verify.supervised.sequence import Point


def downstream_problem(kind: str, problem: Problem, weighting: str, classifier: str) -> dict[str, Any]:
    """What all claims of one statement share."""
    return {
        "kind": kind,
        **get(problem.loss_name).stated(),
        "temperature": ratio(problem.temperature),
        "d": problem.d,
        **problem.objective.stated(),
        "rho": problem.population.as_strings(),
        "weighting": weighting,
        "classifier": classifier,
    }


def point_claim(point: Point) -> dict[str, Any]:
    """`k`, and the interval that holds the downstream loss there."""
    assert point.bracket is not None
    return {"k": point.k, "lower": ratio(point.bracket.lower), "upper": ratio(point.bracket.upper)}


def point_witness(point: Point) -> dict[str, Any]:
    """Where to look for the minimizer, and a good classifier."""
    assert point.minimizer is not None
    assert point.bracket is not None
    return point.minimizer.witness | point.bracket.witness


def loss_certificate(problem: Problem, weighting: str, point: Point) -> dict[str, Any]:
    """The certificate `downstream-loss`, of the best classifier."""
    statement = downstream_problem("downstream-loss", problem, weighting, "optimal") | point_claim(point)
    return document(statement, point_witness(point))
