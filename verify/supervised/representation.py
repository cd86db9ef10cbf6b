"""Class embeddings to look at: the best that an optimizer finds, or a user's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from theory.errors import InputError
from theory.geometry import normalized, simplex_etf
from theory.losses import Loss
from theory.priors import Prior
from verify.optimize.search import minimum


def best_embeddings(
    loss: Loss,
    prior: Prior,
    k: int | float,
    d: int,
    beta: float,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> tuple[Float[np.ndarray, "C d"], bool]:
    """The best embeddings found, and whether their search converged; the simplex ETF where it is known to be best."""
    if prior.is_uniform and d >= prior.C - 1 and loss.convex:
        return simplex_etf(prior.C, d), True
    found = minimum(loss, prior.as_array(), k, d, beta, starts=2 if d >= prior.C else 16, seed=seed, progress=progress)
    return found.best.embeddings, found.converged > 0


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
