"""What another number of negatives, or another temperature, would do: to these points, and to the optimum."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from theory.errors import InputError
from theory.points.row_moments import RowMoments
from theory.problem import MAX_K, Problem
from verify.supervised.minimizer import Enclosing
from verify.supervised.sequence import estimated, point


@dataclass(frozen=True)
class Change:
    """One row of the table, in double precision.

    Attributes:
        k: number of negatives, or "inf".
        temperature: exact.
        value: the loss of the points for this `k` and temperature; None where it was not computed (lower temperatures).
        optimum: the minimum for this `k` and temperature.
        downstream: the loss of the best unit-norm classifier at that optimum, at this temperature; None where neither
            a proof nor an estimate supports its digits.
        smallest_cosine: between two classes there.
    """

    k: int | str
    temperature: str
    value: float | None
    optimum: float
    downstream: float | None
    smallest_cosine: float


def changes(problem: Problem, rows: RowMoments, *, progress: Callable[[str], None] | None = None) -> tuple[Change, ...]:
    """Sixteen times fewer and more negatives and the limit; half and twice the temperature, where a problem has it."""
    k, temperature = problem.k, problem.temperature
    others = {1, k, math.inf} | ({max(1, k // 16), min(MAX_K, 16 * k)} if isinstance(k, int) else set())
    asked = [replace(problem, k=other) for other in sorted(others)]
    for T in (temperature / 2, 2 * temperature):
        with suppress(InputError):
            asked.append(replace(problem, temperature=T))
    made, at = [], None
    for changed in asked:
        other, T, beta = changed.k, changed.temperature, float(changed.beta)
        if progress is not None:
            progress(f"the optimum for k = {other} at temperature {T}")
        at = Enclosing(changed, near=None if at is None else at.solution)
        known = estimated(at, "weighted", "optimal")
        if known.sup is None:  # an enclosure takes ten times as long, and knows more
            known = point(at, "weighted", "optimal")
        made.append(
            Change(
                "inf" if math.isinf(other) else int(other),
                f"{T.numerator}/{T.denominator}",
                rows.loss(other, beta).value if rows.serves(other, beta) else None,
                at.solution.value,
                known.sup,
                at.solution.smallest_cosine,
            )
        )
    return tuple(made)
