r"""The loss of one anchor class and its gradient, enclosed, for any integer number k of negatives.

The anchor's margins enter through `X_j = exp(beta (G_cj - 1))` in `(0, 1]`, with `X = 1` for the anchor's own
class. A row is the law of X over the classes: masses `m_u` on values `X_u`, `phi(t) = sum_u m_u exp(-t X_u)`. With
`S = X_1 + ... + X_k` over k independent draws, the row loss and the slopes `g_u` (where `d loss / d X_u = m_u g_u`)
are

    logistic     E log(1 + S) = int_0^oo (1 - phi^k) e^-t dt/t    g_u = int_0^oo k phi^(k-1) e^(-t X_u) e^-t dt
    weighted     E log(1 + w S): the logistic row of the values w X, and w times its slopes
    decoupled    E log S      = int_0^oo (e^-t - phi^k) dt/t      g_u = int_0^oo k phi^(k-1) e^(-t X_u) dt
    exponential  E S          = k sum_u m_u X_u                   g_u = k
    separable    k E log(1+X) = k sum_u m_u log(1 + X_u)          g_u = k / (1 + X_u)

(Frullani: log x = int (e^-t - e^-tx) dt/t.) With t = e^s the integrals run over the line. The rule `h sum_n F(nh)`:

1.  *Rule.* If F is analytic in |Im s| < a and the integral of |F| over each line Im s = b in the strip is at most
    M, the full sum over all n is within `2M / (e^(2 pi a/h) - 1)` of the integral (Trefethen and Weideman, SIAM
    Review 2014, Theorem 5.1). Here a = 3/2, and cos(a) > 1/15 (its Taylor polynomial of degree 10 is below it, and
    is 0.0707). With r = |t|: |phi| <= 1 and |1 - phi| <= r, so |1 - phi^k| <= min(2, k r) (k integer), and |e^-t -
    phi^k| <= min(2 e^(-c r cos b), (k+1) r) with c = min(1, k min X); values w X have |1 - phi| <= w r, |1 - phi^k|
    <= min(2, k w r). With c = 1 and K = max(k, ceil(k w)) (logistic and weighted) or K = k+1 (decoupled), splitting
    the line at r = 2/K, M = 2 + 2 E_1(2 c cos(a)/K) <= 2 + 2 log(1 + K / (2 c cos a)), by E_1(x) <= log(1 + 1/x).
2.  *Rule, slopes.* |phi(t)| <= phi(r cos b) and |e^(-tX)| = e^(-r cos(b) X): with r cos b for r, the integral of
    |F| on Im s = b is at most g_u / cos(b). So the error is at most eta g_u, eta = 2 / (cos(a) (e^(2 pi a/h) - 1)),
    and g_u lies in (full sum) / [1 - eta, 1 + eta].
3.  *Left tail.* The summand is at most K e^s in size (1.; for slopes k e^s): all nodes left of s_0 add at most h K
    e^(s_0 - h) / (1 - e^-h).
4.  *Right tail,* t_1 = e^(s_1) with c t_1 >= 1. The summand is at most 2 e^(-c t), decreasing: the nodes right of
    s_1 add at most its integral 2 E_1(c t_1) <= 2 e^(-c t_1) / (c t_1). For slopes k t e^(-c t), decreasing from c
    t = 1 on, with integral k e^(-c t_1) / c.

Intervals carry the rounding. Rows of many values take `moments` in place of an exponential for each value and node.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, log

from verify.checker import intervals, moments
from verify.checker.intervals import Context, Interval, enclose, exp, is_at_most, low, widen
from verify.checker.losses import LogSum, Sum
from verify.checker.pools import pooled
from verify.checker.verdict import OutOfReach, Unresolved

COS_A = Fraction(1, 15)
TWO_PI_A = Fraction(942, 100)  # < 2 pi a = 3 pi
MAX_WORK = 10**9  # exponentials times bits, about two minutes
MOMENTS = 30  # products in `moments` that take as long as one exponential
FEW_ENTRIES = 32  # so few values in all rows are not worth it
OUT_OF_REACH = "the precision that the claim needs is out of reach"

Row = dict[int, Fraction]  # index of a value -> total mass of the classes that have it


def row_losses(
    ctx: Context, loss: Sum | LogSum, k: int, values: list[Interval], rows: list[Row], pool: int | None = None
) -> list[tuple[Interval, dict[int, Interval]]]:
    """For each row its loss and its slopes, with quadrature errors near `2^-ctx.bits`; `values[0]` is the number 1.

    Raises:
        OutOfReach: if that would take more than `MAX_WORK`.
    """
    masses = [{u: enclose(ctx, m) for u, m in row.items()} for row in rows]
    if isinstance(loss, Sum):
        terms = [loss.term(ctx, x) for x in values]
        return [(k * sum(m * terms[u][0] for u, m in row.items()), {u: k * terms[u][1] for u in row}) for row in masses]
    if pool is not None:
        return [pooled(ctx, loss, k, values, row, pool - 1) for row in rows]
    w = loss.scale(k)
    if w == 1:
        return _integrals(ctx, loss.one == 1, k, w, values, masses)
    factor = enclose(ctx, w)
    scaled = _integrals(ctx, loss.one == 1, k, w, [factor * x for x in values], masses)
    return [(value, {u: factor * g for u, g in slopes.items()}) for value, slopes in scaled]


def _integrals(
    ctx: Context, logistic: bool, k: int, w: Fraction, values: list[Interval], masses: list[dict[int, Interval]]
) -> list[tuple[Interval, dict[int, Interval]]]:
    """The values are those of w X, X <= 1."""
    bits, largest = ctx.bits, max(k, ceil(k * w))
    big = largest if logistic else k + 1
    c = Fraction(1) if logistic else min(Fraction(1), k * min(low(x) for x in values))
    digits = bits + largest.bit_length()
    h = Fraction(27, 2 * bits)  # e^(3 pi / h) > 2^bits
    first = -ceil(Fraction(7, 10) * digits / h)
    last = ceil((log(0.7 * digits) + 0.7 * (c.denominator.bit_length() - c.numerator.bit_length())) / float(h))
    entries, count = sum(map(len, masses)), last + 1 - first
    if count * bits > MAX_WORK:
        raise OutOfReach(OUT_OF_REACH)
    nodes = [exp(ctx, enclose(ctx, n * h)) for n in range(first, last + 1)]
    work, D = count * (len(values) + entries) * bits, None
    if logistic and w <= 1 and entries >= FEW_ENTRIES:
        least = moments.degree(k, bits, [float(n * h) for n in range(last, first - 1, -8)], values)
        products = (entries + count * len(masses)) * least * bits
        if products < MOMENTS * work:
            work, D = products // MOMENTS, least
    if work > MAX_WORK:
        raise OutOfReach(OUT_OF_REACH)
    if D is None:
        sums = _by_exponentials(ctx, logistic, k, values, masses, nodes)
    else:
        sums = moments.sums(ctx, k, values, masses, nodes, D)

    step, cos_a, c_low = enclose(ctx, h), enclose(ctx, COS_A), enclose(ctx, c)
    growth = exp(ctx, enclose(ctx, TWO_PI_A / h)) - 1
    right = c_low * nodes[-1]  # c t_1
    if not is_at_most(1, right):
        raise Unresolved("the tail is not reached")
    left = step * big * exp(ctx, enclose(ctx, (first - 1) * h)) / (1 - exp(ctx, -step))
    rule = 2 * (2 + 2 * intervals.log(ctx, 1 + big / (2 * c_low * cos_a))) / growth
    error = rule + left + 2 * exp(ctx, -right) / right
    tail = (left + k * exp(ctx, -right) / c_low) * ctx.mpf([0, 1])
    relative = 1 + 2 / (cos_a * growth) * ctx.mpf([-1, 1])
    return [
        (widen(ctx, value * step, error), {u: (g * step * k + tail) / relative for u, g in slopes.items()})
        for value, slopes in sums
    ]


def _by_exponentials(
    ctx: Context,
    logistic: bool,
    k: int,
    values: list[Interval],
    masses: list[dict[int, Interval]],
    nodes: list[Interval],
) -> list[tuple[Interval, dict[int, Interval]]]:
    """The sums over nodes, without the factors h and k."""
    sums = [(ctx.mpf(0), dict.fromkeys(row, ctx.mpf(0))) for row in masses]
    for t in nodes:
        powers, end = [exp(ctx, -t * x) for x in values], exp(ctx, -t)
        for r, row in enumerate(masses):
            value, slopes = sums[r]
            phi = sum(m * powers[u] for u, m in row.items())
            power = phi ** (k - 1)
            weight = t * power
            if logistic:
                value += (1 - power * phi) * end
                weight *= end
            else:
                value += end - power * phi
            sums[r] = (value, {u: g + weight * powers[u] for u, g in slopes.items()})
    return sums
