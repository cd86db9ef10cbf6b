"""From proven brackets along `k` to a decision about the conjecture."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from verify.results import Status
from verify.supervised.sequence import Point, same

#: Floats that rise by less than this are not told from floats that fall.
FLOAT_TOLERANCE = 1e-10


def rise(first: Point, second: Point) -> Fraction:
    """What the brackets prove of `L_sup(second) - L_sup(first)`: at least this."""
    assert first.bracket is not None
    assert second.bracket is not None
    return second.bracket.lower - first.bracket.upper


def decide(loss_name: str, points: list[Point]) -> tuple[tuple[Point, Point] | None, Status, str]:
    """The largest proven rise if there is one, the status, and what is missing for a better one.

    A single `k` has no other to be compared with: whatever is known there, nothing is decided.
    """
    if len(points) < 2:
        return None, Status.UNDECIDED, "a single k decides nothing: give at least two to compare"
    best: tuple[Point, Point] | None = None
    lowest: Point | None = None
    for point in points:
        if point.bracket is None:
            continue
        if lowest is not None and rise(lowest, point) > (rise(*best) if best else 0):
            best = (lowest, point)
        if lowest is None or (lowest.bracket is not None and point.bracket.upper < lowest.bracket.upper):
            lowest = point
    if best is not None:
        return best, Status.REFUTED, ""
    missing = [point for point in points if point.bracket is None]
    holds = all(
        same(loss_name, a, b)
        or (a.bracket is not None and b.bracket is not None and b.bracket.upper <= a.bracket.lower)
        for a, b in pairwise(points)
    )
    if not missing and holds:
        return None, Status.PROVED, ""
    if all(_falls(loss_name, a, b) for a, b in pairwise(points)):
        return None, Status.NUMERICAL, f"k = {missing[0].k}: {missing[0].note}"
    if missing:
        return None, Status.UNDECIDED, f"k = {missing[0].k}: {missing[0].note}"
    a, b = next(
        (a, b)
        for a, b in pairwise(points)
        if not same(loss_name, a, b)
        and a.bracket is not None
        and b.bracket is not None
        and b.bracket.upper > a.bracket.lower
    )
    return None, Status.UNDECIDED, f"the brackets at k = {a.k} and {b.k} overlap at every precision tried"


def _falls(loss_name: str, a: Point, b: Point) -> bool:
    """Whether the loss falls, or stays, from one k to the next, by proof or as far as the estimates go."""
    if same(loss_name, a, b):
        return True
    if a.bracket is not None and b.bracket is not None:
        return b.bracket.upper <= a.bracket.lower
    if a.sup is None or a.error is None or b.sup is None or b.error is None:
        return False
    return b.sup + b.error <= a.sup - a.error + FLOAT_TOLERANCE
