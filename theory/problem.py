"""One contrastive problem: which loss, of which population, with how many negatives, is minimized over embeddings.

    min L_k(U)   over U with unit rows in R^d,   L_k the population loss (`theory.population`) at beta = 1 / temperature

Everything is exact: doubles are made of it where they are computed with. Imports nothing heavy, so that bad input is
refused before anything is loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias

from theory.errors import InputError
from theory.priors import Prior, number

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float
    from typing_extensions import TypeVar

    from theory.augmentation.graph import Graph
    from theory.losses import Loss, LossLike
    from theory.objectives import ObjectiveLike, TrainingObjective

    #: What is embedded: the classes of a prior, or the points of a graph. A bare `Problem` is one of classes.
    Population = TypeVar("Population", bound=Prior | Graph, default=Prior)
else:
    from typing import TypeVar

    Population = TypeVar("Population")

#: Numbers as Python and NumPy have them: those of `k`, and exact ones too, as a temperature may be.
Number: TypeAlias = "int | float | np.number[Any]"
ExactNumber: TypeAlias = "Fraction | Number | str"
Whole: TypeAlias = "int | np.integer[Any]"

#: The largest finite `k` for which the quadrature in double precision is tested.
MAX_K = 10**9


class Numbers(NamedTuple):
    """A problem in double precision, as `verify.optimize.search.minimum` and `search` take it: `minimum(*numbers)`."""

    loss: Loss
    rho: Float[np.ndarray, " C"]
    k: int | float
    d: int
    beta: float


@dataclass(frozen=True, init=False)
class Problem(Generic[Population]):
    """A population, the number of negatives, the dimension, the loss and its temperature; checked once, here.

    Attributes:
        population: a class prior, in groups of equal classes; or a graph of points (`theory.augmentation.graph`), whose
            positives are its pairs.
        k: number of negatives: an integer, a real number (nothing is proved of it), or `math.inf` for the limit of the
            normalized loss.
        d: dimension of the embeddings; by default, that of all classes or points in general position.
        temperature: exact; the loss sees margins divided by it.
        loss_name: how results name the loss, and what proofs know it by (`theory.losses.loss_name`): that of a user's
            own is `package.module:callable`, whatever it calls itself.
        objective: which negatives an anchor meets (`theory.objectives`).

    Raises:
        InputError: for a number out of range, a loss or an objective that there is not, a loss of one's own or a graph
            with another objective than `nce`, or a loss or a `k` that two towers or a pool do not take.
    """

    population: Population
    k: int | float
    d: int
    loss: Loss
    temperature: Fraction
    loss_name: str
    objective: TrainingObjective

    def __init__(
        self,
        population: Population,
        k: Number,
        d: Whole | None = None,
        loss: LossLike = "logistic",
        temperature: ExactNumber = 1,
        loss_name: str | None = None,
        objective: ObjectiveLike = "nce",
    ) -> None:
        checked = {"k": check_k(k), "d": check_d(d, population.points), "temperature": check_temperature(temperature)}
        from theory.losses import get_loss
        from theory.losses import loss_name as name_of
        from theory.objectives import NCE, get_objective

        own = {"population": population, "loss": get_loss(loss), "loss_name": loss_name or name_of(loss)}
        for attribute, value in (checked | own | {"objective": get_objective(objective)}).items():
            object.__setattr__(self, attribute, value)
        if self.objective != NCE and not self.loss.convex:
            raise InputError("objective", self.objective.name, "accepted with a loss of one's own: nce")
        if self.objective != NCE and not isinstance(population, Prior):
            raise InputError("objective", self.objective.name, "accepted with a graph: nce")
        if self.objective.towers == 2:
            self._check_towers()
        if self.objective.pool is not None:
            self._check_pool(self.objective.pool)

    def _check_pool(self, N: int) -> None:
        from theory.expectation.pools import MOST_MASSES, check_terms

        assert isinstance(self.population, Prior)
        name, masses = self.objective.name, self.population.merged().masses
        if any((mass * N).denominator != 1 for mass in masses):
            raise InputError("objective", name, "accepted: pool:N with rho_c N a whole number for every class")
        if not isinstance(self.k, int) or self.k >= N:
            raise InputError("k", self.k, f"accepted for {name}: an integer, at most {N - 1}")
        if not self.loss.smooth:
            raise InputError("loss", self.loss_name, f"accepted for {name}: losses other than hinge")
        check_terms(len(masses) + 1, self.k)
        if len(masses) > MOST_MASSES:
            raise InputError("rho", f"{len(masses)} masses", f"accepted for {name}: at most {MOST_MASSES} that differ")

    def _check_towers(self) -> None:
        losses = ("logistic", "decoupled", "exponential", "separable")[: 4 if self.objective.bias is None else 1]
        if self.loss_name not in losses:
            raise InputError("loss", self.loss_name, f"accepted for {self.objective.name}: {', '.join(losses)}")
        if not isinstance(self.k, int):
            raise InputError("k", self.k, f"accepted for {self.objective.name}: an integer")

    @property
    def beta(self) -> Fraction:
        """1 / temperature."""
        return 1 / self.temperature

    @property
    def numbers(self: Problem[Prior]) -> Numbers:
        """Of a problem of classes: the loss, `rho` (one mass a class), `k`, `d` and `beta` in double precision."""
        return Numbers(self.loss, self.population.as_array(), self.k, self.d, float(self.beta))

    @property
    def embedded(self: Problem[Prior]) -> Prior:
        """The embeddings that are sought, in groups, and their masses: those of the classes, or of two towers."""
        if self.objective.towers == 1:
            return self.population
        halves = tuple(mass / 2 for mass in self.population.rho)
        return Prior(halves + halves, (1,) * (2 * len(halves)))

    @property
    def integer_k(self) -> int:
        """`k` for proofs: convexity is proved for integers.

        Raises:
            InputError: if it is none.
        """
        if not isinstance(self.k, int):
            raise InputError("k", self.k, "a proof needs an integer k >= 1")
        return self.k


def _is_a(kind: type, value: object) -> bool:
    """Whether it is a number of this kind, of Python or of NumPy; a truth value is none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def check_k(k: Any) -> int | float:
    """`k` as an integer where it is one; a real `k >= 1` and `math.inf` pass.

    Raises:
        InputError: for anything else, and beyond `MAX_K`.
    """
    accepted = f"accepted: an integer from 1 to {MAX_K}, or inf"
    if not _is_a(Real, k) or math.isnan(k) or k < 1:
        raise InputError("k", k, accepted)
    if math.isinf(k):
        return math.inf
    if k > MAX_K:
        raise InputError("k", k, accepted)
    return int(k) if k == int(k) else float(k)


def check_d(d: Any, points: int) -> int:
    """The dimension, by default as many as points are embedded (one a class, where they are collapsed).

    Raises:
        InputError: for `d < 2`: the sphere in one dimension is two points.
    """
    if d is None:
        return points
    if not _is_a(Integral, d) or d < 2:
        raise InputError("d", d, "accepted: an integer >= 2 (in dimension 1 the sphere is two points)")
    return int(d)


def check_temperature(temperature: Any) -> Fraction:
    """The temperature, read exactly; a float is taken as the decimal that it prints as.

    Raises:
        InputError: if it is not a positive number.
    """
    accepted = "accepted: a number from 1/100 to 10^6"
    if not isinstance(temperature, str) and not _is_a(Real, temperature):
        raise InputError("temperature", temperature, accepted)
    if _is_a(Rational, temperature):
        exact = Fraction(int(temperature.numerator), int(temperature.denominator))
    else:
        exact = number(temperature if isinstance(temperature, str) else repr(float(temperature)), "temperature")
    if not Fraction(1, 100) <= exact <= 10**6:
        raise InputError("temperature", temperature, accepted)
    return exact
