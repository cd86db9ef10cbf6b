"""Hypothesis strategies for the problems of this project, of few shapes, so that JAX compiles few times."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from theory.geometry import normalized
from theory.priors import Prior, from_masses


@st.composite
def priors(draw, C: int, smallest: int = 1, largest: int = 10**6) -> Prior:
    """A prior of `C` classes; the masses may be as skewed as `largest / smallest`."""
    exponents = st.floats(0.0, float(np.log10(largest / smallest)))
    weights = [smallest * round(10 ** draw(exponents)) for _ in range(C)]
    return from_masses([Fraction(w) for w in weights], normalize=True)


@st.composite
def embeddings(draw, C: int, d: int) -> np.ndarray:
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


temperatures = st.sampled_from([0.05, 0.2, 0.5, 1.0, 3.0, 10.0])
