"""For property tests of one's own claims: hypothesis strategies, and residuals of the optimality conditions.

Needs hypothesis (`pip install 'nce-verifier[test]'`). The strategies have few shapes, so that what is compiled is
compiled few times; their arrays are ordinary NumPy.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from theory.geometry import normalized
from theory.priors import Prior, from_masses

if TYPE_CHECKING:
    from theory.losses import LossLike

#: Temperatures, low and high.
temperatures = st.sampled_from([0.05, 0.2, 0.5, 1.0, 3.0, 10.0])


@st.composite
def priors(draw: Any, C: int, smallest: int = 1, largest: int = 10**6) -> Prior:
    """A prior of `C` classes; the masses may be as skewed as `largest / smallest`."""
    exponents = st.floats(0.0, float(np.log10(largest / smallest)))
    weights = [smallest * round(10 ** draw(exponents)) for _ in range(C)]
    return from_masses([Fraction(w) for w in weights], normalize=True)


@st.composite
def embeddings(draw: Any, C: int, d: int) -> np.ndarray:
    """`C` unit vectors in `R^d`: random ones, with some rows collapsed onto, or opposite to, the first."""
    U = normalized(np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=(C, d)))
    for c in range(1, C):
        kind = draw(st.sampled_from(["free", "free", "collapsed", "antipodal", "near"]))
        if kind == "collapsed":
            U[c] = U[0]
        elif kind == "antipodal":
            U[c] = -U[0]
        elif kind == "near":
            U[c] = U[0] + 1e-7 * U[c]
    return normalized(U)


class Kkt(NamedTuple):
    """How far a Gram matrix is from the optimality conditions of the convex program; all are 0 at its minimum.

    With the symmetrized gradient `A`, multipliers `y = diag(A G)` and slack `S = A - Diag(y)`, relative to `|y|`:

    Attributes:
        primal: the negative part of the least eigenvalue of `G`, and how far its diagonal is from 1.
        dual: the negative part of the least eigenvalue of `S`, scaled by `|y|` on both sides.
        complementarity: the largest row of `S G` over its `|y_c|`.
    """

    primal: float
    dual: float
    complementarity: float


def kkt(loss: LossLike, gram: np.ndarray, rho: np.ndarray, k: int | float, beta: int | float = 1.0) -> Kkt:
    """The residuals at this Gram matrix, from values and gradients alone: no solver is believed."""
    from theory.losses import get_loss
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient

    value, gradient = gram_value_and_gradient(get_loss(loss), gram, rho, k, beta)
    A = (gradient + gradient.T) / 2
    y = np.sum(A * gram, axis=1)
    size = np.maximum(np.abs(y), np.finfo(float).tiny)
    product = np.linalg.norm(A @ gram - y[:, None] * gram, axis=1)
    feasible = max(0.0, -float(np.linalg.eigvalsh(gram)[0]), float(np.max(np.abs(np.diag(gram) - 1.0))))
    return Kkt(feasible, dual_bound(value, gradient, gram).shift, float(np.max(product / size)))
