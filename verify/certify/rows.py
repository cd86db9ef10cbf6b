r"""Balls around the losses of single rows, and their slopes, by python-flint.

A row is the law of `X_j = exp(beta (G_cj - 1))` over the classes j, masses `m_u` on values `X_u`; with `phi(t) =
sum_u m_u e^(-t X_u)` the logistic row loss is `int (1 - phi^k) e^-t dt/t` and `d loss / d X_u = m_u g_u`, `g_u =
int k phi^(k-1) e^(-t X_u) e^-t dt`; the weighted loss is the logistic one at values w X, and has w times its slopes;
the decoupled loss has `e^-t - phi^k` in the first integral and no trailing `e^-t` in the second. With `t = e^s` and
nodes `s = nh` the trapezoid rule errs by at most

    2 N / (e^(2 pi a/h) - 1),   N = 2 + 2 E_1(2 c cos(a)/K),   0 < a < pi/2       (the loss)
    2 g_u / (cos(a) (e^(2 pi a/h) - 1))                                           (the slope, relative to itself)

with K = k, c = 1 (logistic) or K = k+1, c = min(1, k min X) (decoupled): derived, from Trefethen and Weideman, SIAM
Review 2014, Theorem 5.1, with |1 - phi^k| <= min(2, k |t|) and |phi(t)| <= phi(|t| cos b) on Im s = b. Values w X have
|1 - phi^k| <= k w |t|, and slopes' integrands are at most k |t| as before: K = max(k, ceil(k w)) serves both. The nodes
left of s_0 add at most `h K e^(s_0 - h) / (1 - e^-h)`, those right of `t_1 = e^(s_1)`, `c t_1 >= 1`, at most `2
E_1(c t_1)` and `k e^(-c t_1) / c`. Of those between few are looked at one by one (`verify.certify.end_nodes`).

`phi` takes one exponential for each value and node. Where values are many, the logistic loss takes moments instead:
around the centre x of the values, which are within r of it, Taylor's formula says

    |e^(-tX) - e^(-tx) sum_(m <= D) (-t (X - x))^m / m!|  <=  e^(-tx) e^(tr) (tr)^(D+1) / (D+1)!,

so that phi is a polynomial of the row's moments of X - x, and `g_u` one polynomial of X_u - x for the whole row. With x
midway between 1 and the least value, `x - r >= 0` and `r <= 1/2`, so that the bound times e^-t is at most 2^-(D+1): D
need not be much above the number of bits. (For values that are wide balls, the exponentials are the tighter of the
two.)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, comb, isqrt, lgamma, log, pi

from flint import arb, arb_mat, arb_poly

from verify.certify import losses, pools
from verify.certify.balls import Ball, ball
from verify.certify.end_nodes import EndNodes, last_near
from verify.certify.losses import LogSum, Sum

Law = tuple[tuple[int, Fraction], ...]  # (index of a value, its mass)
Row = tuple[Ball, dict[int, Ball]]  # the loss of a row, and its slope in each of its values

#: Exponentials, or terms of Taylor's formula, that are kept at once; some 80 bytes each.
MAX_TERMS = 4_000_000

#: Up to this many values a bit exponentials are the faster (measured: about 16 classes in general position).
_FEW_VALUES = 2


class OutOfReach(Exception):
    """An enclosure that is not attempted; the reason is the message."""


@dataclass(frozen=True)
class Rule:
    """The trapezoid rule in `s = log t`: its nodes t, the step, and balls for what it leaves out.

    `error` is added to a sum over nodes times the step for the loss; for the slopes `tail` is added, and the sum
    divided by `relative`. If there are `ends`, they are the nodes that are not in the list, to be summed as well.
    """

    nodes: list[Ball]
    step: Ball
    error: Ball
    tail: Ball
    relative: Ball
    ends: EndNodes | None = None


def law(pairs: list[tuple[int, Fraction]]) -> Law:
    """The law that puts these masses on these values, each value once, without those of mass 0."""
    masses: dict[int, Fraction] = {}
    for u, m in pairs:
        if m:
            masses[u] = masses[u] + m if u in masses else m
    return tuple(sorted(masses.items()))


def row_losses(loss: str, k: int, values: list[Ball], laws: list[Law], bits: int, pool: int | None = None) -> list[Row]:
    """The loss and the slopes of each row, at the working precision of the caller; `values[0]` is 1.

    With a pool the negatives are drawn from the other `pool - 1` of it without replacement.

    Raises:
        InputError: if the loss is not one of `verify.certify.losses`.
        OutOfReach: if it would take more memory than `MAX_TERMS` stands for.
    """
    # a Fraction is slow to hash, and a law of many classes is many of them
    keys = [tuple((u, m.numerator, m.denominator) for u, m in row) for row in laws]
    distinct = dict(zip(keys, laws, strict=True))
    known = losses.get(loss)
    if pool is None or isinstance(known, Sum):
        rows = _row_losses(known, k, values, list(distinct.values()), bits)
    else:
        rows = [_pooled(known, k, values, row, pool - 1) for row in distinct.values()]
    found = dict(zip(distinct, rows, strict=True))
    return [found[key] for key in keys]


def _pooled(loss: LogSum, k: int, values: list[Ball], row: Law, size: int) -> Row:
    if comb(len(row) + k - 1, k) > pools.MAX_TERMS:
        raise OutOfReach("the draws from the pool are too many to be summed")
    return pools.pooled(loss, k, values, row, size)


def _row_losses(loss: Sum | LogSum, k: int, values: list[Ball], laws: list[Law], bits: int) -> list[Row]:
    if isinstance(loss, Sum):
        terms = [loss.term(x) for x in values]
        return [(k * _mean(row, [g for g, _ in terms]), {u: k * terms[u][1] for u, _ in row}) for row in laws]
    logistic, w = loss.one == 1, loss.scale(k)
    if w != 1:
        values = [ball(w) * x for x in values]
    least, K = min(x.lower() for x in values), max(k, ceil(k * w))
    if logistic:
        rule = trapezoid_rule(K, K, arb(1), bits, 1 + k * least)
    else:
        rule = trapezoid_rule(k + 1, k, arb(1).min(k * least), bits, arb(0))
    moments = logistic and w <= 1 and len(values) > _FEW_VALUES * bits
    if len(rule.nodes) * (bits if moments else len(values)) > MAX_TERMS:
        raise OutOfReach(f"{len(values)} distinct cosines at {bits} bits are more than fits")
    if moments:
        found = _by_moments(k, values, least, laws, rule, bits)
    else:
        found = _by_exponentials(logistic, k, values, laws, rule)
    return found if w == 1 else [(value, {u: ball(w) * g for u, g in slopes.items()}) for value, slopes in found]


def trapezoid_rule(K: int, k: int, c: Ball, bits: int, decay: Ball | None = None) -> Rule:
    """The rule that keeps this many bits; with `decay`, only the nodes that `EndNodes` leaves are in the list."""
    # With a = atan(2 pi/h), which is best for the slopes, this is e^(2 pi a/h) >= 2^bits.
    h = Fraction(pi * pi / (bits * log(2) + 2)).limit_denominator(1 << 20)
    digits = (bits + k.bit_length()) * log(2)
    first = -ceil(digits / h) if decay is None else last_near(float(h), 1 + K) + 1
    last = ceil((log(digits) - float(c.log())) / h)
    nodes = [ball(n * h).exp() for n in range(first, last + 1)]
    step, left_node, right_node = ball(h), ball((first - 1) * h).exp(), c * nodes[-1]
    if not right_node > 1:
        raise OutOfReach("the right tail of the integral is not reached")
    a = (2 * arb.pi() / step).atan()
    growth = (2 * arb.pi() * a / step).exp() - 1
    left = step * K * left_node / (1 - (-step).exp())
    rule = 2 * (2 - 2 * (-2 * c * a.cos() / K).ei()) / growth
    ends = None
    if decay is not None:
        far = [t for t in nodes if decay * t > digits]
        nodes = nodes[: len(nodes) - len(far)]
        left, ends = arb(0), EndNodes.outside(left_node, far, step, 1 + K, decay, bits)
    return Rule(
        nodes,
        step,
        arb(0, (rule + left - 2 * (-right_node).ei()).upper()),
        arb(0).union(left + k * (-right_node).exp() / c),
        1 + arb(0, (2 / (a.cos() * growth)).upper()),
        ends,
    )


def _by_exponentials(logistic: bool, k: int, values: list[Ball], laws: list[Law], rule: Rule) -> list[Row]:
    assert rule.ends is not None
    powers = [[(-t * x).exp() for t in rule.nodes] for x in values]
    ends = [(-t).exp() for t in rule.nodes]
    found = []
    for row in laws:
        columns = arb_mat(
            len(rule.nodes), len(row), [e for es in zip(*(powers[u] for u, _ in row), strict=True) for e in es]
        )
        masses = [ball(m) for _, m in row]
        phi = (columns * arb_mat([[m] for m in masses])).entries()
        power = [p ** (k - 1) for p in phi]
        if logistic:
            value = sum(((1 - q * p) * e for q, p, e in zip(power, phi, ends, strict=True)), arb(0))
            weights = [q * t * e for q, t, e in zip(power, rule.nodes, ends, strict=True)]
        else:
            value = sum((e - q * p for q, p, e in zip(power, phi, ends, strict=True)), arb(0))
            weights = [q * t for q, t in zip(power, rule.nodes, strict=True)]
        slopes = (arb_mat(1, len(rule.nodes), weights) * columns).entries()
        at_ends, polynomial = rule.ends.sums(
            _raw_moments(masses, [values[u] for u, _ in row], rule.ends.degree), arb(0), k, int(logistic)
        )
        slope = {
            u: ((g + polynomial(values[u])) * rule.step * k + rule.tail) / rule.relative
            for (u, _), g in zip(row, slopes, strict=True)
        }
        found.append(((value + at_ends) * rule.step + rule.error, slope))
    return found


def _by_moments(k: int, values: list[Ball], least: Ball, laws: list[Law], rule: Rule, bits: int) -> list[Row]:
    """The logistic rows by Taylor's formula (module docstring)."""
    assert rule.ends is not None
    nodes = rule.nodes
    x = ((1 + least) / 2).mid()
    z = [value - x for value in values]
    r = arb((1 - x).max(x - least).max(arb(2) ** -30).upper())
    # at least as many moments as are needed near 0
    D = max(_degree(k, [float(t) for t in nodes], float(r), bits), rule.ends.degree)
    scales = [(-t * x).exp() for t in nodes]
    remainders = [
        a * (t * r).exp() * (t * r) ** (D + 1) / arb(D + 2).gamma() for a, t in zip(scales, nodes, strict=True)
    ]
    taylor = []
    for t, scale in zip(nodes, scales, strict=True):
        taylor.append(scale)
        for m in range(1, D + 1):
            taylor.append(taylor[-1] * -t / m)
    terms = arb_mat(len(nodes), D + 1, taylor)

    # few masses are distinct, and to make a ball of one takes as long as twenty products
    masses = {(m.numerator, m.denominator): m for row in laws for _, m in row}
    balls = {key: ball(m) for key, m in masses.items()}
    moments = arb_mat(len(laws), D + 1, [m for row in laws for m in _moments(row, z, balls, D)])
    phis = (moments * terms.transpose()).entries()
    ends, weights, losses = [(-t).exp() for t in nodes], [], []
    spread, unit = [arb(0, remainder.upper()) for remainder in remainders], arb(0).union(arb(1))
    for first in range(0, len(phis), len(nodes)):
        # between 0 and 1, where a k-th power cannot grow however wide the ball is
        phi = [(p + s).intersection(unit) for p, s in zip(phis[first : first + len(nodes)], spread, strict=True)]
        power = [p ** (k - 1) for p in phi]
        losses.append(sum(((1 - q * p) * e for q, p, e in zip(power, phi, ends, strict=True)), arb(0)))
        weights += [q * t * e for q, t, e in zip(power, nodes, ends, strict=True)]
    coefficients = (arb_mat(len(laws), len(nodes), weights) * terms).entries()
    found = []
    for n, (row, loss) in enumerate(zip(laws, losses, strict=True)):
        at_ends, polynomial = rule.ends.sums([moments[n, m] for m in range(rule.ends.degree + 1)], x, k, 1)
        mine = weights[n * len(nodes) : (n + 1) * len(nodes)]
        left_out = sum((w.abs_upper() * s for w, s in zip(mine, spread, strict=True)), arb(0))
        slope = arb_poly(coefficients[n * (D + 1) : (n + 1) * (D + 1)]) + polynomial
        slopes = {u: ((slope(z[u]) + left_out) * rule.step * k + rule.tail) / rule.relative for u, _ in row}
        found.append(((loss + at_ends) * rule.step + rule.error, slopes))
    return found


def _degree(k: int, nodes: list[float], r: float, bits: int) -> int:
    """A D at which the remainder, weighted as in a slope, is below 2^-bits at each node; floats will do."""
    # a slope is k t phi^(k-1), and phi^(k-1) off by k times what phi is
    logs = [2 * log(k) + max(log(t), 0.0) - t - t * (1 - r) + t * r + bits * log(2) for t in nodes]
    D = 3
    while any(a + (D + 1) * log(t * r) > lgamma(D + 2) for a, t in zip(logs, nodes, strict=True)):
        D += 4
    return D


def _moments(row: Law, z: list[Ball], masses: dict[tuple[int, int], Ball], D: int) -> list[Ball]:
    """`sum_u m_u z_u^i` for i = 0..D: `z^i` is the product of two of about `sqrt(D)` powers each."""
    side = isqrt(D) + 1
    base = [z[u] for u, _ in row]
    low = [[arb(1)] * len(row)]
    for _ in range(side):
        low.append([p * q for p, q in zip(low[-1], base, strict=True)])
    high = [[masses[m.numerator, m.denominator] for _, m in row]]
    for _ in range(side - 1):
        high.append([p * q for p, q in zip(high[-1], low[side], strict=True)])
    sizes = (side, len(row))
    products = (
        arb_mat(*sizes, [p for ps in high for p in ps])
        * arb_mat(*sizes, [p for ps in low[:side] for p in ps]).transpose()
    )
    return list(products.entries()[: D + 1])


def _raw_moments(masses: list[Ball], values: list[Ball], M: int) -> list[Ball]:
    """`sum_u m_u X_u^i` for i = 0..M."""
    moments, powers = [], masses
    for _ in range(M + 1):
        moments.append(sum(powers, arb(0)))
        powers = [p * x for p, x in zip(powers, values, strict=True)]
    return moments


def _mean(row: Law, values: list[Ball]) -> Ball:
    return sum((ball(m) * values[u] for u, m in row), arb(0))
