"""What a training run wants to know of its embeddings at every epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from theory.problem import Problem
from verify.trained.geometry import class_means, collapse, cosines
from verify.trained.loss import loss_of, moments
from verify.trained.optimum import optimum
from verify.trained.points import Points


@dataclass(frozen=True)
class Measures:
    """The numbers of one moment of a training run.

    Attributes:
        value: the population loss `L_k(f)` of the points.
        distinct: the same where no point is its own positive, or None.
        optimum_lower, optimum_upper: the certified minimum for the prior.
        spread, geometry: the two parts of what `value` is above it.
        chance, share: the loss where all points coincide; how much of the way from there to the minimum has been made.
        error: an estimate of the error of `value`.
        max_cosine_error: between class means, off the optimal cosines; None if a mean is zero.
        nc1: within-class over between-class variability; None if the class means coincide.
        rank: effective rank of the points.
        status: how far the minimum is settled.
    """

    value: float
    distinct: float | None
    optimum_lower: float
    optimum_upper: float
    spread: float
    geometry: float
    chance: float
    share: float
    error: float
    max_cosine_error: float | None
    nc1: float | None
    rank: float
    status: str


def measures(given: Points, problem: Problem, progress: Callable[[str], None] | None = None) -> Measures:
    """The measures of these points, whose prior is that of the problem."""
    best = optimum(problem)
    rows = moments(given, problem.k, float(problem.beta), progress=progress)
    loss = loss_of(given, rows, problem, (best.lower, best.upper))
    means = class_means(given)
    # the class means are a classifier as good as any here: NC1 and the rank do not look at it
    geometry = collapse(given, means, means)
    return Measures(
        value=loss.value,
        distinct=loss.distinct,
        optimum_lower=loss.optimum_lower,
        optimum_upper=loss.optimum_upper,
        spread=loss.spread,
        geometry=loss.geometry,
        chance=loss.chance,
        share=loss.share,
        error=loss.error,
        max_cosine_error=cosines(means, best).max_error,
        nc1=geometry.nc1,
        rank=geometry.rank,
        status=best.status.value,
    )
