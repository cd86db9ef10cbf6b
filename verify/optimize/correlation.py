"""The nearest correlation matrix in a weighted norm of rank one.

    min_G 1/2 |O (G - T) O|_F^2   over G psd, G_cc = 1,   O = Diag(omega)^{1/2}

In `P = O G O` the weights are gone and the diagonal is `omega`. The dual has one variable per class,

    min_z 1/2 |(M + Diag z)_+|_F^2 - omega^T z,   M = O T O,

and `P = (M + Diag z)_+` at its minimum. Newton's method with the generalized Hessian, whose equations are solved by
conjugate gradients, converges quadratically: Qi & Sun, SIAM J. Matrix Anal. Appl. 28 (2006).

Classes of a group share their weight and their targets, and so their multiplier and their cosines (averaging over their
permutations keeps G feasible and lengthens nothing). In an orthonormal basis of the groups' sums and of the contrasts
within them every matrix of that symmetry falls apart (derived): with N classes in group g and entries `M_self` of a
class with itself, `M_gg` of two of its classes, `M_gh` across, the sums have `sqrt(N_g N_h) M_gh` and `M_self + (N_g -
1) M_gg`, and each of the `N_g - 1` contrasts is an eigenvector to the eigenvalue `M_self - M_gg`. So an
eigendecomposition of the size of the number of groups is all that a step takes.
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

    def __init__(self, counts: Float[np.ndarray, " m"]) -> None:
        """For groups of so many classes."""
        self._counts = counts
        self._multipliers = np.zeros(len(counts))
        self.decompositions = 0

    def __call__(
        self, T: Float[np.ndarray, "m m"], own: float, omega: Float[np.ndarray, " m"], tolerance: float = 1e-12
    ) -> Float[np.ndarray, "m m"]:
        """The cosines of the minimizer: between groups and, on the diagonal, within them (1 for a group of one).

        `T` is the target in the same form. The minimizer does not depend on `own`, the target of a class's product with
        itself, but the work does. Stops where the diagonal before scaling is within `tolerance`, or after a few steps:
        what is returned are cosines of a correlation matrix in any case, and the multipliers are better at the next
        call.
        """
        counts, root = self._counts, np.sqrt(omega)
        M = T * np.outer(root, root)
        z = self._multipliers * omega
        at = self._spectrum(M, own * omega, z)
        for _ in range(_NEWTON_STEPS):
            residual = omega - at.diagonal
            if np.max(np.abs(residual) / omega) <= tolerance:
                break
            direction = _conjugate_gradients(at.jacobian, residual, omega, counts)
            expected = (counts * residual) @ direction
            for length in _LENGTHS:
                tried = self._spectrum(M, own * omega, z + length * direction)
                fall = at.energy - tried.energy + length * ((counts * omega) @ direction)
                if fall >= 1e-4 * length * expected - 1e-14 * at.energy:
                    z, at = z + length * direction, tried
                    break
            else:
                # a class outside the positive part has no curvature; the gradient's own step always descends
                z = z + residual
                at = self._spectrum(M, own * omega, z)
        self._multipliers = z / omega
        P, diagonal = at.cosines_before_scaling()
        scale = np.sqrt(np.maximum(diagonal, np.finfo(float).tiny))
        G = P / np.outer(scale, scale)
        G = np.clip((G + G.T) / 2, -1.0, 1.0)
        np.fill_diagonal(G, np.where(counts > 1, G.diagonal(), 1.0))
        return G

    def _spectrum(
        self, M: Float[np.ndarray, "m m"], own: Float[np.ndarray, " m"], z: Float[np.ndarray, " m"]
    ) -> _Spectrum:
        self.decompositions += 1
        return _Spectrum(M, own + z, self._counts)


class _Spectrum:
    """The positive part of a matrix with the symmetry of the groups, and the derivative of its diagonal.

    Work is done on the side of the fewer eigenvalues, the positive or the negative ones.
    """

    def __init__(
        self, M: Float[np.ndarray, "m m"], own: Float[np.ndarray, " m"], counts: Float[np.ndarray, " m"]
    ) -> None:
        self._counts, self._roots = counts, np.sqrt(np.outer(counts, counts))
        sums = M * self._roots
        np.fill_diagonal(sums, own + (counts - 1) * M.diagonal())
        self._contrasts = own - M.diagonal()  # of groups of one there are none
        eigenvalues, Q = np.linalg.eigh(sums)
        positive = eigenvalues > 0
        self._few_positive = 2 * int(positive.sum()) <= len(sums)
        few = positive if self._few_positive else ~positive
        self._few, self._all = Q[:, few], np.concatenate([Q[:, few], Q[:, ~few]], axis=1)
        near, far = np.abs(eigenvalues[few]), np.abs(eigenvalues[~few])
        part = (self._few * near) @ self._few.T
        self._sums = part if self._few_positive else sums + part
        self._spread = np.maximum(self._contrasts, 0.0)
        self.diagonal = (self._sums.diagonal() + (counts - 1) * self._spread) / counts
        self.energy = 0.5 * float(np.sum(eigenvalues[positive] ** 2) + (counts - 1) @ self._spread**2)
        # divided differences of max(., 0), or of its complement: 1 between two of the few, and shared across; an
        # entry across stands for its mirror image too
        total = near[:, None] + far[None, :]
        across = 2 * near[:, None] / np.where(total > 0, total, 1.0)
        self._differences = np.concatenate([np.ones((len(near), len(near))), across], axis=1)

    def cosines_before_scaling(self) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, " m"]]:
        """Entries across and, on the diagonal, within groups, and those of classes with themselves."""
        entries = self._sums / self._roots
        np.fill_diagonal(entries, (self._sums.diagonal() - self._spread) / self._counts)
        return entries, self.diagonal

    def jacobian(self, h: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
        """The derivative of `diagonal` as h is added to the entries of classes with themselves."""
        turned = (self._few * h[:, None]).T @ self._all
        of_few = np.sum(((self._differences * turned) @ self._all.T).T * self._few, axis=1)
        of_sums = of_few if self._few_positive else h - of_few
        return (of_sums + (self._counts - 1) * np.where(self._contrasts > 0, h, 0.0)) / self._counts


def _conjugate_gradients(
    product: Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, " m"]],
    right: Float[np.ndarray, " m"],
    omega: Float[np.ndarray, " m"],
    counts: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " m"]:
    """Solve until no residual, relative to its class's `omega`, exceeds a small share of the largest at the start.

    The derivative is the identity less a part of the rank of the few eigenvalues, so that no preconditioner is needed;
    the term beside it makes it definite. Inner products are those of all classes.
    """
    x, r = np.zeros_like(right), right.copy()
    p, squared = r.copy(), (counts * r) @ r
    target = _CG_TOLERANCE * np.max(np.abs(right) / omega)
    for _ in range(_CG_STEPS):
        q = product(p) + 1e-10 * p
        alpha = squared / ((counts * p) @ q)
        x, r = x + alpha * p, r - alpha * q
        if np.max(np.abs(r) / omega) <= target:
            break
        squared, previous = (counts * r) @ r, squared
        p = r + squared / previous * p
    return x
