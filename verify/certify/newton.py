r"""Newton's method for class embeddings on the sphere, from float64 derivatives.

For rows u_c of U with |u_c| = 1, `G = U U^T`, A the symmetrized gradient, `S = A - Diag(A G)`, the Riemannian
gradient is `2 S U` and the Hessian at tangent V is `2 <S, V V^T> + L''[V U^T + U V^T]`, where L'' is block diagonal
by anchors. Rotations `U Omega` are its kernel. The same factorized Hessian corrects a residual `S U` known to many
more digits than its own 16 by some ten digits a step, so float64 linear algebra serves any precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np
from jaxtyping import Float
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, cg

Array = np.ndarray
#: Unknowns up to which the Hessian is factorized.
DENSE = 600


@dataclass(frozen=True)
class Derivatives:
    """In float64: the symmetrized gradient (zero diagonal), and `hessian[c, j, l] = d^2 L / dG_cj dG_cl`."""

    gradient: Float[Array, "C C"]
    hessian: Float[Array, "C C C"]

    def slack(self, U: Float[Array, "C r"]) -> Float[Array, "C C"]:
        """`S = A - Diag(y)`, `y = diag(A U U^T)`."""
        return self.gradient - np.diag(np.sum(self.gradient * (U @ U.T), axis=1))


def derivatives(loss: str, k: int, beta: float, rho: Float[Array, " C"], gram: Float[Array, "C C"]) -> Derivatives:
    """First and second derivatives of the population loss in the entries of G, by the trapezoid rule of `enclosure`."""
    X = np.exp(beta * (gram - 1))
    eye = np.eye(len(rho))
    if loss == "exponential":
        slope, curvature, cross = np.full_like(X, k), np.zeros_like(X), np.zeros((*X.shape, len(rho)))
    elif loss == "separable":
        slope, curvature, cross = k / (1 + X), k / (1 + X) ** 2, np.zeros((*X.shape, len(rho)))
    else:
        logistic, h, digits = loss == "logistic", 0.2, 38 + log(k)
        c = 1.0 if logistic else min(1.0, k * float(X.min()))
        t = np.exp(h * np.arange(-ceil(digits / h), ceil(log(digits / c) / h) + 1))
        E = np.exp(-t[:, None] * X[:, None, :])  # anchor, node, class
        below = -np.expm1(-t[:, None] * X[:, None, :]) @ rho
        log_phi = np.where(below < 0.5, np.log1p(-np.minimum(below, 0.5)), np.log(np.maximum(E @ rho, 1e-300)))
        weight = k * np.exp((k - 1) * log_phi) * t * h * (np.exp(-t) if logistic else 1.0)
        slope = np.einsum("cn,cnj->cj", weight, E)
        curvature = np.einsum("cn,cnj->cj", weight * t, E)
        cross = np.matmul(E.transpose(0, 2, 1), ((k - 1) * weight * t * np.exp(-log_phi))[:, :, None] * E)
    first = beta * np.outer(rho, rho) * X * slope
    scaled = rho * X
    second = (
        beta**2
        * rho[:, None, None]
        * (eye * (scaled * (slope - X * curvature))[:, None, :] - scaled[:, :, None] * scaled[:, None, :] * cross)
    )
    gradient = (first + first.T) / 2
    np.fill_diagonal(gradient, 0.0)
    return Derivatives(gradient, second)


class NewtonStep:
    """The Hessian at unit rows U, to be solved with: `step(S U)` is the tangent correction V, rotation-free.

    Coordinates of class c are scaled by `1/sqrt(rho_c)`, which makes a skewed prior harmless. Up to `DENSE` unknowns
    the Hessian is factorized, which ill-conditioned problems need; beyond, conjugate gradients on its products.

    Raises:
        scipy.linalg.LinAlgError: if the Hessian is not positive definite across the rotations.
    """

    def __init__(self, U: Float[Array, "C r"], rho: Float[Array, " C"], local: Derivatives) -> None:
        self.U, self.curvature, self.weighted = U, local.hessian, rho[:, None] * U
        self.slack = local.slack(U)
        # tangents[c]: an orthonormal basis of the complement of u_c, as columns, scaled.
        self.tangents = np.stack([np.linalg.svd(u[None, :])[2][1:].T for u in U]) / np.sqrt(rho)[:, None, None]
        unknowns = self.tangents[:, 0, :].size
        self.factor = linalg.cho_factor(self.product(np.eye(unknowns))) if unknowns <= DENSE else None

    def step(self, residual: Float[Array, "C r"]) -> Float[Array, "C r"]:
        """The Newton step for the gradient `2 residual`."""
        right = -2 * np.einsum("cra,cr->ca", self.tangents, residual).ravel()
        if self.factor is not None:
            return self.move(linalg.cho_solve(self.factor, right))
        size = float(np.abs(right).max()) or 1.0  # residuals near 1e-300 would underflow when squared
        operator = LinearOperator((right.size, right.size), matvec=self.product, dtype=np.float64)
        return self.move(size * cg(operator, right / size, rtol=1e-10, maxiter=5000)[0])

    def move(self, x: Float[Array, "*b n"]) -> Float[Array, "*b C r"]:
        """The tangent vector V with these coordinates."""
        V: Array = np.einsum("cra,...ca->...cr", self.tangents, x.reshape(*x.shape[:-1], len(self.U), -1))
        return V

    def product(self, x: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        """The Hessian at V(x), `2 S V + (W + W^T) U` with `W_c = L''_c (V U^T + U V^T)_c`, made definite.

        Its kernel are the rotations. `2 D U (K - K^T)`, `K = U^T D V`, D = Diag(rho), is added: of the same rank,
        definite on them, so that it vanishes at the solution of any system that they leave solvable.
        """
        V = self.move(x)
        change = V @ self.U.T
        W = np.einsum("cjl,...cl->...cj", self.curvature, change + np.swapaxes(change, -1, -2))
        turn = self.weighted.T @ V
        image = 2 * self.slack @ V + (W + np.swapaxes(W, -1, -2)) @ self.U
        image += 2 * self.weighted @ (turn - np.swapaxes(turn, -1, -2))
        return np.einsum("cra,...cr->...ca", self.tangents, image).reshape(x.shape)
