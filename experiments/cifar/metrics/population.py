"""The population loss of the training images as points, for positives that are not of the class alone.

*Mixed positives* (derived). The anchor's own image, with probability `1 - a`, has cosine 1, and `T_n(1) = 1`: the
moments of the law of positives are `1 - a + a m_n`, `m_n` those of its class (`theory.points.row_moments`). The lifting
of `theory.points.lifting` does not hold for them, and what the loss is above its minimum has no two parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from verify.trained.loss import moments
from verify.trained.points import Points


@dataclass(frozen=True)
class MixedLoss:
    """The population loss with mixed positives.

    Attributes:
        value: `L_k(f)`.
        optimum_lower, optimum_upper: the least possible.
        excess: `value` above the middle of these.
        error: an estimate of the error of `value` (`theory.points.row_moments`).
    """

    value: float
    optimum_lower: float
    optimum_upper: float
    excess: float
    error: float


def mixed_loss(
    given: Points, k: int, beta: float, *, overlap: float, optimum: tuple[float, float], xp: Any = np
) -> MixedLoss:
    """The `MixedLoss` of points, whose positives are the point itself with probability `1 - overlap`."""
    rows = moments(given, k, beta, xp=xp)
    found = replace(rows, positives=1 - overlap + overlap * rows.positives).loss(k, beta)
    lower, upper = optimum
    return MixedLoss(found.value, lower, upper, found.value - 0.5 * (lower + upper), found.error)
