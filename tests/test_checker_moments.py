"""The checker's rows of many values: moments against exponentials, and against enumeration."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.certificates import reference
from verify.checker import intervals, moments, rows
from verify.checker.intervals import Interval, high, low
from verify.checker.losses import LOSSES

Found = list[tuple[Interval, dict[int, Interval]]]


def by_moments(*arguments: object, few: int = 1, per: int = 10**9) -> Found:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "FEW_ENTRIES", few)
        patch.setattr(rows, "MOMENTS", per)
        return rows.row_losses(*arguments)  # type: ignore[arg-type]


def by_exponentials(*arguments: object) -> Found:
    return by_moments(*arguments, few=10**9)


def width(x: Interval) -> Fraction:
    return high(x) - low(x)


def overlap(x: Interval, y: Interval) -> bool:
    return low(x) <= high(y) and low(y) <= high(x)


@settings(max_examples=30, deadline=None)
@given(
    exponents=st.lists(st.fractions(0, 2, max_denominator=10**6), min_size=1, max_size=5),
    beta=st.sampled_from([Fraction(1, 10**6), Fraction(1, 3), Fraction(1), Fraction(5), Fraction(100)]),
    k=st.sampled_from([1, 2, 7, 256, 65536, 10**6]),
    bits=st.sampled_from([48, 64, 110]),
)
def test_moments_and_exponentials_enclose_the_same(
    exponents: list[Fraction], beta: Fraction, k: int, bits: int
) -> None:
    ctx = intervals.context(bits, k)
    values = [ctx.mpf(1), *(intervals.exp(ctx, intervals.enclose(ctx, -beta * x)) for x in exponents)]
    masses = [dict.fromkeys(range(len(values)), Fraction(1, len(values))), {0: Fraction(1, 9), 1: Fraction(8, 9)}]
    arguments = (ctx, LOSSES["logistic"], k, values, masses)
    for (value, slopes), (expected, others) in zip(by_moments(*arguments), by_exponentials(*arguments), strict=True):
        assert overlap(value, expected)
        assert width(value) <= 4 * width(expected)
        assert slopes.keys() == others.keys()
        for u, slope in slopes.items():
            assert overlap(slope, others[u])
            # the error of Taylor's formula is absolute, that of the rule relative
            assert width(slope) <= 4 * width(others[u]) + Fraction(1, 2 ** (bits - 4))


@pytest.mark.parametrize("k", [1, 2, 7, 60])
def test_moments_against_enumeration(k: int) -> None:
    """Two values: a binomial sum, and slopes from the derivative of each term."""
    mp = reference.mp
    mass, x = Fraction(3, 10), mp.exp(mp.mpf(-17) / 10)
    ctx = intervals.context(128, k)
    values = [ctx.mpf(1), intervals.exp(ctx, intervals.enclose(ctx, Fraction(-17, 10)))]
    [(value, slopes)] = by_moments(ctx, LOSSES["logistic"], k, values, [{0: mass, 1: 1 - mass}])
    p = reference.number(mass)
    expected = [mp.mpf(0)] * 3
    for m in range(k + 1):
        weight = mp.binomial(k, m) * p**m * (1 - p) ** (k - m)
        one, (first, second) = reference.loss_of("logistic", (m, k - m), (mp.mpf(1), x))
        parts = (one, first / p, second / (1 - p))
        expected = [total + weight * part for total, part in zip(expected, parts, strict=True)]
    for interval, exact in zip((value, slopes[0], slopes[1]), expected, strict=True):
        assert reference.number(low(interval)) <= exact <= reference.number(high(interval))
        assert width(interval) < Fraction(1, 10**34)


def test_too_low_a_degree_is_wide_and_still_an_enclosure(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = intervals.context(64, 5)
    values = [ctx.mpf(1), ctx.mpf(1) / 2, ctx.mpf(1) / 50]
    arguments = (
        ctx,
        LOSSES["logistic"],
        5,
        values,
        [dict(enumerate([Fraction(1, 2), Fraction(1, 3), Fraction(1, 6)]))],
    )
    [(fine, slopes)] = by_exponentials(*arguments)
    widths = []
    for degree in (4, 16, 64):
        monkeypatch.setattr(moments, "degree", lambda *_, degree=degree: degree)
        [(coarse, others)] = by_moments(*arguments)
        for inner, outer in [(fine, coarse), *((slopes[u], others[u]) for u in slopes)]:
            assert low(outer) <= low(inner)
            assert high(inner) <= high(outer)
        widths.append(width(coarse))
    assert widths[0] > 100 * widths[1] > 10**4 * widths[2]


@given(x=st.integers(0, 1 << 80), n=st.integers(0, 10**6), y=st.lists(st.integers(0, 1 << 80), min_size=1, max_size=4))
def test_powers_and_polynomials_are_bounded_from_both_sides(x: int, n: int, y: list[int]) -> None:
    P = 80
    mp = reference.mp
    exact = (mp.mpf(x) / 2**P) ** n
    below, above = (mp.mpf(moments._power(P, x, n, side)) / 2**P for side in (0, 1))
    assert below - mp.mpf(10) ** -60 <= exact <= above + mp.mpf(10) ** -60
    assert above - below <= (4 * n + 4) * mp.mpf(2) ** -P
    value = sum(Fraction(c, 1 << P) * Fraction(x, 1 << P) ** m for m, c in enumerate(y))
    [low_end], [high_end] = (moments._polynomial(P, y, [x], side) for side in (0, 1))
    assert Fraction(low_end, 1 << P) <= value <= Fraction(high_end, 1 << P)


def test_what_is_too_large_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    ctx = intervals.context(64, 5)
    values = [ctx.mpf(1), *(ctx.mpf(1) / n for n in range(2, 101))]
    monkeypatch.setattr(rows, "MAX_WORK", 30_000)
    with pytest.raises(rows.Unresolved, match=rows.OUT_OF_REACH):
        rows.row_losses(ctx, LOSSES["logistic"], 5, values, [dict.fromkeys(range(100), Fraction(1, 100))])
