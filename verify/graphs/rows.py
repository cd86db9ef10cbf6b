r"""Balls around the expected loss of an anchor with a random positive, and its slopes, by python-flint.

The quantities of `theory.augmentation.expectation`, where the bounds of the quadrature are derived: the trapezoid
rule of `verify.certify.rows` with `K = k + 2`, `c = min(1, min_p X_p + k min_u X_u)` for the logistic loss, and as it
is there for the decoupled one. A row has the slopes `dV/dX_u = m_u b_u + q_u a_u`, m the law of a negative and q that
of the positive:

    logistic     b_u = int k phi^(k-1) psi e^(-t X_u) dt,   a_u = int phi^k e^(-t X_u) dt - 1/X_u
    decoupled    b_u = int k phi^(k-1) e^(-t X_u) dt,       a_u = -1/X_u
    sum of g     b_u = k sum_p q_p g'(X_u/X_p) / X_p,       a_u = -k sum_v m_v g'(X_v/X_u) X_v / X_u^2

The integrands of all integrals are at most `k t e^(-c t)`, which is what the tails of the rule's slopes allow for.
"""

from __future__ import annotations

from typing import NamedTuple

from flint import arb, arb_mat

from theory.errors import InputError
from verify.certify.balls import Ball, ball
from verify.certify.losses import LogSum, Sum, get
from verify.certify.rows import MAX_TERMS, Law, OutOfReach, trapezoid_rule


class AnchorRow(NamedTuple):
    """V, and for each value its slope as a negative (b) and, where it is a positive, as that (a)."""

    loss: Ball
    negative: dict[int, Ball]
    positive: dict[int, Ball]


def anchor_rows(loss: str, k: int, logarithms: list[Ball], laws: list[tuple[Law, Law]], bits: int) -> list[AnchorRow]:
    """One row for each pair of laws, of a negative and of the positive, on the values `e^z` of these logarithms.

    Raises:
        InputError: if the loss is not one of `verify.certify.losses`, or weighted.
        OutOfReach: if it would take more memory than `MAX_TERMS` stands for.
    """
    found, values = get(loss), [z.exp() for z in logarithms]
    if isinstance(found, LogSum) and found.q is not None:
        raise InputError("loss", loss, "the integrals of anchors with a random positive are of unit weight")
    if isinstance(found, Sum):
        return [_pairs(found, k, values, *law) for law in laws]
    logistic = found.one == 1
    least = min(x.lower() for x in values)
    c = k * least
    if logistic:
        c += min(min((values[u].lower() for u, _ in positive), default=arb(1)) for _, positive in laws)
    rule = trapezoid_rule(k + 2 if logistic else k + 1, k, arb(1).min(c), bits)
    if len(rule.nodes) * len(values) > MAX_TERMS:
        raise OutOfReach(f"{len(values)} distinct cosines at {bits} bits are more than fits")
    powers = [[(-t * x).exp() for t in rule.nodes] for x in values]
    ends = [(-t).exp() for t in rule.nodes]
    rows = []
    for negative, positive in laws:
        phi = _means(powers, negative)
        rest = [p ** (k - 1) for p in phi]
        psi = _means(powers, positive) if logistic else [arb(1)] * len(phi)
        value = sum((e - q * r * p for e, q, r, p in zip(ends, psi, rest, phi, strict=True)), arb(0))
        value = value * rule.step + rule.error - sum((ball(q) * logarithms[u] for u, q in positive), arb(0))
        weights = [t * k * r * q for t, r, q in zip(rule.nodes, rest, psi, strict=True)]
        slopes = _integrals(powers, negative, weights)
        down = {u: (g * rule.step + rule.tail) / rule.relative for u, g in slopes.items()}
        up = {u: -1 / values[u] for u, _ in positive}
        if logistic:
            weights = [t * r * p for t, r, p in zip(rule.nodes, rest, phi, strict=True)]
            for u, g in _integrals(powers, positive, weights).items():
                up[u] += (g * rule.step + rule.tail) / rule.relative
        rows.append(AnchorRow(value, down, up))
    return rows


def _means(powers: list[list[Ball]], law: Law) -> list[Ball]:
    columns = arb_mat(
        len(powers[0]), len(law), [e for es in zip(*(powers[u] for u, _ in law), strict=True) for e in es]
    )
    means: list[Ball] = (columns * arb_mat([[ball(m)] for _, m in law])).entries()
    return means


def _integrals(powers: list[list[Ball]], law: Law, weights: list[Ball]) -> dict[int, Ball]:
    columns = arb_mat(len(weights), len(law), [e for es in zip(*(powers[u] for u, _ in law), strict=True) for e in es])
    sums = (arb_mat(1, len(weights), weights) * columns).entries()
    return {u: g for (u, _), g in zip(law, sums, strict=True)}


def _pairs(loss: Sum, k: int, values: list[Ball], negative: Law, positive: Law) -> AnchorRow:
    """`k E g(X_u / X_p)`: of the negatives, each is by itself beside the positive."""
    total, down, up = arb(0), {u: arb(0) for u, _ in negative}, {u: arb(0) for u, _ in positive}
    for p, q in positive:
        for u, m in negative:
            value, slope = loss.term(values[u] / values[p])
            total += ball(q * m) * value
            down[u] += ball(q) * slope / values[p]
            up[p] -= ball(m) * slope * values[u] / values[p] ** 2
    return AnchorRow(k * total, {u: k * b for u, b in down.items()}, {u: k * a for u, a in up.items()})
