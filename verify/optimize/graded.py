r"""Newton's method on the sphere with relative accuracy for the rarest classes.

Between two rare classes a and b the curvature of L is about `M_a M_b`, far below the rounding errors of `(A U)_a`,
whose largest terms are of size M_a: in ordinary coordinates double precision leaves the angle between them open, and a
small gap or gradient says nothing of it. But every entry of A is known to its own last digits; only the sum with larger
terms loses it. So coordinates are graded (derived):

1.  U is turned to echelon form: the heaviest classes span the first columns. A rare class is then the only one, beside
    others as rare, that has components in the last columns.
2.  The tangent space at row u, `s_j = |u_(>=j)|`, has the orthonormal basis
    `t_j = (0, ..., 0, -s_(j+1)/s_j, u_j u_(>j) / (s_j s_(j+1)))`. In it the gradient `2 <t_j, (A U)_c>` has no term of
    a class without components in the columns from j on.
3.  Along the curve that moves the columns from j on the second derivative of u is `-u_(>=j)`. So `t_j` has the
    curvature `-2 y_j`, `y_j = <(A U)_c, u_(>=j)> / s_j^2`: at a stationary point the multiplier y_c, but without its
    cancellation.
4.  The Hessian is scaled to entries of order 1. Where it is positive definite its factorization is then accurate
    entry by entry; elsewhere the absolute values of its eigenvalues are taken, so that every step descends.

A group of two or more classes (`theory.groups`) has a mean of length at most 1: with one coordinate of its own, the
spread `q_g = sqrt(1 - |u_g|^2)`, its row is on a sphere too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg

from verify.optimize.newton import Derivatives
from verify.optimize.starts import Start

Array = np.ndarray
#: Rounding errors of an entry of the gradient, relative to the sum of the absolute values of its terms: those of the
#: quadrature and of its exponentials included (measured: below a tenth of it).
ROUNDING = 64 * float(np.finfo(float).eps)
#: A class must have this much of its length outside of the span of the heavier ones to be the next pivot.
_PIVOTS = (0.3, 0.03, 1e-3, 0.0)
_STEPS = 100
_LONGEST = 0.3
#: Displacements up to which the Newton step tells the distance.
_NEAR = 1e-3
#: Eigenvalues of the scaled slack are zero to rounding below the first, and positive above the second.
_ZERO, _POSITIVE = 1e-13, 1e-12


@dataclass(frozen=True)
class Polished:
    """A stationary point.

    Attributes:
        start: the groups' means, free where the classes of a group do not coincide.
        errors: how far each class's embedding is from the minimizer's, estimated (infinite where nothing is known): the
            last residual and its rounding errors, solved against the Hessian in graded coordinates.
        violation: by how much, relative to the masses, the dual slack misses to be positive semidefinite.
        strict: whether the slack is positive across the point's own span, so that the rank is that of the minimizer.
    """

    start: Start
    errors: Float[Array, " m"]
    violation: float
    strict: bool

    @property
    def known(self) -> bool:
        """Whether `errors` is an estimate of the distance to the minimizer."""
        return self.strict and bool(np.all(np.isfinite(self.errors)))


def polish(
    derivatives: Callable[[Float[Array, "m m"]], Derivatives],
    totals: Float[Array, " m"],
    several: Bool[Array, " m"],
    start: Start,
    *,
    steps: int = _STEPS,
) -> Polished:
    """Newton's method from the start until it stalls at rounding, and what there is to know at its end.

    `derivatives` are those of L in the means' Gram matrix, `totals` the masses of the groups, `several` says which have
    two or more classes. With `steps = 0` nothing is moved.
    """
    order = np.argsort(-totals, kind="stable")
    spread = np.sqrt(np.maximum(1 - np.sum(start.U**2, axis=1), 0.0)) * start.free
    U, last = _echelon(start.U, order)
    rows = np.hstack([U, spread[:, None]])
    rows /= np.linalg.norm(rows, axis=1)[:, None]
    previous = np.inf
    for step in range(steps):
        system = _System(derivatives, totals, several, rows, last, start.free)
        if not system.size:
            break
        move = system.newton()
        largest = float(np.max(np.linalg.norm(move, axis=1)))
        if not np.isfinite(largest) or (step > 10 and largest < 1e-9 and largest >= previous / 2):
            break
        rows = rows + move * min(1.0, _LONGEST / max(largest, 1e-300))
        rows /= np.linalg.norm(rows, axis=1)[:, None]
        previous = largest
        if largest < 1e-15:
            break
    system = _System(derivatives, totals, several, rows, last, start.free)
    violation, strict = system.slack()
    return Polished(Start(rows[:, :-1], start.free).normalized(), system.errors(), violation, strict)


def _echelon(U: Float[Array, "m r"], order: Int[Array, " m"]) -> tuple[Float[Array, "m r"], Int[Array, " m"]]:
    """U turned so that each pivot ends in a column of its own, and the last column that each row may use."""
    m, r = U.shape
    U, last, columns = U.copy(), np.full(m, r - 1), 0
    for least in _PIVOTS:
        for c in order:
            length = float(np.linalg.norm(U[c, columns:])) if columns < r and last[c] == r - 1 else 0.0
            if length <= least:
                continue
            mirror = U[c, columns:] / length
            mirror[0] += 1.0 if mirror[0] >= 0 else -1.0
            mirror /= np.linalg.norm(mirror)
            U[:, columns:] -= 2 * np.outer(U[:, columns:] @ mirror, mirror)
            U[c, columns + 1 :] = 0.0
            last[c] = columns
            columns += 1
    return U, last


class _System:
    """Gradient and Hessian in graded coordinates at one point; `rows` are the means and, last, their spreads."""

    def __init__(
        self,
        derivatives: Callable[[Float[Array, "m m"]], Derivatives],
        totals: Float[Array, " m"],
        several: Bool[Array, " m"],
        rows: Float[Array, "m n"],
        last: Int[Array, " m"],
        free: Bool[Array, " m"],
    ) -> None:
        self.totals, self.several, self.free, self.U = totals, several, free, rows[:, :-1]
        B = self.U @ self.U.T
        B[np.diag_indices(len(B))] = np.where(free, B.diagonal(), 1.0)
        self.local, r = derivatives(B), self.U.shape[1]
        A = self.local.gradient
        along, size_of = A @ self.U, np.abs(A) @ np.abs(self.U)
        weight = totals @ self.U**2  # the mass of each column
        gradient, rounding, strength, turn, tangents, where = [], [], [], [], [], []
        for c, row in enumerate(rows):
            columns = np.array([*range(last[c] + 1), *([r] if free[c] else [])])
            tails = np.sqrt(np.cumsum(row[columns][::-1] ** 2)[::-1])
            means = columns[columns < r]
            for j in range(len(columns) - 1):
                t = np.zeros(len(row))
                if tails[j] > 0 and tails[j + 1] > 0:
                    t[columns[j]] = -tails[j + 1] / tails[j]
                    t[columns[j + 1 :]] = row[columns[j]] / tails[j] * (row[columns[j + 1 :]] / tails[j + 1])
                else:
                    t[columns[j + 1]] = 1.0
                tail = means[j:]
                gradient.append(2 * float(t[:r] @ along[c]))
                rounding.append(2 * ROUNDING * float(np.abs(t[:r]) @ size_of[c]))
                turn.append(float(along[c, tail] @ row[tail]) / tails[j] ** 2 if tails[j] > 0 else 0.0)
                strength.append(totals[c] * float(np.sum(weight[tail]) - totals[c] * np.sum(row[tail] ** 2)))
                tangents.append(t)
                where.append(c)
        self.size = len(gradient)
        if not self.size:
            return
        self.where, self.tangents = np.array(where), np.array(tangents)
        self.gradient, self.rounding = np.array(gradient), np.array(rounding)
        hessian = self._hessian(np.array(turn))
        strengths = np.maximum(np.maximum(np.array(strength), np.abs(hessian.diagonal())), 1e-300)
        self.scale = 1 / np.sqrt(strengths)
        self.scaled = hessian * self.scale[:, None] * self.scale

    def _hessian(self, turn: Float[Array, " n"]) -> Float[Array, "n n"]:
        n, (m, r) = self.size, self.U.shape
        means = self.tangents[:, :r]
        V = np.zeros((n, m, r))
        V[np.arange(n), self.where] = means
        change = V @ self.U.T
        change += np.swapaxes(change, 1, 2)
        assert self.local.hessian is not None
        image = np.einsum("cjl,ncl->ncj", self.local.hessian, change)
        hessian = change.reshape(n, -1) @ image.reshape(n, -1).T
        hessian += 2 * self.local.gradient[np.ix_(self.where, self.where)] * (means @ means.T)
        hessian[np.diag_indices(n)] -= 2 * turn
        symmetric: Array = (hessian + hessian.T) / 2
        return symmetric

    def newton(self) -> Float[Array, "m n"]:
        """The step, on all rows."""
        right = -self.scale * self.gradient
        if not np.isfinite(self.scaled).all():
            return np.full((len(self.U), self.tangents.shape[1]), np.nan)
        try:
            x = linalg.cho_solve(linalg.cho_factor(self.scaled), right)
        except linalg.LinAlgError:
            eigenvalues, vectors = np.linalg.eigh(self.scaled)
            eigenvalues = np.maximum(np.abs(eigenvalues), 1e-12 * np.abs(eigenvalues).max())
            x = vectors @ ((vectors.T @ right) / eigenvalues)
        move = np.zeros((len(self.U), self.tangents.shape[1]))
        np.add.at(move, self.where, (self.scale * x)[:, None] * self.tangents)
        return move

    def errors(self) -> Float[Array, " m"]:
        """The Newton step and what rounding adds to it, by row; infinite where the Hessian is not positive definite."""
        m = len(self.U)
        if not self.size:
            return np.zeros(m)
        try:
            inverse = linalg.cho_solve(linalg.cho_factor(self.scaled), np.eye(self.size))
        except (linalg.LinAlgError, ValueError):
            return np.full(m, np.inf)
        inverse *= self.scale[:, None] * self.scale
        coordinates = np.abs(inverse @ self.gradient) + np.abs(inverse) @ self.rounding
        squares = np.zeros(m)
        np.add.at(squares, self.where, coordinates**2)
        errors: Array = np.sqrt(squares) + float(np.finfo(float).eps)
        return errors if errors.max() <= _NEAR else np.full(m, np.inf)

    def slack(self) -> tuple[float, bool]:
        """The violation of dual feasibility, and whether the slack is positive across the span of the point."""
        slack = self.local.slack(self.U, self.free)
        if not np.isfinite(slack).all():
            return np.inf, False
        roots = np.sqrt(self.totals)
        eigenvalues = np.linalg.eigvalsh(slack / np.outer(roots, roots))
        multipliers = np.diag(self.local.gradient - slack) / self.totals
        held = multipliers[self.several & ~self.free]
        violation = max(0.0, -float(eigenvalues[0]), float(np.max(held, initial=0.0)))
        r = self.U.shape[1]
        strict = violation <= _ZERO and bool(np.all(eigenvalues[r:] >= _POSITIVE)) and bool(np.all(held <= -_POSITIVE))
        return violation, strict
