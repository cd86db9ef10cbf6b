"""The objectives that this checker knows, by the law of a negative given the class of its anchor.

For an anchor of a class of mass m (of the prior rho) a negative is of each other class j with probability `factor(m)
rho_j`, and of the anchor's own class with probability `own(m)`: 1 and m for `nce`, whose negatives are iid from rho,
1/(1-m) and 0 for `no-collisions`, whose negatives are those conditioned on another class. `clip` and `sigmoid` (which
has a field bias) have two towers (`towers`), with either law. A statement that names no objective is about `nce`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from verify.checker.reading import Fields
from verify.checker.verdict import Unreadable

MOST_BIAS = 1000


@dataclass(frozen=True)
class Objective:
    name: str
    collisions: bool
    towers: int = 1
    bias: Fraction | None = None

    def own(self, mass: Fraction) -> Fraction:
        return mass if self.collisions else Fraction(0)

    def factor(self, mass: Fraction) -> Fraction:
        """At least 1, which step 6 of `dual` rests on."""
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


def read_any_objective(fields: Fields) -> Objective:
    """The same, of one tower or two, with the bias that it may have."""
    if "objective" not in fields.data or fields.data["objective"] in ONE_TOWER:
        return read_objective(fields)
    found = TWO_TOWERS[fields.choice("objective", (*ONE_TOWER, *TWO_TOWERS))]
    if found.bias is None:
        return found
    bias = fields.rational("bias")
    if abs(bias) > MOST_BIAS:
        raise Unreadable(f"{fields.name}.bias: only -{MOST_BIAS} to {MOST_BIAS} is handled")
    return replace(found, bias=bias)
