"""The value of a bound, or the reason why it has none."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """A number, or the reason why there is none.

    value: the bound as a double; `None` where it is undefined, infinite or beyond the range of doubles.
    reason: why `value` is `None`; else `None`.
    log: the natural logarithm of a finite positive bound, which the range of doubles does not limit.
    """

    value: float | None
    reason: str | None = None
    log: float | None = None


def undefined(reason: str) -> Bound:
    """No bound, for this reason."""
    return Bound(None, reason)


def at(value: float) -> Bound:
    """A bound that is an ordinary number, of either sign."""
    return Bound(value, None, math.log(value) if value > 0 else None)


def quotient(numerator: float, log_divisor: float) -> Bound:
    """`numerator / exp(log_divisor)`, for `numerator >= 0`."""
    if log_divisor == -math.inf:
        return undefined("infinite: the event that the bound rests on has probability 0")
    if numerator <= 0:
        return at(0.0)
    log = math.log(numerator) - log_divisor
    if log > math.log(1.7e308):
        return Bound(None, f"finite, but beyond the range of doubles: about exp({log:.6g})", log)
    return Bound(math.exp(log), None, log)
