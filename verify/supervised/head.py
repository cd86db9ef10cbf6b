r"""The best classifier for groups of equal classes, in double precision and in the number of groups.

Let Q permute the embeddings as a permutation within groups permutes the classes: an orthogonal map, as it keeps the
Gram matrix. The downstream loss is convex in the scores, so averaging `Q^-1 w_pi(c)` over all of them does not raise
it, and stays in the unit ball. What remains is fixed by the permutations that fix class j of group g (derived):

    w_gj = x_g + z_g s_gj,      x_g in the span of the groups' means, s_gj the simplex direction of the class,

with `|x_g|^2 + z_g^2 <= 1`, and `z_g = 0` for a group of one class. With `q_g = sqrt(1 - p_g)` (`theory.groups`) the
scores of a class of group g are

    own  <mean_g, x_g> + q_g z_g,   a mate  <mean_g, x_g> - q_g z_g / (N_g - 1),   a class of group h  <mean_g, x_h>.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np
from jaxtyping import Float

from theory.expectation.expansion import Expansion
from theory.losses import get_loss
from verify.optimize.spheres import minimize

Array = np.ndarray


@dataclass(frozen=True)
class Head:
    """A classifier in groups, at embeddings whose means are the rows of `means`.

    U: the means; x: m x r; z: m; `value` and `lower` bound the downstream loss. `pull_x` and `pull_z` are its gradient,
    `slopes[g, h]` its slope in the score of a class of group g with the classifier of one of group h (its own and its
    mates' together where h = g).
    """

    U: Float[Array, "m r"]
    x: Float[Array, "m r"]
    z: Float[Array, " m"]
    value: float
    lower: float
    pull_x: Float[Array, "m r"]
    pull_z: Float[Array, " m"]
    slopes: Float[Array, "m m"]
    accuracy: float
    converged: bool


class GroupedHead:
    """The downstream loss as a function of `(x, z)`, for a loss that knows counts of margins (`Loss.expansion`)."""

    def __init__(
        self,
        loss: str,
        means: Float[Array, "m r"],
        counts: Float[Array, " m"],
        totals: Float[Array, " m"],
        beta: float,
    ) -> None:
        self.loss, self.U, self.counts, self.totals, self.beta = get_loss(loss), means, counts, totals, beta
        self.q = np.sqrt(np.maximum(1 - np.sum(means**2, axis=1), 0.0)) * (counts > 1)
        self.q[self.q < 1e-9] = 0.0
        self.several = np.maximum(counts - 1, 1)
        # how many classes of group h a class of group g is compared with
        self.rivals = np.tile(counts, (len(counts), 1))
        np.fill_diagonal(self.rivals, counts - 1)

    def solve(self) -> Head:
        """The best classifier: the unit ball is the shadow of a sphere with one coordinate more, which is searched."""
        norms = np.linalg.norm(self.U, axis=1, keepdims=True)
        start = np.hstack([self.U, 0.5 * self.q[:, None], np.full((len(self.U), 1), 0.3)])
        start /= np.maximum(np.linalg.norm(start, axis=1, keepdims=True), np.maximum(norms, 1e-9))

        def evaluate(W: Float[Array, "s m n"], V: Float[Array, "s m n"] | None) -> tuple[Array, Array, Array]:
            value, gradient, product = self.derivatives(W[0], np.zeros_like(W[0]) if V is None else V[0])
            return np.array([value]), gradient[None], product[None]

        run = minimize(evaluate, start[None], np.maximum(self.totals, 1e-9), tolerance=1e-12, max_iterations=300)[0]
        return self.head(run.embeddings[:, :-2], run.embeddings[:, -2], run.converged)

    def head(self, x: Float[Array, "m r"], z: Float[Array, " m"], converged: bool = True) -> Head:
        """What there is to know at this classifier, with the lower bound of `theory.downstream`."""
        W = np.hstack([x, z[:, None], np.zeros((len(x), 1))])
        value, gradient, _ = self.derivatives(W, np.zeros_like(W))
        pull_x, pull_z = gradient[:, :-2], gradient[:, -2]
        lengths = np.sqrt(np.sum(pull_x**2, axis=1) + pull_z**2)
        lower = value - float(np.sum(lengths) + np.sum(pull_x * x) + np.sum(pull_z * z))
        T = self.exponents(W)
        right = np.all((T < -1e-9) | (self.rivals == 0), axis=1)
        slopes = self._slopes(self.rows(T))
        matrix = slopes - np.diag(np.sum(slopes, axis=1))
        return Head(
            self.U,
            x,
            z,
            value,
            min(lower, value),
            pull_x,
            pull_z,
            matrix,
            min(1.0, fsum(self.totals[right])),
            converged,
        )

    def loss_of(self, exponents: Float[Array, "m m"]) -> float:
        """The loss where a rival's score exceeds the own one by this much: rivals of group h, or mates."""
        return float(self.totals @ self.rows(exponents).value)

    def exponents_of(self, head: Head) -> Float[Array, "m m"]:
        """`exponents` at a classifier."""
        return self.exponents(np.hstack([head.x, head.z[:, None], np.zeros((len(head.x), 1))]))

    def cosines(self) -> Float[Array, "m m"]:
        """The cosines between classes, on the diagonal those of mates."""
        cross = self.U @ self.U.T
        np.fill_diagonal(cross, 1 - self.q**2 * self.counts / self.several)
        return cross

    def exponents(self, W: Float[Array, "m n"]) -> Float[Array, "m m"]:
        """The score of a rival less that of the own class: rivals of group h, or mates on the diagonal."""
        cross, spread = self.U @ W[:, :-2].T, self.q * W[:, -2]
        T = cross - (np.diag(cross) + spread)[:, None]
        np.fill_diagonal(T, -spread - spread / self.several)
        return T

    def derivatives(
        self, W: Float[Array, "m n"], V: Float[Array, "m n"]
    ) -> tuple[float, Float[Array, "m n"], Float[Array, "m n"]]:
        """Value, gradient, and Hessian times V; columns: x, z, and the coordinate that nothing sees."""
        rows = self.rows(self.exponents(W))
        curved = self.beta**2 * self.totals[:, None] * rows.along(self.exponents(V))
        return float(self.totals @ rows.value), self._back(self._slopes(rows)), self._back(curved)

    def rows(self, exponents: Float[Array, "m m"]) -> Expansion:
        """The loss of a class of each group, as a function of its margins."""
        return self.loss.expansion(-self.beta * exponents, self.rivals)

    def _slopes(self, rows: Expansion) -> Float[Array, "m m"]:
        """The slopes of the downstream loss in the exponents."""
        return -self.beta * self.totals[:, None] * rows.slopes

    def _back(self, F: Float[Array, "m m"]) -> Float[Array, "m n"]:
        """From slopes in the exponents to slopes in x, z and the last coordinate."""
        own, mates = -np.sum(F, axis=1), np.diag(F)
        cross = F - np.diag(mates) + np.diag(own + mates)
        z = self.q * (own - mates / self.several)
        return np.hstack([cross.T @ self.U, z[:, None], np.zeros((len(F), 1))])
