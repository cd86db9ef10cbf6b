"""Convex problems in the mean Gram matrix of groups: of equal classes, or of exchangeable points (`verify.graphs`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from theory.losses import get_loss
from theory.objectives import NCE, TrainingObjective
from verify.optimize.newton import Derivatives, derivatives


@runtime_checkable
class MeansProblem(Protocol):
    """A loss of the matrix B of the groups' mean embeddings (`theory.groups`)."""

    @property
    def counts(self) -> Float[np.ndarray, " m"]:
        """The members of each group."""

    @property
    def totals(self) -> Float[np.ndarray, " m"]:
        """The mass of each group."""

    @property
    def scale(self) -> float:
        """What the derivatives are divided by."""

    def derivatives(self, B: Float[np.ndarray, "m m"]) -> Derivatives:
        """Value and derivatives of the loss over `scale`, in the entries of B."""


def scale_of(loss: str, k: int | float) -> float:
    """`k` for sums over the negatives, which are k times the loss of one negative and have its minimizer; else 1."""
    return float(k) if get_loss(loss).additive and isfinite(k) else 1.0


@dataclass(frozen=True)
class GroupedLoss:
    """The population loss: the mass of one class of each group, how many classes each has, the loss, `k`, `beta` and
    the objective.

    `k` may be real, or inf.
    """

    rho: Float[np.ndarray, " m"]
    counts: Float[np.ndarray, " m"]
    loss: str
    k: int | float
    beta: float
    objective: TrainingObjective = NCE

    @cached_property
    def totals(self) -> Float[np.ndarray, " m"]:
        """The mass of each group."""
        return self.rho * self.counts

    @property
    def scale(self) -> float:
        """What the derivatives are divided by (`scale_of`)."""
        return scale_of(self.loss, self.k)

    def derivatives(self, B: Float[np.ndarray, "m m"]) -> Derivatives:
        """Value and derivatives of the loss over `scale`, in the entries of B."""
        return derivatives(self.loss, self.k / self.scale, self.beta, self.rho, B, self.counts, self.objective)
