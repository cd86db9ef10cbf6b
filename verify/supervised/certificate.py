"""The parts of the certificates `downstream-loss`, `conjecture-holds` and `conjecture-refuted`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verify.certify.document import document, ratio
from verify.certify.losses import get

if TYPE_CHECKING:
    from verify.supervised.sequence import Point, Task


def downstream_problem(kind: str, task: Task) -> dict[str, Any]:
    """What all claims of one statement share."""
    return {
        "kind": kind,
        **get(task.loss.name).stated(),
        "temperature": ratio(task.temperature),
        "d": task.d,
        "rho": task.prior.as_strings(),
        "weighting": task.weighting,
        "classifier": task.classifier,
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


def loss_certificate(task: Task, point: Point) -> dict[str, Any]:
    """The certificate `downstream-loss`."""
    return document(downstream_problem("downstream-loss", task) | point_claim(point), point_witness(point))
