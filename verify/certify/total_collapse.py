"""Whether the minimizer is total collapse, one class opposite to all others (`theory.collapse_threshold`)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from flint import ctx

from theory.priors import from_masses
from theory.problem import Problem
from verify.certify.balls import ball
from verify.certify.enclosure import Point, enclose


def is_collapsed(problem: Problem, p: Fraction) -> bool | None:
    """Whether `alpha > q gamma` (True) or `alpha < q gamma` (False) at total collapse onto the antipode of the class of
    mass `p`, which is then the minimizer, or is not; None if the two are not told apart."""
    # three classes have the same alpha and gamma: they depend on the minorities through q only
    q = 1 - p
    three = replace(problem, population=from_masses([p, q / 2, q / 2]))
    for bits in (64, 256):
        with ctx.workprec(bits):
            gradient = enclose(three, Point([[1], [-1], [-1]]), bits).gradient
            alpha = gradient[0][1] / ball(q / 2)
            gamma = gradient[1][2] / ball((q / 2) ** 2)
            difference = alpha - ball(q) * gamma
            if difference > 0:
                return True
            if difference < 0:
                return False
    return None
