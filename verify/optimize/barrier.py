r"""The optimum for groups of equal classes, or of exchangeable points, by a barrier method over their mean Gram matrix.

    minimize L(B) - mu ( log det B + sum_g log(1 - B_gg) ),   mu -> 0,   B_gg = 1 for groups of one          (derived)

over the m (m - 1) / 2 off-diagonal entries of B and the diagonal ones of groups of two or more (`theory.groups`).
The problem is convex and small, so Newton's method with a dense Hessian solves it from anywhere, whatever the signs of
the derivatives are, and needs no compilation. At the end `mu B^-1` and `mu / (1 - B_gg)` are the dual slack and the
multipliers of `B_gg <= 1`, so that `mu (m + number of groups of two or more)` bounds the gap. What mu hides, the
cosines of two rare classes, is left to `verify.optimize.graded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from verify.optimize.means import MeansProblem
from verify.optimize.newton import Derivatives
from verify.optimize.starts import Start

_LAST_BARRIER = 1e-15
_ENOUGH = 1e-9
_FALL = 0.02
#: A problem on the way is solved when half the squared Newton decrement is a small part of mu: Newton's method
#: converges quadratically from there, and so does the next problem.
_CENTERED = 1e-2
_STEPS_EACH = 60
#: Squared lengths below this outside of the span of heavier classes are the barrier's, not the optimum's.
_PIVOT = 1e-9


@dataclass(frozen=True)
class Optimum:
    """The last point of a method in double precision.

    Attributes:
        means: B, feasible to rounding.
        value: the loss there.
        lower: a lower bound on the minimum, in double precision (`dual_bound`).
        barrier: the last mu whose problem was solved; 0 for other methods.
        steps: Newton steps, or iterations, in all.
    """

    means: Float[np.ndarray, "m m"]
    value: float
    lower: float
    barrier: float
    steps: int

    @property
    def relative_gap(self) -> float:
        """The width of the bracket, relative to max(1, value)."""
        return (self.value - self.lower) / max(1.0, abs(self.value))

    @property
    def converged(self) -> bool:
        """Whether mu has become small enough."""
        return self.barrier <= _ENOUGH


def dual_bound(problem: MeansProblem, B: Float[np.ndarray, "m m"], local: Derivatives) -> float:
    """A lower bound on the minimum of the loss over `scale`, in double precision, at any B with unit entries bound.

    With `y_g <= 0` for groups of two or more, `S = A - Diag(y)` and `S + eps Diag(M)` psd, M the groups' masses,
    convexity gives for feasible B', since `sum_g M_g B'_gg <= 1`:
    `L(B') >= L(B) + <A, B' - B> >= L(B) - <A, B> + sum_g y_g - eps` (derived, as in `verify.optimize.dual`). Here
    `y = diag(A B)` where B_gg is 1 or nearly, else 0.
    """
    products = np.sum(local.gradient * B, axis=1)
    several, room = problem.counts > 1, np.maximum(1 - B.diagonal(), 0.0)
    y = np.where(several, np.where(room < 1e-4, np.minimum(products, 0.0), 0.0), products)
    slack = (local.gradient - np.diag(y)) / np.sqrt(np.outer(problem.totals, problem.totals))
    shift = max(0.0, -float(np.linalg.eigvalsh(slack)[0]))
    return local.value - float(np.sum(products) - np.sum(y)) - shift


class Barrier:
    """The barrier method for one problem of at most `verify.limits.BARRIER_GROUPS` groups."""

    def __init__(self, problem: MeansProblem) -> None:
        self.problem = problem
        m, several = len(problem.counts), problem.counts > 1
        first, second = np.triu_indices(m)
        keep = (first != second) | several[first]
        #: the variables: entries (first, second) of B, first <= second
        self.first, self.second = first[keep], second[keep]
        self.diagonal = self.first == self.second
        self.several = several
        self.index = np.full((m, m), -1)
        self.index[self.first, self.second] = self.index[self.second, self.first] = np.arange(len(self.first))

    def solve(self) -> Optimum:
        """Minimize for falling barriers, each from the minimizer before it."""
        B, mu, steps = np.diag(np.where(self.several, 0.5, 1.0)), 1.0, 0
        while True:
            centered, taken, done = self._center(B, mu)
            steps += taken
            if not done:  # rounding stops it in the end
                mu = min(mu / _FALL, 1.0)
                break
            B = centered
            if mu <= _LAST_BARRIER:
                break
            mu *= _FALL
        local, scale = self.problem.derivatives(B), self.problem.scale
        return Optimum(B, scale * local.value, scale * dual_bound(self.problem, B, local), mu, steps)

    def start(self, optimum: Optimum) -> Start:
        """Means whose Gram matrix is nearly that of the optimum, in as many columns as it needs."""
        order = np.argsort(-self.problem.totals, kind="stable")
        rest = optimum.means.copy()
        columns: list[Float[np.ndarray, " m"]] = []
        for g in order:
            # the mean of one group alone is 0
            if rest[g, g] > _PIVOT or len(order) == 1:
                column = rest[:, g] / np.sqrt(rest[g, g])
                rest -= np.outer(column, column)
                columns.append(column)
        free = self.several & (optimum.means.diagonal() < 1 - _PIVOT)
        return Start(np.array(columns).T, free).normalized()

    def _center(self, B: Float[np.ndarray, "m m"], mu: float) -> tuple[Float[np.ndarray, "m m"], int, bool]:
        """Damped Newton's method on the barrier problem: B, the steps taken, and whether it converged."""
        local = self.problem.derivatives(B)
        value = self._value(B, local, mu)
        for step in range(_STEPS_EACH):
            gradient, hessian = self._newton_system(B, local, mu)
            try:
                move = -cho_solve(cho_factor(hessian), gradient)
            except (LinAlgError, ValueError):
                return B, step, False
            decrement = -float(gradient @ move)
            if decrement <= _CENTERED * mu:
                return B, step, True
            size, change = 1.0, np.where(self.index >= 0, move[self.index], 0.0)
            while size > 1e-12:
                trial = B + size * change
                if self._feasible(trial):
                    trial_local = self.problem.derivatives(trial)
                    trial_value = self._value(trial, trial_local, mu)
                    if trial_value <= value - 0.1 * size * decrement + 1e-15 * abs(value):
                        break
                size /= 2
            else:
                return B, step, decrement <= 0.1 * mu
            B, local, value = trial, trial_local, trial_value
        return B, _STEPS_EACH, False

    def _value(self, B: Float[np.ndarray, "m m"], local: Derivatives, mu: float) -> float:
        room = 1 - B.diagonal()[self.several]
        value = local.value - mu * (float(np.linalg.slogdet(B)[1]) + float(np.sum(np.log(room))))
        return value if isfinite(value) else np.inf

    def _feasible(self, B: Float[np.ndarray, "m m"]) -> bool:
        if np.any(B.diagonal()[self.several] >= 1):
            return False
        try:
            np.linalg.cholesky(B)
        except np.linalg.LinAlgError:
            return False
        return True

    def _newton_system(
        self, B: Float[np.ndarray, "m m"], local: Derivatives, mu: float
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
        """Gradient and Hessian of the barrier function in the variables."""
        assert local.hessian is not None
        i, j, times = self.first, self.second, np.where(self.diagonal, 1.0, 2.0)
        P = np.linalg.inv(B)
        P = (P + P.T) / 2
        gradient = times * (local.gradient - mu * P)[i, j]
        hessian = (
            mu / 2 * np.outer(times, times) * (P[np.ix_(i, i)] * P[np.ix_(j, j)] + P[np.ix_(i, j)] * P[np.ix_(j, i)])
        )
        for g in range(len(B)):
            at = self.index[g]
            known = at >= 0
            hessian[np.ix_(at[known], at[known])] += local.hessian[g][np.ix_(known, known)]
        room = 1 - B.diagonal()[i[self.diagonal]]
        gradient[self.diagonal] += mu / room
        hessian[self.diagonal, self.diagonal] += mu / room**2
        return gradient, hessian
