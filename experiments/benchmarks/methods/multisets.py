"""All multisets of `k` negatives out of `C` classes: the sum that the methods that enumerate work on."""

from __future__ import annotations

from math import lgamma

import numpy as np
from jaxtyping import Float, Int


def counts(C: int, k: int) -> Int[np.ndarray, "terms C"]:
    """How often each class is drawn, one row a multiset."""
    if C == 1:
        return np.array([[k]])
    parts = []
    for first in range(k + 1):
        rest = counts(C - 1, k - first)
        parts.append(np.hstack([np.full((len(rest), 1), first), rest]))
    return np.concatenate(parts)


def probabilities(drawn: Int[np.ndarray, "terms C"], rho: Float[np.ndarray, " C"]) -> Float[np.ndarray, " terms"]:
    """The multinomial probability of each multiset."""
    k = int(drawn[0].sum())
    factorials = np.array([lgamma(n + 1) for n in range(k + 1)])
    p: Float[np.ndarray, " terms"] = np.exp(lgamma(k + 1) - factorials[drawn].sum(axis=1) + drawn @ np.log(rho))
    return p
