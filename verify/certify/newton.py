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

Array = np.ndarray


@dataclass(frozen=True)
class Derivatives:
    """In float64: the symmetrized gradient (zero diagonal), and `hessian[c, j, l] = d^2 L / dG_cj dG_cl`."""

    gradient: Float[Array, "C C"]
    hessian: Float[Array, "C C C"]


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
    """The factorized Hessian at unit rows U: `step(S U)` is the tangent correction V, rotation-free.

    Coordinates of class c are scaled by `1/sqrt(rho_c)`, which makes a skewed prior harmless.

    Raises:
        scipy.linalg.LinAlgError: if the Hessian is not positive definite across the rotations.
    """

    def __init__(self, U: Float[Array, "C r"], rho: Float[Array, " C"], local: Derivatives) -> None:
        C, r = U.shape
        slack = local.gradient - np.diag(np.sum(local.gradient * (U @ U.T), axis=1))
        # tangents[c]: an orthonormal basis of the complement of u_c, as columns.
        self.tangents = np.stack([np.linalg.svd(u[None, :])[2][1:].T for u in U]) / np.sqrt(rho)[:, None, None]
        n = r - 1
        flat = self.tangents.transpose(0, 2, 1).reshape(C * n, r)
        blocks = (2 * flat @ flat.T).reshape(C, n, C, n) * slack[:, None, :, None]
        # dG_cj = x_c . m_cj + x_j . m_jc in coordinates x, with m_cj = T_c^T u_j.
        m = np.einsum("jr,cra->cja", U, self.tangents)
        for j in range(C):
            to_j = m[j]  # the vectors m_jc by anchor c
            for i in range(C):
                blocks[j, :, i, :] += (to_j * local.hessian[:, j, i, None]).T @ m[i]
            one = local.hessian[j].T @ to_j  # by class l: sum_i H^j_il m_ji
            blocks[j, :, j, :] += to_j.T @ one
            cross = one.T[:, :, None] * m[:, j, :][None, :, :]
            blocks[j] += cross
            blocks[:, :, j, :] += cross.transpose(1, 2, 0)
        hessian = blocks.reshape(C * n, C * n)
        rotations = []
        for p in range(r):
            for q in range(p):
                turned = np.zeros_like(U)
                turned[:, p], turned[:, q] = U[:, q], -U[:, p]
                rotations.append((np.einsum("cra,cr->ca", self.tangents, turned) * rho[:, None]).ravel())
        if rotations:
            basis = np.linalg.qr(np.array(rotations).T)[0]
            hessian += np.trace(hessian) / len(hessian) * (basis @ basis.T)
        self.factor = linalg.cho_factor(hessian)

    def step(self, residual: Float[Array, "C r"]) -> Float[Array, "C r"]:
        """The Newton step for the gradient `2 residual`."""
        right = 2 * np.einsum("cra,cr->ca", self.tangents, residual)
        solved = linalg.cho_solve(self.factor, right.ravel()).reshape(right.shape)
        move: Array = -np.einsum("cra,ca->cr", self.tangents, solved)
        return move
