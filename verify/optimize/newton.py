r"""Newton's method for embeddings on the sphere, from float64 derivatives.

Classes of equal mass may be taken together (`verify.certify.optimum`): a row is then the mean of the embeddings of N
classes, of length at most 1, and `free` where it is shorter. For rows u_c of U, `B = U U^T`, A the symmetrized
gradient, `S = A - Diag(y)` with `y = diag(A B)` where |u_c| = 1 and 0 at free rows, the Riemannian gradient is `2 S U`
and the Hessian at tangent V is `2 <S, V V^T> + L''[V U^T + U V^T]`, where L'' is block diagonal by anchors. Rotations
`U Omega` are its kernel. The same factorized Hessian corrects a residual `S U` known to many more digits than its own
16 by some ten digits a step, so float64 linear algebra serves any precision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float
from scipy import linalg

from theory.groups import group_rows
from theory.losses import get_loss
from theory.objectives import NCE, TrainingObjective
from theory.population import row_expansion
from verify.optimize.threads import small_matrices

Array = np.ndarray
#: Unknowns up to which the Hessian is factorized.
DENSE = 600


@dataclass(frozen=True)
class Derivatives:
    """In float64, at the matrix B of the groups' mean embeddings (G itself where every group is one class).

    `value` is the loss, `gradient` the symmetrized gradient in B, and `hessian[c, j, l] = d^2 L / dB_cj dB_cl`. Where
    it was not asked for there may be `along(change)`, `sum_l hessian[c, j, l] change[c, l]` from the formulas of the
    rows. The diagonal entries of groups of one are constants, and have no derivative.
    """

    value: float
    gradient: Float[Array, "m m"]
    hessian: Float[Array, "m m m"] | None
    along: Callable[[Float[Array, "m m"]], Float[Array, "m m"]] | None = None

    def slack(self, U: Float[Array, "m r"], free: Bool[Array, " m"] | None = None) -> Float[Array, "m m"]:
        """`S = A - Diag(y)`, `y = diag(A U U^T)`, and 0 for the rows that are not bound to the sphere."""
        y = np.sum(self.gradient * (U @ U.T), axis=1)
        return self.gradient - np.diag(y if free is None else np.where(free, 0.0, y))


def derivatives(
    loss: str,
    k: int | float,
    beta: float,
    rho: Float[Array, " m"],
    gram: Float[Array, "m m"],
    counts: Float[Array, " m"] | None = None,
    objective: TrainingObjective = NCE,
    *,
    hessian: bool = True,
) -> Derivatives:
    """Value and derivatives of the population loss in the entries of B; the Hessian as an array if it is asked for.

    `counts` are the numbers of classes of the groups (1 each by default), `rho` the mass of one class of each. The
    cosine of two classes of one group is `(N B_gg - 1)/(N - 1)`. For `k = inf` the limit of the normalized loss.
    """
    m, counts = len(rho), np.ones(len(rho)) if counts is None else counts
    totals, several = rho * counts, counts > 1
    stretch = np.ones((m, m))
    np.fill_diagonal(stretch, np.where(several, counts / np.maximum(counts - 1, 1), 0.0))
    cosines = gram.copy()
    np.fill_diagonal(cosines, np.where(several, 1 - stretch.diagonal() * (1 - gram.diagonal()), 1.0))
    chosen = get_loss(loss).specialized(k, beta)
    with np.errstate(all="ignore"):
        rows = row_expansion(chosen, *group_rows(cosines, rho, counts, beta, objective), k, objective)
        # what turns slopes in the margins of a row into those in its entries of B
        scale = -beta * stretch
        first = totals[:, None] * scale * rows.slopes[:, :m]
        value, gradient = float(totals @ rows.value), (first + first.T) / 2
        if hessian:
            second = totals[:, None, None] * scale[:, :, None] * scale[:, None, :] * rows.hessian()[:, :m, :m]
            return Derivatives(value, gradient, second)
        curvature = rows.curvature()

    def along(change: Float[Array, "m m"]) -> Float[Array, "m m"]:
        direction = np.concatenate([scale * change, np.zeros((m, 1))], axis=1)
        curved: Array = totals[:, None] * scale * curvature(direction)[:, :m]
        return curved

    return Derivatives(value, gradient, None, along)


class NewtonStep:
    """The Hessian at rows U, to be solved with: `step(S U)` is the correction V, rotation-free.

    Rows are on the sphere and V is tangent there, but for the `free` ones. Coordinates of row c are scaled by
    `1/sqrt(weights_c)`, the mass of its classes, which makes a skewed prior harmless. Up to `DENSE` unknowns the
    Hessian is factorized, which ill-conditioned problems need; beyond, conjugate gradients on its products.

    Raises:
        scipy.linalg.LinAlgError: if the Hessian is factorized and not positive definite across the rotations.
    """

    def __init__(
        self,
        U: Float[Array, "m r"],
        weights: Float[Array, " m"],
        local: Derivatives,
        free: Bool[Array, " m"] | None = None,
    ) -> None:
        self.U, self.local, self.slack = U, local, local.slack(U, free)
        self.weights, self.weighted = weights, weights[:, None] * U
        self.free = np.zeros(len(U), dtype=bool) if free is None else free
        self.factor = linalg.cho_factor(self._matrix()) if is_factorized(U, self.free) else None

    def step(self, residual: Float[Array, "m r"]) -> Float[Array, "m r"]:
        """The Newton step for the gradient `2 residual`."""
        if self.factor is not None:
            right = -2 * np.einsum("cra,cr->ca", self._tangents, residual).ravel()
            return self._move(linalg.cho_solve(self.factor, right))
        from scipy.sparse.linalg import LinearOperator, cg

        roots = np.sqrt(self.weights)[:, None]
        right = -2 * self.projected(residual) / roots
        size = float(np.abs(right).max()) or 1.0  # residuals near 1e-300 would underflow when squared

        def product(x: Float[Array, " n"]) -> Float[Array, " n"]:
            flat: Array = (self.projected(self.product(x.reshape(right.shape) / roots)) / roots).ravel()
            return flat

        operator = LinearOperator((right.size, right.size), matvec=product, dtype=np.float64)
        with small_matrices(len(self.U)):
            found = cg(operator, right.ravel() / size, rtol=1e-12, maxiter=5000)[0]
        return self.projected(size * found.reshape(right.shape) / roots)

    def product(self, V: Float[Array, "*b m r"]) -> Float[Array, "*b m r"]:
        """The Hessian at tangents V, `2 S V + (W + W^T) U` with `W_c = L''_c (V U^T + U V^T)_c`, made definite, and
        before it is projected.

        Its kernel are the rotations. `2 D U (K - K^T)`, `K = U^T D V`, D = Diag(weights), is added: of the same rank,
        definite on them, so that it vanishes at the solution of any system that they leave solvable.
        """
        change = V @ self.U.T
        change = change + np.swapaxes(change, -1, -2)
        if self.local.hessian is not None:
            W = np.einsum("cjl,...cl->...cj", self.local.hessian, change)
        else:
            assert self.local.along is not None
            W = self.local.along(change)
        turn = self.weighted.T @ V
        image: Array = 2 * self.slack @ V + (W + np.swapaxes(W, -1, -2)) @ self.U
        image += 2 * self.weighted @ (turn - np.swapaxes(turn, -1, -2))
        return image

    def projected(self, V: Float[Array, "*b m r"]) -> Float[Array, "*b m r"]:
        """The tangent part: without the radial one of the rows on the sphere."""
        radial = np.where(self.free, 0.0, np.sum(V * self.U, axis=-1))
        tangent: Array = V - radial[..., None] * self.U
        return tangent

    @cached_property
    def _tangents(self) -> Float[Array, "m r a"]:
        """For each row an orthonormal basis of the complement of u_c, as columns, scaled; a free row's basis has one
        column more, beside which stands a column of zeros."""
        if not self.free.any():
            tangents = np.stack([np.linalg.svd(u[None, :])[2][1:].T for u in self.U])
        else:
            tangents = np.stack([np.eye(self.U.shape[1])] * len(self.U))
            for c in np.flatnonzero(~self.free):
                tangents[c] = np.linalg.svd(self.U[c][None, :])[2].T
                tangents[c, :, 0] = 0.0
        scaled: Array = tangents / np.sqrt(self.weights)[:, None, None]
        return scaled

    def _move(self, x: Float[Array, "*b n"]) -> Float[Array, "*b m r"]:
        """The vector V with these coordinates."""
        V: Array = np.einsum("cra,...ca->...cr", self._tangents, x.reshape(*x.shape[:-1], len(self.U), -1))
        return V

    def _matrix(self) -> Float[Array, "n n"]:
        """The Hessian in these coordinates, with a unit for each column of zeros."""
        m, r, columns = self._tangents.shape
        image = self.product(self._move(np.eye(m * columns)))
        matrix: Array = np.einsum("cra,...cr->...ca", self._tangents, image).reshape(m * columns, m * columns)
        if self.free.any():
            matrix += np.diag(np.repeat(~self.free, r) * (np.arange(m * r) % r == 0).astype(float))
        return matrix


def is_factorized(U: Float[Array, "m r"], free: Bool[Array, " m"]) -> bool:
    """Whether there are so few unknowns that the Hessian is needed as a matrix."""
    return len(U) * (U.shape[1] - (not free.any())) <= DENSE
