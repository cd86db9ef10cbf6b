"""The weighted nearest-neighbour classifier on cosines."""

from __future__ import annotations

from functools import partial

import numpy as np
from jaxtyping import Array, Float, Int

from theory.float64 import jax, jnp
from theory.geometry import normalized

#: Neighbours that vote (fewer, if there are fewer images), and the temperature of their votes.
NEIGHBOURS, TEMPERATURE = 200, 0.1

_BLOCK = 500


def votes(
    train: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    queries: Float[np.ndarray, "m d"],
    C: int,
    *,
    own: Int[np.ndarray, " m"] | None = None,
) -> Float[np.ndarray, "m C"]:
    """The votes for each class: `sum exp((cos - 1) / 0.1)` over the 200 nearest of `train` by cosine.

    Of equally near ones the first in order are taken. Source: Wu, Xiong, Yu & Lin 2018 (instance discrimination), the
    protocol that papers on self-supervised learning report. Cosines are computed in single precision; memory for
    500 x n of them.

    Args:
        own: for queries that are themselves in `train`: their places, which have no vote (leave-one-out).
    """
    base = jnp.asarray(normalized(train), jnp.float32)
    k = min(NEIGHBOURS, len(train) - (own is not None))
    m = len(queries)
    found = []
    for start in range(0, m, _BLOCK):
        # blocks of one shape, so that one program serves all of them
        rows = np.minimum(np.arange(start, start + _BLOCK), m - 1)
        places = np.full(len(rows), -1) if own is None else own[rows]
        block = jnp.asarray(normalized(queries[rows]), jnp.float32)
        found.append(np.asarray(_votes(base, jnp.asarray(labels), block, jnp.asarray(places), k=k, C=C)))
    return np.concatenate(found)[:m]


@partial(jax.jit, static_argnames=("k", "C"))
def _votes(
    base: Float[Array, "n d"],
    labels: Int[Array, " n"],
    block: Float[Array, "b d"],
    places: Int[Array, " b"],
    *,
    k: int,
    C: int,
) -> Float[Array, "b C"]:
    # accelerators would otherwise round the factors to fewer bits
    cosines = jnp.matmul(block, base.T, precision="highest")
    cosines = jnp.where(jnp.arange(len(base)) == places[:, None], -jnp.inf, cosines)
    nearest, index = jax.lax.top_k(cosines, k)
    weight = jnp.exp((nearest.astype(jnp.float64) - 1) / TEMPERATURE)
    return jnp.zeros((len(block), C)).at[jnp.arange(len(block))[:, None], labels[index]].add(weight)
