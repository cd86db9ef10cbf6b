"""The loss of an anchor whose negatives are drawn from a pool without replacement, and its gradient, enclosed.

Of a pool with n_u negatives of value X_u, n in all, m_u of the k that are drawn are X_u with probability `prod_u
binom(n_u, m_u) / binom(n, k)`, sum m_u = k. One negative is X_u with probability n_u / n, the mass that `rows` has.
With the slopes g_u of `rows` (d loss / d X_u = (n_u/n) g_u), S = one + w sum m_u X_u,

    loss = E log S,   (n_u/n) g_u = E w m_u / S.

A loss that is a sum over the negatives depends on the law of one alone: there `rows` is exact as it stands.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from verify.checker.intervals import Context, Interval, enclose, log
from verify.checker.losses import LogSum
from verify.checker.verdict import OutOfReach

MAX_TERMS = 20_000


def pooled(
    ctx: Context, loss: LogSum, k: int, values: list[Interval], row: dict[int, Fraction], size: int
) -> tuple[Interval, dict[int, Interval]]:
    """`row` is the law of one negative; every mass times `size` is a whole number.

    Raises:
        OutOfReach: if there are too many terms.
    """
    pool = {u: int(m * size) for u, m in row.items()}
    if comb(len(pool) + k - 1, k) > MAX_TERMS:
        raise OutOfReach("the draws from the pool are too many to be summed")
    found: list[tuple[dict[int, int], int, int]] = [({}, k, 1)]
    left = size
    for u, n in pool.items():
        left -= n
        found = [
            ({**drawn, u: m}, rest - m, weight * comb(n, m))
            for drawn, rest, weight in found
            for m in range(max(0, rest - left), min(n, rest) + 1)
        ]
    w, total = enclose(ctx, loss.scale(k)), comb(size, k)
    value, slopes = ctx.mpf(0), dict.fromkeys(row, ctx.mpf(0))
    for drawn, _, weight in found:
        p = enclose(ctx, Fraction(weight, total))
        S = loss.one + w * sum((m * values[u] for u, m in drawn.items()), ctx.mpf(0))
        value += p * log(ctx, S)
        for u, m in drawn.items():
            slopes[u] += p * w * m / S
    return value, {u: g / enclose(ctx, row[u]) for u, g in slopes.items()}
