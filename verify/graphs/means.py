"""The loss of a problem on an augmentation graph, and its float64 derivatives in the mean Gram matrix.

The unknown is B (`theory.groups`): the products of the mean embeddings of the groups of exchangeable points, so that a
group of N points has `B_gg = (1 + (N-1) t)/N`, t its cosine within, and `B_gg = 1` for N = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from theory.augmentation.graph import Graph
from theory.augmentation.loss import anchors
from theory.problem import Problem
from verify.optimize.means import scale_of
from verify.optimize.newton import Derivatives


@dataclass(frozen=True)
class GraphMeans:
    """The loss as a function of B; `k` may be real, or inf for the limit."""

    problem: Problem[Graph]

    @cached_property
    def counts(self) -> Float[np.ndarray, " m"]:
        """The points of each group."""
        return self.problem.population.arrays.counts

    @property
    def totals(self) -> Float[np.ndarray, " m"]:
        """The mass of each group."""
        return self.problem.population.arrays.marginal

    @property
    def stretch(self) -> Float[np.ndarray, "m m"]:
        """`d cosine / d B`: N/(N-1) on the diagonal, 0 there for groups of one, 1 elsewhere."""
        stretch = np.ones((len(self.counts),) * 2)
        several = self.counts > 1
        np.fill_diagonal(stretch, np.where(several, self.counts / np.maximum(self.counts - 1, 1), 0.0))
        return stretch

    def cosines(self, B: Float[np.ndarray, "m m"]) -> Float[np.ndarray, "m m"]:
        """The cosines between groups and within them (1 for a group of one)."""
        cosines = B.copy()
        np.fill_diagonal(cosines, np.where(self.counts > 1, 1 - self.stretch.diagonal() * (1 - B.diagonal()), 1.0))
        return cosines

    @property
    def scale(self) -> float:
        """What the derivatives are divided by (`verify.optimize.means.scale_of`)."""
        return scale_of(self.problem.loss_name, self.problem.k)

    def derivatives(self, B: Float[np.ndarray, "m m"], *, hessian: bool = True) -> Derivatives:
        """Value and derivatives of the loss over `scale`, in the entries of B; the Hessian only if it is asked for."""
        problem, stretch, m = self.problem, self.stretch, len(B)
        k, beta = problem.k / self.scale, float(problem.beta)
        rows = anchors(problem.loss_name, problem.population.arrays, self.cosines(B), k, beta)
        first = beta * self.totals[:, None] * rows.slopes[:, :m] * stretch
        second = None
        if hessian:
            second = np.asarray(rows.hessian())[:, :m, :m] * stretch[:, :, None] * stretch[:, None, :]
            second *= beta**2 * self.totals[:, None, None]
        return Derivatives(float(self.totals @ rows.value), (first + first.T) / 2, second)
