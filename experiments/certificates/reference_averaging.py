"""The averaging step by another route: every anchor, positive and tuple of negatives, one by one, at 75 digits.

Nothing here is shared with `verify` and its checker, which collect equal margins as exact fractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from experiments.certificates.reference import Number, mp, number

MAX_TUPLES = 50_000


@dataclass(frozen=True)
class Representation:
    """N points for each class: `weights[c]` sums to 1; `embeddings` are listed class after class."""

    rho: list[Fraction]
    weights: list[list[Fraction]]
    embeddings: list[list[Fraction]]


def excesses(
    loss: dict[str, Fraction], representation: Representation, k: int, beta: Fraction, collapsed: int
) -> list[Number]:
    """`L_k(f_x*) - L_k(f)` for each point x* of the class `collapsed`, all of whose points then have x*'s embedding."""
    N, rows = len(representation.weights[0]), representation.embeddings
    if len(rows) ** k * len(rows) * N > MAX_TUPLES:
        raise ValueError("too many tuples to enumerate")
    before = _loss(loss, representation, k, beta)
    found = []
    for i in range(collapsed * N, (collapsed + 1) * N):
        changed = [rows[i] if n // N == collapsed else row for n, row in enumerate(rows)]
        after = Representation(representation.rho, representation.weights, changed)
        found.append(_loss(loss, after, k, beta) - before)
    return found


def _loss(loss: dict[str, Fraction], representation: Representation, k: int, beta: Fraction) -> Number:
    N, rows = len(representation.weights[0]), representation.embeddings
    chances = [number(r * w) for r, row in zip(representation.rho, representation.weights, strict=True) for w in row]
    beta_gram = [[number(beta * sum(a * b for a, b in zip(x, y, strict=True))) for y in rows] for x in rows]
    total = mp.mpf(0)
    for x, cosines in enumerate(beta_gram):
        own = x // N
        for n, weight in enumerate(representation.weights[own]):
            positive = cosines[own * N + n]
            for negatives in product(range(len(rows)), repeat=k):
                chance = chances[x] * number(weight) * prod(chances[i] for i in negatives)
                total += chance * _value(loss, [positive - cosines[i] for i in negatives])
    return total


def _value(loss: dict[str, Fraction], v: Sequence[Number]) -> Number:
    """`s sum_i exp(-b v_i) + a exp(-c sum_i v_i) + g log(1 + sum_i exp(-v_i))`."""
    s, b, a, c, g = (number(loss[name]) for name in ("separable", "separable_rate", "joint", "joint_rate", "logistic"))
    return (
        s * mp.fsum(mp.exp(-b * x) for x in v)
        + a * mp.exp(-c * mp.fsum(v))
        + g * mp.log(1 + mp.fsum(mp.exp(-x) for x in v))
    )


def is_in_the_family(loss: dict[str, Any]) -> bool:
    """Symmetric, strictly decreasing and strictly convex: s, b, c > 0 and a, g >= 0."""
    strict, weak = ("separable", "separable_rate", "joint_rate"), ("joint", "logistic")
    return all(loss[name] > 0 for name in strict) and all(loss[name] >= 0 for name in weak)
