r"""Newton's method for embeddings on the sphere, from float64 derivatives.

Classes of equal mass may be taken together (`verify.certify.optimum`): a row is then the mean of the embeddings of N
classes, of length at most 1, and `free` where it is shorter. For rows u_c of U, `B = U U^T`, A the symmetrized
gradient, `S = A - Diag(y)` with `y = diag(A B)` where |u_c| = 1 and 0 at free rows, the Riemannian gradient is `2 S U`
and the Hessian at tangent V is `2 <S, V V^T> + L''[V U^T + U V^T]`, where L'' is block diagonal by anchors. Rotations
`U Omega` are its kernel. The same factorized Hessian corrects a residual `S U` known to many more digits than its own
16 by some ten digits a step, so float64 linear algebra serves any precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import linalg

from theory.groups import group_rows
from theory.losses import get_loss
from theory.objectives import NCE, TrainingObjective
from theory.population import row_expansion

Array = np.ndarray
#: Unknowns up to which the Hessian is factorized.
DENSE = 600


@dataclass(frozen=True)
class Derivatives:
    """In float64, at the matrix B of the groups' mean embeddings (G itself where every group is one class).

    `value` is the loss, `gradient` the symmetrized gradient in B, and `hessian[c, j, l] = d^2 L / dB_cj dB_cl` (None
    where it was not asked for). The diagonal entries of groups of one are constants, and have no derivative.
    """

    value: float
    gradient: Float[Array, "m m"]
    hessian: Float[Array, "m m m"] | None

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
) -> Derivatives:
    """Value and derivatives of the population loss in the entries of B, by the trapezoid rule of `enclosure`.

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
        rows = row_expansion(chosen, *group_rows(cosines, rho, counts, beta, objective), k)
        # what turns slopes in the margins of a row into those in its entries of B
        scale = -beta * stretch
        first = totals[:, None] * scale * rows.slopes[:, :m]
        second = totals[:, None, None] * scale[:, :, None] * scale[:, None, :] * rows.hessian()[:, :m, :m]
        return Derivatives(float(totals @ rows.value), (first + first.T) / 2, second)


class NewtonStep:
    """The Hessian at rows U, to be solved with: `step(S U)` is the correction V, rotation-free.

    Rows are on the sphere and V is tangent there, but for the `free` ones. Coordinates of row c are scaled by
    `1/sqrt(weights_c)`, the mass of its classes, which makes a skewed prior harmless. Up to `DENSE` unknowns the
    Hessian is factorized, which ill-conditioned problems need; beyond, conjugate gradients on its products.

    Raises:
        scipy.linalg.LinAlgError: if the Hessian is not positive definite across the rotations.
    """

    def __init__(
        self,
        U: Float[Array, "m r"],
        weights: Float[Array, " m"],
        local: Derivatives,
        free: Bool[Array, " m"] | None = None,
    ) -> None:
        assert local.hessian is not None
        self.U, self.curvature, self.weighted = U, local.hessian, weights[:, None] * U
        self.slack = local.slack(U, free)
        # tangents[c]: an orthonormal basis of the complement of u_c, as columns, scaled; a free row's basis has one
        # column more, beside which stands a column of zeros with a unit in the Hessian.
        self.padding = np.zeros(0)
        if free is None or not free.any():
            tangents = np.stack([np.linalg.svd(u[None, :])[2][1:].T for u in U])
        else:
            tangents = np.stack([np.eye(U.shape[1])] * len(U))
            for c in np.flatnonzero(~free):
                tangents[c] = np.linalg.svd(U[c][None, :])[2].T
                tangents[c, :, 0] = 0.0
            self.padding = np.repeat(~free, U.shape[1]) * (np.arange(U.size) % U.shape[1] == 0).astype(float)
        self.tangents = tangents / np.sqrt(weights)[:, None, None]
        unknowns = self.tangents[:, 0, :].size
        self.factor = linalg.cho_factor(self.product(np.eye(unknowns))) if unknowns <= DENSE else None

    def step(self, residual: Float[Array, "m r"]) -> Float[Array, "m r"]:
        """The Newton step for the gradient `2 residual`."""
        right = -2 * np.einsum("cra,cr->ca", self.tangents, residual).ravel()
        if self.factor is not None:
            return self.move(linalg.cho_solve(self.factor, right))
        from scipy.sparse.linalg import LinearOperator, cg

        size = float(np.abs(right).max()) or 1.0  # residuals near 1e-300 would underflow when squared
        operator = LinearOperator((right.size, right.size), matvec=self.product, dtype=np.float64)
        return self.move(size * cg(operator, right / size, rtol=1e-10, maxiter=5000)[0])

    def move(self, x: Float[Array, "*b n"]) -> Float[Array, "*b m r"]:
        """The vector V with these coordinates."""
        V: Array = np.einsum("cra,...ca->...cr", self.tangents, x.reshape(*x.shape[:-1], len(self.U), -1))
        return V

    def product(self, x: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        """The Hessian at V(x), `2 S V + (W + W^T) U` with `W_c = L''_c (V U^T + U V^T)_c`, made definite.

        Its kernel are the rotations. `2 D U (K - K^T)`, `K = U^T D V`, D = Diag(weights), is added: of the same rank,
        definite on them, so that it vanishes at the solution of any system that they leave solvable.
        """
        V = self.move(x)
        change = V @ self.U.T
        W = np.einsum("cjl,...cl->...cj", self.curvature, change + np.swapaxes(change, -1, -2))
        turn = self.weighted.T @ V
        image = 2 * self.slack @ V + (W + np.swapaxes(W, -1, -2)) @ self.U
        image += 2 * self.weighted @ (turn - np.swapaxes(turn, -1, -2))
        coordinates: Array = np.einsum("cra,...cr->...ca", self.tangents, image).reshape(x.shape)
        return coordinates + self.padding * x if self.padding.size else coordinates
