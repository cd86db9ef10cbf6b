"""The objectives that this checker knows, by the law of a negative given the class of its anchor.

For an anchor of a class of mass m (of the prior rho) a negative is of each other class j with probability `factor(m)
rho_j`, and of the anchor's own class with probability `own(m)`: 1 and m for `nce`, whose negatives are iid from rho,
1/(1-m) and 0 for `no-collisions`, whose negatives are those conditioned on another class. `clip` and `sigmoid` (which
has a field bias) have two towers (`towers`), with either law. `pool` (with a field pool, N) draws the negatives from
the other N - 1 of N items without replacement (`pools`), of which (m N - 1)/(N - 1) and N rho_j/(N - 1) are of these
classes. A statement that names no objective is about `nce`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from verify.checker.reading import Fields
from verify.checker.verdict import Unreadable

MOST_BIAS, MOST_POOL = 1000, 10**6


@dataclass(frozen=True)
class Objective:
    name: str
    collisions: bool
    towers: int = 1
    bias: Fraction | None = None
    pool: int | None = None

    def own(self, mass: Fraction) -> Fraction:
        if self.pool is not None:
            return (mass * self.pool - 1) / (self.pool - 1)
        return mass if self.collisions else Fraction(0)

    def factor(self, mass: Fraction) -> Fraction:
        """At least 1, which step 6 of `dual` rests on."""
        if self.pool is not None:
            return Fraction(self.pool, self.pool - 1)
        return Fraction(1) if self.collisions else 1 / (1 - mass)


NCE = Objective("nce", collisions=True)
ONE_TOWER = {one.name: one for one in (NCE, Objective("no-collisions", collisions=False))}
TWO_TOWERS = {
    f"{family}{law}": Objective(f"{family}{law}", collisions=not law, towers=2, bias=bias)
    for family, bias in (("clip", None), ("sigmoid", Fraction(0)))
    for law in ("", "-no-collisions")
}


def read_objective(fields: Fields) -> Objective:
    """The field objective of a statement, if there is one: of one tower."""
    return ONE_TOWER[fields.choice("objective", tuple(ONE_TOWER))] if "objective" in fields.data else NCE


def read_pooled_objective(fields: Fields, k: int, rho: list[Fraction]) -> Objective:
    """The same, or that of a pool, which holds a whole number of each class and more than k items."""
    if fields.data.get("objective") != "pool":
        return read_objective(fields)
    fields.choice("objective", ("pool",))
    size = fields.integer("pool", 2, MOST_POOL)
    if k >= size or any((mass * size).denominator != 1 for mass in rho):
        raise Unreadable(f"{fields.name}.pool: a whole number of each class, and more than k items, are needed")
    return Objective("pool", collisions=True, pool=size)


def read_two_towers(fields: Fields) -> Objective:
    """That of two towers, with the bias that it may have; `nce` where it is none."""
    if fields.data.get("objective") not in TWO_TOWERS:
        return NCE
    found = TWO_TOWERS[fields.choice("objective", tuple(TWO_TOWERS))]
    if found.bias is None:
        return found
    bias = fields.rational("bias")
    if abs(bias) > MOST_BIAS:
        raise Unreadable(f"{fields.name}.bias: only -{MOST_BIAS} to {MOST_BIAS} is handled")
    return replace(found, bias=bias)
