r"""The optimum for groups of equal classes, by a barrier method over the groups' mean Gram matrix.

    minimize L(B) - mu ( log det B + sum_g log(1 - B_gg) ),   mu -> 0,   B_gg = 1 for groups of one class     (derived)

over the m (m - 1) / 2 off-diagonal entries of B and the diagonal ones of groups of two or more classes
(`theory.groups`). The problem is convex and small, so Newton's method with a dense Hessian solves it from anywhere,
and needs no compilation. At the end `mu B^-1` and `mu / (1 - B_gg)` are the dual slack and the multipliers of
`B_gg <= 1`, so that `mu (m + number of groups of two or more)` bounds the gap. What mu hides, the cosines of two rare
classes, is left to `verify.optimize.graded`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from verify.optimize.newton import Derivatives, derivatives
from verify.optimize.starts import Start

#: The most groups: the Hessian has m (m + 1) / 2 rows.
MAX_GROUPS = 48
_LAST_BARRIER = 1e-15
_ENOUGH = 1e-9
_FALL = 0.05
_STEPS_EACH = 60
#: Squared lengths below this outside of the span of heavier classes are the barrier's, not the optimum's.
_PIVOT = 1e-9


@dataclass(frozen=True)
class Optimum:
    """The barrier method's last point.

    Attributes:
        means: B, positive definite.
        value: the loss there.
        lower: a lower bound on the minimum, in double precision (`dual_bound`).
        barrier: the last mu whose problem was solved.
        steps: Newton steps in all.
        converged: whether mu has become small enough.
    """

    means: Float[np.ndarray, "m m"]
    value: float
    lower: float
    barrier: float
    steps: int
    converged: bool


class Barrier:
    """One problem: the mass of one class of each group, how many classes each has, the loss, `k` and `beta`.

    `k` may be real, or inf.
    """

    def __init__(
        self,
        rho: Float[np.ndarray, " m"],
        counts: Float[np.ndarray, " m"],
        loss: str,
        k: int | float,
        beta: float,
    ) -> None:
        # sums over the negatives are k times the loss of one, and have its minimizer
        self.factor = float(k) if loss in ("exponential", "separable") and isfinite(k) else 1.0
        self.loss, self.k, self.beta = loss, k / self.factor, beta
        self.rho, self.counts = rho, counts
        self.totals = self.rho * self.counts
        m, several = len(self.rho), self.counts > 1
        first, second = np.triu_indices(m)
        keep = (first != second) | several[first]
        #: the variables: entries (first, second) of B, first <= second
        self.first, self.second = first[keep], second[keep]
        self.diagonal = self.first == self.second
        self.several = several
        self.index = np.full((m, m), -1)
        self.index[self.first, self.second] = self.index[self.second, self.first] = np.arange(len(self.first))

    def derivatives(self, B: Float[np.ndarray, "m m"]) -> Derivatives:
        """Those of L / factor at B."""
        return derivatives(self.loss, self.k, self.beta, self.rho, B, self.counts)

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
        local = self.derivatives(B)
        lower = self.dual_bound(B, local)
        return Optimum(B, self.factor * local.value, self.factor * lower, mu, steps, mu <= _ENOUGH)

    def dual_bound(self, B: Float[np.ndarray, "m m"], local: Derivatives) -> float:
        """A lower bound on the minimum, in double precision: `L(B) - <A, B> + sum_g y_g - eps`.

        For any y with `y_g <= 0` for groups of two or more, S = A - Diag(y) and `S + eps Diag(M)` psd (derived as in
        `verify.optimize.dual`: `<A, B'> = <S, B'> + sum_g y_g B'_gg >= -eps + sum_g y_g`). Here `y = diag(A B)` where
        B_gg is 1 or nearly.
        """
        products = np.sum(local.gradient * B, axis=1)
        room = np.maximum(1 - B.diagonal(), 0.0)
        y = np.where(self.several, np.where(room < 1e-4, np.minimum(products, 0.0), 0.0), products)
        slack = (local.gradient - np.diag(y)) / np.sqrt(np.outer(self.totals, self.totals))
        shift = max(0.0, -float(np.linalg.eigvalsh(slack)[0]))
        return local.value - float(np.sum(products) - np.sum(y)) - shift

    def start(self, found: Optimum) -> Start:
        """Means whose Gram matrix is nearly the last one, in as many columns as it needs."""
        order = np.argsort(-self.totals, kind="stable")
        rest = found.means.copy()
        columns: list[Float[np.ndarray, " m"]] = []
        for g in order:
            # the mean of one group alone is 0
            if rest[g, g] > _PIVOT or len(order) == 1:
                column = rest[:, g] / np.sqrt(rest[g, g])
                rest -= np.outer(column, column)
                columns.append(column)
        free = self.several & (found.means.diagonal() < 1 - _PIVOT)
        return Start(np.array(columns).T, free).normalized()

    def _center(self, B: Float[np.ndarray, "m m"], mu: float) -> tuple[Float[np.ndarray, "m m"], int, bool]:
        """Damped Newton's method on the barrier problem: B, the steps taken, and whether it converged."""
        local = self.derivatives(B)
        value = self._value(B, local, mu)
        for step in range(_STEPS_EACH):
            gradient, hessian = self._newton_system(B, local, mu)
            try:
                move = -cho_solve(cho_factor(hessian), gradient)
            except LinAlgError:
                return B, step, False
            decrement = -float(gradient @ move)
            if decrement <= 1e-6 * mu:
                return B, step, True
            size, change = 1.0, self._matrix(move)
            while size > 1e-12:
                trial = B + size * change
                if self._feasible(trial):
                    trial_local = self.derivatives(trial)
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

    def _matrix(self, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, "m m"]:
        """The symmetric matrix with these entries at the variables, and 0 elsewhere."""
        matrix = np.where(self.index >= 0, x[self.index], 0.0)
        return matrix

    def _newton_system(
        self, B: Float[np.ndarray, "m m"], local: Derivatives, mu: float
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n n"]]:
        """Gradient and Hessian of the barrier function in the variables."""
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
