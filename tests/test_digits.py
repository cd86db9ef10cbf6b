"""Printed numbers obey the enclosure beside which they stand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.results import Bracket
from verify.results.digits import DIGITS, interval, outward, supported, within

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


def _read(shown: str) -> list[Fraction]:
    return [Fraction(end) for end in shown.strip("[]").split(", ")]


@given(st.lists(FINITE, min_size=3, max_size=3).map(sorted))
def test_what_lies_between_is_printed_between(three: list[float]) -> None:
    lower, value, upper = three
    low, high = _read(interval(lower, upper))
    assert low <= Fraction(lower) <= Fraction(upper) <= high
    assert low <= Fraction(f"{value:.{DIGITS}g}") <= high
    assert Fraction(lower) - low <= abs(Fraction(lower)) / 10 ** (DIGITS - 1)


def test_ends_that_are_decimals_stay() -> None:
    assert interval(0.578125, 1.0) == "[0.578125, 1]"
    assert interval(None, -1.0) == "[?, -1]"
    assert interval(-math.inf, 0.0) == "[-inf, 0]"


@given(st.fractions(-100, 100), st.fractions(0, 1), FINITE)
def test_brackets_are_obeyed(lower: Fraction, width: Fraction, found: float) -> None:
    """Proven ends go outward by rounding only; a value that is attained is not below the minimum's lower bound."""
    bracket = Bracket.around(found, lower, lower + width, etf=found)
    assert bracket.lower is not None and bracket.upper is not None
    assert Fraction(bracket.lower) <= lower and lower + width <= Fraction(bracket.upper)
    assert bracket.gap == float(width)
    assert bracket.found is not None and bracket.found >= bracket.lower
    assert bracket.etf is not None and bracket.lower <= bracket.etf <= bracket.upper
    assert bracket.found == found or found < bracket.lower


@given(FINITE)
def test_a_value_in_doubles_has_room(value: float) -> None:
    lower, upper, gap = outward(value, value)
    assert lower < value < upper and gap == upper - lower <= 3e-12 * max(1.0, abs(value))


def test_values_within_an_interval_stay() -> None:
    assert within(0.5, 0.0, 1.0) == 0.5
    assert within(-0.5, 0.0, 1.0) == 0.0
    assert within(1.5, 0.0, 1.0) == 1.0
    assert within(1.5, 0.0) == within(1.5, None) == 1.5


@pytest.mark.parametrize(
    ("value", "width", "shown"),
    [
        (0.368139025067793, 8e-11, "0.3681390251"),
        (3.27005538729073, 2e-28, "3.27005538729073"),
        (3.27005538729073, None, "3.27005538729073"),
        (0.25, 3.0, "0.2"),
        (0.0, 1e-9, "0"),
    ],
)
def test_no_more_decimals_than_are_known(value: float, width: float | None, shown: str) -> None:
    assert supported(value, width) == shown
