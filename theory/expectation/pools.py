"""E l of k negatives drawn from a pool without replacement, as an exact sum over how many are of each value.

A pool of n_u negatives of value u: m_u of the k that are drawn have it with probability

    prod_u binom(n_u, m_u) / binom(n, k),   n = sum_u n_u,   sum_u m_u = k

(multivariate hypergeometric). The number of terms grows with the number of values, and not with the pool.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array
from theory.errors import InputError
from theory.expectation.expansion import Expansion
from theory.losses.base import Loss

#: The most terms of one sum, and masses that differ (of the barrier method, which alone takes a pool).
MAX_TERMS, MOST_MASSES = 20_000, 48


def check_terms(values: int, k: int) -> None:
    """Refuse a sum of too many terms.

    Raises:
        InputError: if `k` of so many values are more than `MAX_TERMS` multisets.
    """
    terms = math.comb(values + k - 1, k)
    if terms > MAX_TERMS:
        raise InputError("k", k, f"accepted for a pool: at most {MAX_TERMS} multisets of {values} values")


class Pooled(Expansion):
    """The expectation for each row of margins, to second order, from the pool of each row (NumPy only).

    Raises:
        InputError: for too many terms.
    """

    def __init__(self, loss: Loss, margins: Float[np.ndarray, "r n"], pools: Int[np.ndarray, "r n"], k: int) -> None:
        self._rows = []
        for v, pool in zip(margins, pools, strict=True):
            draws, weights = _draws(tuple(pool.tolist()), k)
            at = loss.expansion(np.broadcast_to(v, draws.shape), draws)
            self._rows.append((weights, at))

    @property
    def value(self) -> Float[np.ndarray, " r"]:
        return np.array([weights @ at.value for weights, at in self._rows])

    @property
    def slopes(self) -> Float[np.ndarray, "r n"]:
        return np.array([weights @ at.slopes for weights, at in self._rows])

    def along(self, direction: Float[Array, "r n"]) -> Float[np.ndarray, "r n"]:
        return np.einsum("rjl,rl->rj", self.hessian(), direction)

    def hessian(self) -> Float[np.ndarray, "r n n"]:
        return np.array([np.einsum("m,mjl->jl", weights, at.hessian()) for weights, at in self._rows])


@lru_cache(maxsize=64)
def _draws(pool: tuple[int, ...], k: int) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, " m"]]:
    """Every count of negatives by value, and its probability."""
    check_terms(sum(n > 0 for n in pool), k)
    rows: list[tuple[list[int], int, int]] = [([], k, 1)]
    for place, n in enumerate(pool):
        left = sum(pool[place + 1 :])
        rows = [
            ([*drawn, m], rest - m, weight * math.comb(n, m))
            for drawn, rest, weight in rows
            for m in range(max(0, rest - left), min(n, rest) + 1)
        ]
    total = math.comb(sum(pool), k)
    return np.array([drawn for drawn, _, _ in rows], dtype=float), np.array([w / total for _, _, w in rows])
