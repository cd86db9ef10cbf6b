"""E g(v_{J_1}, ..., v_{J_k}) for any symmetric `g`, by summing over all multisets of `k` draws.

The reference that everything faster is tested against, and the exact route for a user's own loss where the
number of multisets, `binom(n + k - 1, k)`, permits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array, array_module, promoting

MAX_ENTRIES = 4_000_000


def multisets(n: int, k: int) -> int:
    """The number of multisets of `k` draws from `n` values, `binom(n + k - 1, k)`."""
    return math.comb(n + k - 1, k)


def fits(n: int, k: int | float) -> bool:
    """Whether all multisets of `k` out of `n` can be held in memory (`MAX_ENTRIES` numbers)."""
    if k != int(k) or k > MAX_ENTRIES:
        return False
    return multisets(n, int(k)) * max(int(k), n) <= MAX_ENTRIES


@promoting
def enumerated(
    function: Callable[[Float[Array, "*c k"]], Float[Array, "*c"]],
    margins: Float[Array, "*b n"],
    weights: Float[Array, "*w n"],
    k: int,
) -> Float[Array, "*b"]:
    """`sum_m multinomial(k; m) w^m g(v_m)` over all multisets `m` of size `k`, `g` symmetric.

    Raises:
        ValueError: if the multisets do not fit (`fits`).
    """
    n = margins.shape[-1]
    if not fits(n, k):
        raise ValueError(f"enumeration of {k} draws from {n} values does not fit in memory")
    draws, counts, log_coefficient = _multisets(n, int(k))
    xp = array_module(margins, weights)
    # a weight of 0 has a logarithm, so that what is not drawn counts as 1
    logs = xp.log(xp.maximum(weights, np.finfo(float).tiny))
    probability = xp.exp(log_coefficient + logs @ counts.T)
    return xp.sum(probability * function(margins[..., draws]), axis=-1)


@lru_cache(maxsize=8)
def _multisets(n: int, k: int) -> tuple[Int[np.ndarray, "m k"], Float[np.ndarray, "m n"], Float[np.ndarray, " m"]]:
    draws = np.array(list(combinations_with_replacement(range(n), k)), dtype=np.int32)
    counts = np.stack([np.sum(draws == j, axis=1) for j in range(n)], axis=1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, k + 1)))])
    return draws, counts.astype(float), log_factorial[k] - np.sum(log_factorial[counts], axis=1)
