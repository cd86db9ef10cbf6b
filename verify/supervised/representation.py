"""Class embeddings of a user's own."""

from __future__ import annotations

import numpy as np

from theory.errors import InputError
from theory.geometry import normalized


def checked_embeddings(embeddings: np.ndarray, C: int, d: int) -> np.ndarray:
    """Class embeddings with unit rows.

    Raises:
        InputError: if they are not C rows of numbers in dimension `d` at most, or a row is zero.
    """
    if embeddings.ndim != 2 or len(embeddings) != C or not 1 <= embeddings.shape[1] <= d:
        raise InputError("embeddings", embeddings.shape, f"accepted: {C} rows, one a class, in dimension {d} at most")
    if embeddings.dtype.kind not in "fiu":
        raise InputError("embeddings", embeddings.dtype, "accepted: real numbers")
    return normalized(np.asarray(embeddings, dtype=float))
