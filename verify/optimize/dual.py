"""A lower bound on the global minimum from the dual slack, in double precision.

Lemma (derived). `L_k` is convex in `G` on symmetric matrices of unit diagonal (integer `k`; convex loss). At any such
`G0` with entries <= 1, let `A_cj = (dL/dG_cj + dL/dG_jc) / 2` off the diagonal and 0 on it, `y = diag(A G0)` and
`S = A - Diag(y)`. If `S + eps D` is positive semidefinite for a positive diagonal `D`, then for every psd `G` of unit
diagonal

    L(G) >= L(G0) + <A, G - G0> = L(G0) + <S, G> >= L(G0) - eps tr D,

by convexity, `<A, G0> = sum y = <Diag(y), G>`, and `<S + eps D, G> >= 0`. `D = Diag(|y|)` scales the shift to each
class, which keeps the bound tight for skewed priors; a hundredth of the mean of `|y|` is added, so that a class whose
multiplier happens to be near 0 at `G0` does not decide alone.

Equal classes may be taken together (`theory.groups`): S then falls apart into the groups' sums and, N - 1 times each,
the contrasts within them, with the eigenvalues `-A_gg - y_g`, A_gg the slope of a pair within.

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
    multipliers: Float[np.ndarray, " m"]


def dual_bound(
    value: float,
    gradient: Float[np.ndarray, "m m"],
    G0: Float[np.ndarray, "m m"],
    counts: Float[np.ndarray, " m"] | None = None,
) -> DualBound:
    """The bound of the lemma at `G0`, from the loss and its gradient there.

    Args:
        value: `L(G0)`.
        gradient: `dL/dG_cj` for one pair of classes, row `c` the anchor; on the diagonal for two classes of a group, 0
            for a group of one.
        G0: cosines between groups and, on the diagonal, within them; 1 for a group of one.
        counts: the classes of each group, one by default.
    """
    N = np.ones(len(G0)) if counts is None else counts
    A = (gradient + gradient.T) / 2
    products = A * G0
    y = products @ N - products.diagonal()
    shifted = np.abs(y) + 0.01 * float(N @ np.abs(y)) / float(np.sum(N))
    scale = np.sqrt(np.maximum(shifted, np.finfo(float).tiny))
    sums = A * np.sqrt(np.outer(N, N))
    np.fill_diagonal(sums, (N - 1) * A.diagonal() - y)
    contrasts = np.where(N > 1, (-A.diagonal() - y) / scale**2, 0.0)
    least = min(float(np.linalg.eigvalsh(sums / np.outer(scale, scale))[0]), float(np.min(contrasts)))
    shift = max(0.0, -least)
    return DualBound(value - shift * float(N @ scale**2), shift, y)
