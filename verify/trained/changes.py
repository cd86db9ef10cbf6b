"""What another number of negatives, or another temperature, would do: to these points, and to the optimum."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.geometry import gram, off_diagonal
from theory.losses import get_loss
from theory.points.row_moments import RowMoments
from theory.priors import Prior
from verify.optimize.objective import gram_value_and_gradient
from verify.results import MAX_K
from verify.supervised.classifier import optimal_classifier
from verify.supervised.representation import best_embeddings


@dataclass(frozen=True)
class Change:
    """One row of the table, in double precision.

    Attributes:
        k: number of negatives, or "inf".
        temperature: exact.
        value: the loss of the points for this `k` and temperature; None where it was not computed (lower temperatures).
        optimum: the minimum for this `k` and temperature.
        downstream: the loss of the best unit-norm classifier at that optimum, at this temperature.
        smallest_cosine: between two classes there.
    """

    k: int | str
    temperature: str
    value: float | None
    optimum: float
    downstream: float
    smallest_cosine: float


def changes(
    prior: Prior,
    rows: RowMoments,
    k: int | float,
    temperature: Fraction,
    *,
    progress: Callable[[str], None] | None = None,
) -> tuple[Change, ...]:
    """Sixteen times fewer and more negatives and the limit; half and twice the temperature."""
    others = {1, k, math.inf} | ({max(1, k // 16), min(MAX_K, 16 * k)} if isinstance(k, int) else set())
    asked = [(other, temperature) for other in sorted(others)]
    asked += [(k, T) for T in (temperature / 2, 2 * temperature)]
    loss, rho, C, made = get_loss("logistic"), prior.as_array(), prior.C, []
    for other, T in asked:
        if progress is not None:
            progress(f"the optimum for k = {other} at temperature {T}")
        beta = float(1 / T)
        U, _ = best_embeddings(loss, prior, other, C, beta)
        G = gram(U)
        head = optimal_classifier(loss, U, np.arange(C), rho, beta=beta, d=C + 1)
        made.append(
            Change(
                "inf" if math.isinf(other) else int(other),
                f"{T.numerator}/{T.denominator}",
                rows.loss(other, beta).value if rows.serves(other, beta) else None,
                gram_value_and_gradient(loss, G, rho, other, beta)[0],
                head.upper,
                float(off_diagonal(G).min()),
            )
        )
    return tuple(made)
