"""What a training run wants to know of its embeddings at every epoch."""

from __future__ import annotations

from dataclasses import dataclass

from verify.results import Result, Status
from verify.trained.geometry import class_means, collapse, cosines
from verify.trained.loss import Loss
from verify.trained.optimum import Optimum
from verify.trained.points import Points


@dataclass(frozen=True)
class Measures(Result):
    """The numbers of one moment of a training run; those of the loss are explained at `verify.trained.loss.Loss`.

    Attributes:
        status: how far the minimum is settled; the loss is in double precision.
        value: the population loss `L_k(f)` of the points.
        distinct: the same where no point is its own positive, or None.
        optimum_lower, optimum_upper: the certified minimum for the prior.
        excess: what `value` is above it.
        spread, geometry: the two parts of that.
        chance, share: the loss where all points coincide; how much of the way from there to the minimum has been made.
        error: an estimate of the error of `value`.
        standard_error: of `value`, where anchors were drawn; else 0.
        max_cosine_error: between class means, off the optimal cosines; None if a mean is zero.
        nc1: within-class over between-class variability; None if the class means coincide.
        rank: effective rank of the points.
    """

    status: Status
    value: float
    distinct: float | None
    optimum_lower: float
    optimum_upper: float
    excess: float
    spread: float
    geometry: float
    chance: float
    share: float
    error: float
    standard_error: float
    max_cosine_error: float | None
    nc1: float | None
    rank: float


def measures(given: Points, loss: Loss, best: Optimum) -> Measures:
    """The measures of these points, at the loss that they have beside this minimum."""
    means = class_means(given)
    # the class means are a classifier as good as any here: NC1 and the rank do not look at it
    geometry = collapse(given, means, means)
    return Measures(
        status=best.status,
        value=loss.value,
        distinct=loss.distinct,
        optimum_lower=loss.optimum_lower,
        optimum_upper=loss.optimum_upper,
        excess=loss.excess,
        spread=loss.spread,
        geometry=loss.geometry,
        chance=loss.chance,
        share=loss.share,
        error=loss.error,
        standard_error=loss.standard_error,
        max_cosine_error=cosines(means, best).max_error,
        nc1=geometry.nc1,
        rank=geometry.rank,
    )
