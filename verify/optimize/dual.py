"""A lower bound on the global minimum from the dual slack, in double precision.

Lemma (derived). `L_k` is convex in `G` on symmetric matrices of unit diagonal (integer `k`; convex loss). At any such
`G0` with entries <= 1, let `A_cj = (dL/dG_cj + dL/dG_jc) / 2` off the diagonal and 0 on it, `y = diag(A G0)` and
`S = A - Diag(y)`. If `S + eps D` is positive semidefinite for a positive diagonal `D`, then for every psd `G` of unit
diagonal

    L(G) >= L(G0) + <A, G - G0> = L(G0) + <S, G> >= L(G0) - eps tr D,

by convexity, `<A, G0> = sum y = <Diag(y), G>`, and `<S + eps D, G> >= 0`. `D = Diag(|y|)` scales the shift to each
class, which keeps the bound tight for skewed priors; a hundredth of the mean of `|y|` is added, so that a class whose
multiplier happens to be near 0 at `G0` does not decide alone.

The numbers here are rounded: a bound to double precision, not a proof. `verify.certify` encloses the same quantities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class DualBound:
    """`lower <= L(G)` for every feasible `G`, up to rounding.

    Attributes:
        lower: the bound, `L(G0) - shift tr D`.
        shift: the least `eps >= 0` for which `S + eps D` is positive semidefinite.
        multipliers: `y`, the multipliers of the unit diagonal.
    """

    lower: float
    shift: float
    multipliers: Float[np.ndarray, " C"]


def dual_bound(value: float, gradient: Float[np.ndarray, "C C"], G0: Float[np.ndarray, "C C"]) -> DualBound:
    """The bound of the lemma at `G0`, from the loss and its gradient there.

    Args:
        value: `L(G0)`.
        gradient: `dL/dG_cj`, row `c` the anchor, 0 on the diagonal.
        G0: symmetric, diagonal 1.
    """
    A = (gradient + gradient.T) / 2
    y = np.sum(A * G0, axis=1)
    shifted = np.abs(y) + 0.01 * np.mean(np.abs(y))
    scale = np.sqrt(np.maximum(shifted, np.finfo(float).tiny))
    slack = (A - np.diag(y)) / np.outer(scale, scale)
    shift = max(0.0, -float(np.linalg.eigvalsh(slack)[0]))
    return DualBound(value - shift * float(np.sum(scale**2)), shift, y)
