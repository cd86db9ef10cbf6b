"""Numbers beside an enclosure of the same quantity: none of them contradicts it, and none says more than it does.

Doubles carry rounding errors, also those that are said to be bounds; decimals are rounded once more. Every command
brings its numbers past these functions before it returns or prints them. Imports nothing heavy.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

#: What double precision may be off, relative to max(1, |value|): ten times the error to which values are tested.
ROUNDING = 1e-12

#: Significant decimals that are printed of a double.
DIGITS = 15


def round_down(value: Fraction) -> float:
    """The largest double that is at most `value`."""
    nearest = float(value)
    return nearest if Fraction(nearest) <= value else math.nextafter(nearest, -math.inf)


def round_up(value: Fraction) -> float:
    """The smallest double that is at least `value`."""
    return -round_down(-value)


def outward(lower: Fraction | float, upper: Fraction | float) -> tuple[float, float, float]:
    """The interval in doubles, and its true width: proven ends (`Fraction`) are rounded outward, and ends found in
    double precision moved outward by what rounding may have cost."""
    low = round_down(lower) if isinstance(lower, Fraction) else lower - ROUNDING * max(1.0, abs(lower))
    high = round_up(upper) if isinstance(upper, Fraction) else upper + ROUNDING * max(1.0, abs(upper))
    proven = isinstance(lower, Fraction) and isinstance(upper, Fraction)
    return low, high, float(upper - lower) if proven else high - low


def within(value: float, lower: float | None, upper: float | None = None) -> float:
    """A double that stands for a number of the interval, without the rounding that put it outside."""
    if lower is not None and value < lower:
        return lower
    return upper if upper is not None and value > upper else value


def interval(lower: float | None, upper: float | None) -> str:
    """`[lower, upper]` in decimals, rounded outward; a question mark where an end is not known."""
    ends = zip((lower, upper), (ROUND_FLOOR, ROUND_CEILING), strict=True)
    return "[" + ", ".join("?" if end is None else _decimal(end, rounding) for end, rounding in ends) + "]"


def supported(value: float, width: float | None) -> str:
    """The value to the decimals that an interval of this width around it leaves (all of them if None)."""
    if not width:
        return f"{value:.{DIGITS}g}"
    size = math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{min(DIGITS, max(1, size - math.ceil(math.log10(width)) + 1))}g}"


def _decimal(end: float, rounding: str) -> str:
    if not math.isfinite(end):
        return str(end)
    # so many decimals go through a double unharmed
    return f"{float(Context(prec=DIGITS, rounding=rounding).plus(Decimal(end))):.{DIGITS}g}"
