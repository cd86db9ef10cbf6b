r"""The expected loss of an anchor whose positive is random too, and its slopes, enclosed.

A negative is value `X_u = e^(z_u)` (z_u <= 0) with probability m_u, the positive with q_u; `phi = sum m_u e^(-t
X_u)`, `psi = sum q_u e^(-t X_u)`. Given the positive p the loss is `log(X_p + S) - z_p` (logistic), S the sum over k
negatives, and so on:

    logistic     V = int_0^oo (e^-t - psi phi^k) dt/t - sum q_u z_u     (decoupled: 1 for psi)
    sum of g     V = k sum_(p,u) q_p m_u g(X_u/X_p)

and dV/dX_u = m_u b_u + q_u a_u with

    logistic     b_u = int k phi^(k-1) psi e^(-t X_u) dt     a_u = int phi^k e^(-t X_u) dt - 1/X_u
    decoupled    b_u = int k phi^(k-1) e^(-t X_u) dt         a_u = -1/X_u
    sum of g     b_u = k sum_p q_p g'(X_u/X_p)/X_p           a_u = -k sum_v m_v g'(X_v/X_u) X_v / X_u^2

The rule is that of `rows` (t = e^s, step h, nodes s_0 to s_1), and so are its bounds, with K = k + 2 and `c = min(1,
min_p X_p + k min X)` for the logistic loss: on Im s = b, r = |t|, `|e^-t - psi phi^k| <= |1 - e^-t| + |1 - psi phi^k|
<= (k+2) r`, as |psi|, |phi| <= 1 and |1 - psi|, |1 - phi| <= r; and <= 2 e^(-c r cos b), as |psi| <= e^(-r cos(b) min
X_p) over the positives. On the real line the summand is at most (k+1) t and 2 e^(-c t). The slopes' integrands are at
most k t e^(-c t), and on Im s = b at most what they are at r cos b.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, log
from typing import NamedTuple

from verify.checker import intervals
from verify.checker.intervals import Context, Interval, enclose, exp, low, widen
from verify.checker.losses import LogSum, Sum
from verify.checker.rows import COS_A, MAX_WORK, OUT_OF_REACH, TWO_PI_A, Row
from verify.checker.verdict import OutOfReach, Unresolved


class Anchor(NamedTuple):
    """V, and b and a for each value."""

    loss: Interval
    negative: dict[int, Interval]
    positive: dict[int, Interval]


def anchors(
    ctx: Context, loss: Sum | LogSum, k: int, logarithms: list[Interval], laws: list[tuple[Row, Row]]
) -> list[Anchor]:
    """One for each pair of laws, of a negative and of the positive; `logarithms[0]` is 0. The loss is in `LOSSES`.

    Raises:
        OutOfReach: if that would take more than `rows.MAX_WORK`.
    """
    values = [exp(ctx, z) for z in logarithms]
    masses = [tuple({u: enclose(ctx, m) for u, m in law.items()} for law in pair) for pair in laws]
    if isinstance(loss, Sum):
        return [_pairs(ctx, loss, k, values, *pair) for pair in masses]
    assert loss.q is None  # the integrals here are of unit weight
    logistic = loss.one == 1
    big = k + 2 if logistic else k + 1
    c = k * min(low(x) for x in values)
    if logistic:
        c += min(low(values[u]) for _, positive in laws for u in positive)
    c = min(Fraction(1), c)
    bits = ctx.bits
    digits = bits + big.bit_length()
    h = Fraction(27, 2 * bits)  # e^(3 pi / h) > 2^bits
    first = -ceil(Fraction(7, 10) * digits / h)
    last = ceil((log(0.7 * digits) + 0.7 * (c.denominator.bit_length() - c.numerator.bit_length())) / float(h))
    entries = sum(len(negative) + len(positive) for negative, positive in laws)
    if (last + 1 - first) * (len(values) + entries) * bits > MAX_WORK:
        raise OutOfReach(OUT_OF_REACH)
    nodes = [exp(ctx, enclose(ctx, n * h)) for n in range(first, last + 1)]

    step, cos_a, c_low = enclose(ctx, h), enclose(ctx, COS_A), enclose(ctx, c)
    growth = exp(ctx, enclose(ctx, TWO_PI_A / h)) - 1
    right = c_low * nodes[-1]
    if low(right) < 1:
        raise Unresolved("the tail is not reached")
    left = step * big * exp(ctx, enclose(ctx, (first - 1) * h)) / (1 - exp(ctx, -step))
    rule = 2 * (2 + 2 * intervals.log(ctx, 1 + big / (2 * c_low * cos_a))) / growth
    error = rule + left + 2 * exp(ctx, -right) / right
    tail = (left + k * exp(ctx, -right) / c_low) * ctx.mpf([0, 1])
    relative = 1 + 2 / (cos_a * growth) * ctx.mpf([-1, 1])

    zero = ctx.mpf(0)
    losses = [zero for _ in laws]
    down = [dict.fromkeys(negative, zero) for negative, _ in masses]
    up = [dict.fromkeys(positive, zero) for _, positive in masses]
    for t in nodes:
        powers, end = [exp(ctx, -t * x) for x in values], exp(ctx, -t)
        for r, (negative, positive) in enumerate(masses):
            phi = sum(m * powers[u] for u, m in negative.items())
            psi = sum(q * powers[u] for u, q in positive.items()) if logistic else ctx.mpf(1)
            power = phi ** (k - 1)
            losses[r] += end - psi * power * phi
            weight = t * k * power * psi
            for u in negative:
                down[r][u] += weight * powers[u]
            if logistic:
                weight = t * power * phi
                for u in positive:
                    up[r][u] += weight * powers[u]
    found = []
    for r, (_, positive) in enumerate(masses):
        value = widen(ctx, losses[r] * step, error) - sum((q * logarithms[u] for u, q in positive.items()), zero)
        b = {u: (g * step + tail) / relative for u, g in down[r].items()}
        a = {u: ((g * step + tail) / relative if logistic else zero) - 1 / values[u] for u, g in up[r].items()}
        found.append(Anchor(value, b, a))
    return found


def _pairs(
    ctx: Context,
    loss: Sum,
    k: int,
    values: list[Interval],
    negative: dict[int, Interval],
    positive: dict[int, Interval],
) -> Anchor:
    zero = ctx.mpf(0)
    total, down, up = zero, dict.fromkeys(negative, zero), dict.fromkeys(positive, zero)
    for p, q in positive.items():
        for u, m in negative.items():
            value, slope = loss.term(ctx, values[u] / values[p])
            total += q * m * value
            down[u] += q * slope / values[p]
            up[p] -= m * slope * values[u] / (values[p] * values[p])
    return Anchor(k * total, {u: k * b for u, b in down.items()}, {u: k * a for u, a in up.items()})
