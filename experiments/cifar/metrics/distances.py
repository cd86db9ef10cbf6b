"""How far a measured Gram matrix is from one that the theory predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.geometry import off_diagonal


@dataclass(frozen=True)
class Distance:
    """Off the diagonal: the largest entry of `|G - H|`, and the root of the mean of its square."""

    max: float
    rms: float


def distance(G: Float[np.ndarray, "C C"], H: Float[np.ndarray, "C C"]) -> Distance:
    """The `Distance` of two Gram matrices with the classes in the same order."""
    errors = off_diagonal(G) - off_diagonal(H)
    return Distance(float(np.max(np.abs(errors))), float(np.sqrt(np.mean(errors**2))))
