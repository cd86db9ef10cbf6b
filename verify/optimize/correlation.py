"""The nearest correlation matrix in a weighted norm of rank one.

    min_G 1/2 |O (G - T) O|_F^2   over G psd, G_cc = 1,   O = Diag(omega)^{1/2}

In `P = O G O` the weights are gone and the diagonal is `omega`. The dual has one variable per class,

    min_z 1/2 |(M + Diag z)_+|_F^2 - omega^T z,   M = O T O,

and `P = (M + Diag z)_+` at its minimum. Newton's method with the generalized Hessian, whose equations are solved by
conjugate gradients, converges quadratically: Qi & Sun, SIAM J. Matrix Anal. Appl. 28 (2006).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

_NEWTON_STEPS = 20
#: Shares of a Newton step that are tried.
_LENGTHS = (1.0, 0.5, 0.25)
_CG_STEPS = 40
_CG_TOLERANCE = 1e-2


class NearestCorrelation:
    """Projections in changing metrics, each started from the multipliers of the one before.

    Attributes:
        decompositions: eigendecompositions so far.
    """

    def __init__(self, C: int) -> None:
        self._multipliers = np.zeros(C)
        self.decompositions = 0

    def __call__(
        self, T: Float[np.ndarray, "C C"], omega: Float[np.ndarray, " C"], tolerance: float = 1e-12
    ) -> Float[np.ndarray, "C C"]:
        """The minimizer, its diagonal exactly 1. It does not depend on the diagonal of `T`, but the work does.

        Stops where the diagonal before scaling is within `tolerance`, or after a few steps: what is returned is a
        correlation matrix in any case, and the multipliers are better at the next call.
        """
        root = np.sqrt(omega)
        M = T * np.outer(root, root)
        z = self._multipliers * omega
        at = self._spectrum(M, z)
        for _ in range(_NEWTON_STEPS):
            residual = omega - at.diagonal
            if np.max(np.abs(residual) / omega) <= tolerance:
                break
            direction = _conjugate_gradients(at.jacobian, residual, omega)
            expected = residual @ direction
            for length in _LENGTHS:
                tried = self._spectrum(M, z + length * direction)
                fall = at.energy - tried.energy + length * (omega @ direction)
                if fall >= 1e-4 * length * expected - 1e-14 * at.energy:
                    z, at = z + length * direction, tried
                    break
            else:
                # a class outside the positive part has no curvature; the gradient's own step always descends
                z = z + residual
                at = self._spectrum(M, z)
        self._multipliers = z / omega
        P = at.positive_part
        scale = np.sqrt(np.maximum(np.diag(P), np.finfo(float).tiny))
        G = P / np.outer(scale, scale)
        G = np.clip((G + G.T) / 2, -1.0, 1.0)
        np.fill_diagonal(G, 1.0)
        return G

    def _spectrum(self, M: Float[np.ndarray, "C C"], z: Float[np.ndarray, " C"]) -> _Spectrum:
        self.decompositions += 1
        return _Spectrum(M + np.diag(z))


class _Spectrum:
    """The positive part of a symmetric matrix, and the derivative of its diagonal.

    Work is done on the side of the fewer eigenvalues, the positive or the negative ones.
    """

    def __init__(self, matrix: Float[np.ndarray, "C C"]) -> None:
        eigenvalues, Q = np.linalg.eigh(matrix)
        positive = eigenvalues > 0
        self._few_positive = 2 * int(positive.sum()) <= len(matrix)
        few = positive if self._few_positive else ~positive
        self._few, self._all = Q[:, few], np.concatenate([Q[:, few], Q[:, ~few]], axis=1)
        near, far = np.abs(eigenvalues[few]), np.abs(eigenvalues[~few])
        part = (self._few * near) @ self._few.T
        self.positive_part = part if self._few_positive else matrix + part
        self.diagonal = np.diag(self.positive_part).copy()
        self.energy = 0.5 * float(np.sum(eigenvalues[positive] ** 2))
        # divided differences of max(., 0), or of its complement: 1 between two of the few, and shared across; an
        # entry across stands for its mirror image too
        total = near[:, None] + far[None, :]
        across = 2 * near[:, None] / np.where(total > 0, total, 1.0)
        self._differences = np.concatenate([np.ones((len(near), len(near))), across], axis=1)

    def jacobian(self, h: Float[np.ndarray, " C"]) -> Float[np.ndarray, " C"]:
        """The derivative of `diagonal` as `Diag(h)` is added to the matrix."""
        turned = (self._few * h[:, None]).T @ self._all
        of_few = np.sum(((self._differences * turned) @ self._all.T).T * self._few, axis=1)
        return of_few if self._few_positive else h - of_few


def _conjugate_gradients(
    product: Callable[[Float[np.ndarray, " C"]], Float[np.ndarray, " C"]],
    right: Float[np.ndarray, " C"],
    omega: Float[np.ndarray, " C"],
) -> Float[np.ndarray, " C"]:
    """Solve until no residual, relative to its class's `omega`, exceeds a small share of the largest at the start.

    The derivative is the identity less a part of the rank of the few eigenvalues, so that no preconditioner is needed;
    the term beside it makes it definite.
    """
    x, r = np.zeros_like(right), right.copy()
    p, squared = r.copy(), r @ r
    target = _CG_TOLERANCE * np.max(np.abs(right) / omega)
    for _ in range(_CG_STEPS):
        q = product(p) + 1e-10 * p
        alpha = squared / (p @ q)
        x, r = x + alpha * p, r - alpha * q
        if np.max(np.abs(r) / omega) <= target:
            break
        squared, previous = r @ r, squared
        p = r + squared / previous * p
    return x
