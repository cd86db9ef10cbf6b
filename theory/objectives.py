"""The objectives that people train with: which negatives an anchor meets, and whether these have a tower of their own.

At class level an objective is a law for each anchor: of what mass it is, where its positive is, and with which
probability a negative is of each class. An anchor of class c has mass `rho_c`; a negative is (derived)

    nce             of class j with probability `rho_j`, its own class included: such a collision has margin 0 [1]
    no-collisions   of class j != c with probability `rho_j / (1 - rho_c)`: the class of the anchor is left out

    pool:N          from the other N-1 of N items without replacement, rho_j N of class j: the other items of a batch

`clip` and `sigmoid:B` (bias B) have a second tower for the candidates (`theory.towers`), with the first of these laws;
`clip-no-collisions` and `sigmoid-no-collisions:B` with the second. So one convex program in a Gram matrix, one proof
and one certificate serve all of them: only the weights of a row differ, and the entries that it sees. The page
`docs/objectives.md` says what libraries call them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from theory.errors import InputError
from theory.priors import number

if TYPE_CHECKING:
    from jaxtyping import Float

    from theory.arrays import Array


@dataclass(frozen=True)
class TrainingObjective:
    """One of `OBJECTIVES`, by the law of a negative given the class of its anchor.

    Attributes:
        name: how options, results and statements name it.
        collisions: whether a negative may be of the class of its anchor.
        towers: how many embeddings a class has: 2 where candidates have one of their own.
        bias: that of the sigmoid loss, exact; None for others.
        pool: N of `pool:N`; None where negatives are independent given the anchor.
    """

    name: str
    collisions: bool
    towers: int = 1
    bias: Fraction | None = None
    pool: int | None = None

    def own(self, mass: Fraction) -> Fraction:
        """The probability that a negative is of the class of its anchor, which has this mass."""
        if self.pool is not None:
            return (mass * self.pool - 1) / (self.pool - 1)
        return mass if self.collisions else Fraction(0)

    def factor(self, mass: Fraction) -> Fraction:
        """What the mass of any other class is multiplied by, for an anchor of a class of this mass."""
        if self.pool is not None:
            return Fraction(self.pool, self.pool - 1)
        return Fraction(1) if self.collisions else 1 / (1 - mass)

    def law(self, rho: Float[Array, "*r C"]) -> Float[Array, "*w n"]:
        """The probabilities of the classes of a negative, to go with rows of margins, one row an anchor; where they do
        not depend on the anchor, the row that all share."""
        from theory.arrays import array_module

        xp, C = array_module(rho), rho.shape[-1]
        if self.pool is not None:
            return (self.pool * rho[..., None, :] - xp.eye(C)) / (self.pool - 1)
        if self.collisions:
            return rho if rho.ndim == 1 else rho[..., None, :]
        return _conditioned(xp.where(xp.eye(C, dtype=bool), 0.0, rho[..., None, :]))

    def atoms(self, others: Float[Array, "m n"], own: Float[Array, " m"]) -> Float[Array, "m atoms"]:
        """The probabilities of n atoms of other classes, and last of the anchor's own class, from their masses."""
        from theory.arrays import array_module

        xp = array_module(others, own)
        if self.pool is not None:
            own = own - 1 / self.pool
            return xp.concatenate([others, own[:, None]], axis=1) * (self.pool / (self.pool - 1))
        if self.collisions:
            return xp.concatenate([others, own[:, None]], axis=1)
        return _conditioned(xp.concatenate([others, 0.0 * own[:, None]], axis=1))

    def stated(self) -> dict[str, str | int]:
        """The fields of a statement that say which objective it is about: none for `nce`."""
        if self == NCE:
            return {}
        family, _, _ = self.name.partition(":")
        bias: dict[str, str | int] = {} if self.bias is None else {"bias": as_ratio(self.bias)}
        return {"objective": family} | bias | ({} if self.pool is None else {"pool": self.pool})


def as_ratio(q: Fraction) -> str:
    """ "p/q" in lowest terms."""
    return f"{q.numerator}/{q.denominator}"


def _conditioned(masses: Float[Array, "*w n"]) -> Float[Array, "*w n"]:
    """Divided by their sum, which is accurate where 1 minus the anchor's mass would cancel."""
    return masses / masses.sum(axis=-1, keepdims=True)


NCE = TrainingObjective("nce", collisions=True)
NO_COLLISIONS = TrainingObjective("no-collisions", collisions=False)

#: The objectives without a parameter, by name.
OBJECTIVES: dict[str, TrainingObjective] = {
    one.name: one
    for one in (
        NCE,
        NO_COLLISIONS,
        TrainingObjective("clip", collisions=True, towers=2),
        TrainingObjective("clip-no-collisions", collisions=False, towers=2),
    )
}
#: Those with a bias, written `name:bias`, by whether negatives collide.
SIGMOIDS = {"sigmoid": True, "sigmoid-no-collisions": False}

#: Those of one tower, and all: as they are named where only some are accepted.
ONE_TOWER = (NCE.name, NO_COLLISIONS.name)
POOL = "pool"
WITH_POOL = (*ONE_TOWER, f"{POOL}:N")
ALL = (*WITH_POOL, *(f"{name}" for name in OBJECTIVES if name not in ONE_TOWER), *(f"{name}:B" for name in SIGMOIDS))

#: The biases for which double precision is tested, and the sizes of pools.
MOST_BIAS, MOST_POOL = 100, 10**6

#: What functions take for an objective.
ObjectiveLike: TypeAlias = str | TrainingObjective


def get_objective(objective: ObjectiveLike, accepted: tuple[str, ...] = ALL) -> TrainingObjective:
    """The objective of this name, where only some are accepted.

    Raises:
        InputError: if it is not one of them, or the bias is no number from -`MOST_BIAS` to `MOST_BIAS`.
    """
    name = objective.name if isinstance(objective, TrainingObjective) else objective
    family, colon, parameter = name.partition(":")
    if name in OBJECTIVES and name in accepted:
        return OBJECTIVES[name]
    if colon and family in SIGMOIDS and f"{family}:B" in accepted:
        bias = number(parameter, "objective")
        if abs(bias) > MOST_BIAS:
            raise InputError("objective", name, f"accepted: {family}:B, B from -{MOST_BIAS} to {MOST_BIAS}")
        return TrainingObjective(f"{family}:{bias}", SIGMOIDS[family], towers=2, bias=bias)
    if colon and family == POOL and f"{POOL}:N" in accepted:
        size = number(parameter, "objective")
        if size.denominator != 1 or not 2 <= size <= MOST_POOL:
            raise InputError("objective", name, f"accepted: {POOL}:N, N a whole number from 2 to {MOST_POOL}")
        return TrainingObjective(f"{POOL}:{size}", collisions=True, pool=int(size))
    raise InputError("objective", name, f"accepted here: {', '.join(accepted)}")
