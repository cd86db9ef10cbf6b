"""Exact numbers to python-flint's balls and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb, fmpq

Ball = Any  # flint.arb, which has no type stubs


def ball(q: Fraction | int) -> Ball:
    """The smallest ball at hand around an exact number."""
    return arb(fmpq(q.numerator, q.denominator))


def fraction(exact: Ball) -> Fraction:
    """The dyadic number that a ball of radius zero is."""
    mantissa, exponent = exact.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def bounds(x: Ball) -> tuple[Fraction, Fraction]:
    """Exact numbers below and above everything in the ball, whatever precision is set."""
    middle, radius = fraction(x.mid()), fraction(x.rad())
    return middle - radius, middle + radius
