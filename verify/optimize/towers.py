"""The loss of two towers (`theory.towers`) as one of the Gram matrix of all 2C embeddings, u before v."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.objectives import TrainingObjective
from theory.problem import Problem
from theory.towers import anchor_rows
from verify.optimize.newton import Derivatives


@dataclass(frozen=True)
class TowersLoss:
    """A problem for the barrier method (`verify.optimize.means.MeansProblem`): every class of each tower is a group.

    `rho` is the mass of each class, half of it in each tower.
    """

    rho: Float[np.ndarray, " C"]
    loss: str
    k: int | float
    beta: float
    objective: TrainingObjective

    @cached_property
    def counts(self) -> Float[np.ndarray, " m"]:
        """One class each."""
        return np.ones(2 * len(self.rho))

    @cached_property
    def totals(self) -> Float[np.ndarray, " m"]:
        """The mass of each."""
        return np.concatenate([self.rho, self.rho]) / 2

    @property
    def scale(self) -> float:
        """What the derivatives are divided by."""
        return 1.0

    def derivatives(self, B: Float[np.ndarray, "m m"]) -> Derivatives:
        """Value and derivatives of the loss in the entries of B."""
        C = len(self.rho)
        u, v = slice(None, C), slice(C, None)
        with np.errstate(all="ignore"):
            rows = anchor_rows(self.objective, self.loss, self.k, self.beta, self.rho, B[u, v])
            slopes = self.beta * self.totals[:, None] * rows.slopes
            bends = self.beta**2 * self.totals[:, None, None] * rows.hessian()
        first, second = np.zeros_like(B), np.zeros((*B.shape, len(B)))
        first[u, v], first[v, u] = slopes[u], slopes[v]
        second[u, v, v], second[v, u, u] = bends[u], bends[v]
        return Derivatives(float(self.totals @ rows.value), (first + first.T) / 2, second)


def towers_of(problem: Problem) -> TowersLoss:
    """The loss of a problem of two towers."""
    rho = problem.population.as_array()
    return TowersLoss(rho, problem.loss_name, problem.k, float(problem.beta), problem.objective)
