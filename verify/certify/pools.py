"""Balls around the losses of rows whose negatives are drawn from a pool without replacement, and their slopes.

The sums of `theory.expectation.pools`. A loss that is a sum over its margins sees no difference to independent draws.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from flint import arb

from verify.certify.balls import Ball, ball
from verify.certify.losses import LogSum

#: The most terms of one sum.
MAX_TERMS = 20_000


def draws(pool: list[int], k: int) -> list[tuple[tuple[int, ...], Fraction]]:
    """How many of the k negatives have each value, with the probability of it."""
    found: list[tuple[tuple[int, ...], int, int]] = [((), k, 1)]
    for place, n in enumerate(pool):
        left = sum(pool[place + 1 :])
        found = [
            ((*drawn, m), rest - m, weight * comb(n, m))
            for drawn, rest, weight in found
            for m in range(max(0, rest - left), min(n, rest) + 1)
        ]
    total = comb(sum(pool), k)
    return [(drawn, Fraction(weight, total)) for drawn, _, weight in found]


def pooled(
    loss: LogSum, k: int, values: list[Ball], row: tuple[tuple[int, Fraction], ...], size: int
) -> tuple[Ball, dict[int, Ball]]:
    """The loss of a row and its slopes `g_u`; `row` is the law of one negative of a pool of this size."""
    w, names = ball(loss.scale(k)), [u for u, _ in row]
    pool = [int(m * size) for _, m in row]
    value, slopes = arb(0), {u: arb(0) for u in names}
    for drawn, probability in draws(pool, k):
        p = ball(probability)
        S = loss.one + w * sum((m * values[u] for m, u in zip(drawn, names, strict=True)), arb(0))
        value += p * S.log()
        for m, u in zip(drawn, names, strict=True):
            if m:
                slopes[u] += p * w * m / S
    return value, {u: g / ball(m) for (u, m), g in zip(row, slopes.values(), strict=True)}
