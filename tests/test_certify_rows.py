"""Rows of many values: moments against exponentials, enumeration and another quadrature."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.certificates import reference
from theory.priors import from_masses
from theory.problem import Problem
from verify.certify import rows
from verify.certify.balls import Ball, ball, bounds
from verify.certify.enclosure import Point, enclose
from verify.certify.rows import Law, OutOfReach, Row, law, row_losses, trapezoid_rule

SIXTHS = [Fraction(n, 6) for n in (3, 2, 1)]
GUARD = 60


def both(k: int, values: list[Ball], laws: list[Law], bits: int) -> tuple[list[Row], list[Row]]:
    """By moments, and by exponentials."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "_FEW_VALUES", 0)
        moments = row_losses("logistic", k, values, laws, bits)
    return moments, row_losses("logistic", k, values, laws, bits)


@settings(max_examples=40, deadline=None)
@given(
    cosines=st.lists(st.fractions(-1, 1, max_denominator=10**6), min_size=1, max_size=6),
    beta=st.sampled_from([Fraction(1, 10**6), Fraction(1, 3), Fraction(1), Fraction(5), Fraction(100)]),
    k=st.sampled_from([1, 2, 7, 256, 65536, 10**6]),
    bits=st.sampled_from([40, 64, 130]),
)
def test_moments_and_exponentials_enclose_the_same(cosines: list[Fraction], beta: Fraction, k: int, bits: int) -> None:
    with ctx.workprec(bits + GUARD):
        values = [arb(1), *((ball(beta) * (ball(g) - 1)).exp() for g in cosines)]
        share = Fraction(1, len(values))
        laws = [law([(u, share) for u in range(len(values))]), law([(0, Fraction(1, 9)), (1, Fraction(8, 9))])]
        for (value, slopes), (expected, others) in zip(*both(k, values, laws, bits), strict=True):
            assert value.overlaps(expected)
            assert value.rad() <= 4 * expected.rad()
            assert slopes.keys() == others.keys()
            for u, slope in slopes.items():
                assert slope.overlaps(others[u])
                # the error of Taylor's formula is absolute, that of the rule relative
                assert slope.rad() <= 4 * others[u].rad() + arb(2) ** (4 - bits)


@settings(max_examples=25, deadline=None)
@given(
    cosines=st.lists(st.fractions(-1, 1, max_denominator=10**6), min_size=1, max_size=4),
    beta=st.sampled_from([Fraction(1, 10**6), Fraction(1), Fraction(5), Fraction(100)]),
    k=st.sampled_from([1, 2, 7, 256, 10**6]),
    bits=st.sampled_from([40, 100]),
    one=st.sampled_from([0, 1]),
    centre=st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(2, 3)]),
)
def test_end_nodes_are_those_that_are_left_out(
    cosines: list[Fraction], beta: Fraction, k: int, bits: int, one: int, centre: Fraction
) -> None:
    """Their sums are those over the nodes themselves, one by one so far to the left that the rest is nothing."""
    with ctx.workprec(2 * bits + GUARD):
        X = [arb(1), *((ball(beta) * (ball(g) - 1)).exp() for g in cosines)]
        mass, x, least = ball(Fraction(1, len(X))), ball(centre), k * min(value.lower() for value in X)
        K, c, decay = k + 1 - one, arb(1).min(one + least), one * (1 + least)
        rule = trapezoid_rule(K, k, c, bits, decay)
        assert rule.ends is not None
        moments = [sum((mass * (value - x) ** j for value in X), arb(0)) for j in range(rule.ends.degree + 1)]
        loss, slope = rule.ends.sums(moments, x, k, one)

        inner = {float(t) for t in rule.nodes}
        terms = []
        for t in (t for t in trapezoid_rule(K, k, c, bits).nodes if float(t) not in inner):
            powers = [(-t * value).exp() for value in X]
            phi = mass * sum(powers, arb(0))
            rest = phi ** (k - 1) * (-one * t).exp()
            terms.append([(-t).exp() - rest * phi, *(t * rest * p for p in powers)])
        exact = [sum(column, arb(0)) for column in zip(*terms, strict=True)]
        for found, expected in zip([loss, *(slope(value - x) for value in X)], exact, strict=True):
            assert (found - expected).abs_upper() < arb(2) ** (8 - bits)


@pytest.mark.parametrize(("k", "beta"), [(1, Fraction(1)), (4, Fraction(5)), (9, Fraction(1, 3))])
def test_moments_contain_the_enumerated_loss_and_gradient(
    k: int, beta: Fraction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_FEW_VALUES", 0)
    points, mp = [[40, 3], [-31, 25], [-19, -36]], reference.mp
    unit = [[x / mp.sqrt(sum(y * y for y in row)) for x in row] for row in points]
    rho = tuple(SIXTHS)
    value, gradient = reference.population_loss("logistic", rho, k, beta, [[mp.fdot(v, w) for w in unit] for v in unit])
    local = enclose(Problem(from_masses(rho), k, temperature=1 / beta), Point(points), 120)
    enclosures = [(value, local.loss)]
    enclosures += [
        ((gradient[c][j] + gradient[j][c]) / 2, local.gradient[c][j]) for c in range(3) for j in range(3) if c != j
    ]
    for exact, found in enclosures:
        low, high = bounds(found)
        assert reference.number(low) - mp.mpf(10) ** -60 <= exact <= reference.number(high) + mp.mpf(10) ** -60
        assert high - low < Fraction(1, 10**32)


def test_a_coarse_formula_is_still_an_enclosure(monkeypatch: pytest.MonkeyPatch) -> None:
    """With far too low a degree the remainder shows: balls are wide, and hold what they should."""
    with ctx.workprec(120):
        values = [arb(1), ball(Fraction(1, 2)), ball(Fraction(1, 50))]
        laws = [law(list(enumerate(SIXTHS)))]
        [fine] = row_losses("logistic", 5, values, laws, 64)
        monkeypatch.setattr(rows, "_FEW_VALUES", 0)
        for degree in (16, 24, 32):
            monkeypatch.setattr(rows, "_degree", lambda *_, degree=degree: degree)
            [coarse] = row_losses("logistic", 5, values, laws, 64)
            assert coarse[0].contains(fine[0])
            assert coarse[0].rad() > 2 ** (-2 * degree - 12)
            assert all(coarse[1][u].contains(fine[1][u]) for u in range(3))


def test_rows_of_one_law_are_found_once_and_given_to_all() -> None:
    with ctx.workprec(100):
        values = [arb(1), ball(Fraction(1, 2)), ball(Fraction(1, 3))]
        first, other = law(list(enumerate(SIXTHS))), law(list(enumerate(reversed(SIXTHS))))
        found = row_losses("logistic", 3, values, [first, other, first], 60)
        assert found[0] is found[2]
        assert not found[0][0].overlaps(found[1][0])


@pytest.mark.parametrize("loss", ["logistic", "decoupled"])
def test_too_many_terms_are_out_of_reach(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_TERMS", 1000)
    values: list[Any] = [arb(1), *(ball(Fraction(1, n)) for n in range(2, 300))]
    with pytest.raises(OutOfReach, match="299 distinct cosines"), ctx.workprec(120):
        row_losses(loss, 3, values, [law([(u, Fraction(1, 299)) for u in range(299)])], 60)
