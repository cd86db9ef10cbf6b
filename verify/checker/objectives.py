"""The objectives that this checker knows, by the law of a negative given the class of its anchor.

For an anchor of a class of mass m (of the prior rho) a negative is of each other class j with probability `factor(m)
rho_j`, and of the anchor's own class with probability `own(m)`: 1 and m for `nce`, whose negatives are iid from rho,
1/(1-m) and 0 for `no-collisions`, whose negatives are those conditioned on another class. A statement that names no
objective is about `nce`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from verify.checker.reading import Fields


@dataclass(frozen=True)
class Objective:
    name: str
    collisions: bool

    def own(self, mass: Fraction) -> Fraction:
        return mass if self.collisions else Fraction(0)

    def factor(self, mass: Fraction) -> Fraction:
        """At least 1, which step 6 of `dual` rests on."""
        return Fraction(1) if self.collisions else 1 / (1 - mass)


NCE = Objective("nce", collisions=True)
OBJECTIVES = {one.name: one for one in (NCE, Objective("no-collisions", collisions=False))}


def read_objective(fields: Fields) -> Objective:
    """The field objective of a statement, if there is one."""
    return OBJECTIVES[fields.choice("objective", tuple(OBJECTIVES))] if "objective" in fields.data else NCE
