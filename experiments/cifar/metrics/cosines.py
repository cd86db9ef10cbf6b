"""The distributions of cosines between images of the same class and of different classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Int

from theory.float64 import jax, jnp
from theory.geometry import normalized

#: Equal bins over [-1, 1], the same everywhere, so that histograms can be added.
BINS = 200

#: Of more images than these, so many are drawn.
MAX_IMAGES = 10_000

_BLOCK = 1000


@dataclass(frozen=True)
class Histogram:
    """Pairs of images by their cosine; bin `b` of `BINS` begins at `-1 + 2 b / BINS`.

    Attributes:
        counts: pairs in each bin.
        mean, std: of the cosines themselves, before binning.
    """

    counts: tuple[int, ...]
    mean: float
    std: float


@dataclass(frozen=True)
class Cosines:
    """Every unordered pair of different images once.

    Attributes:
        images: how many images the pairs are of.
        within: pairs of the same class. A class counts by its number of pairs, so for a long tail mostly the head.
        between: pairs of different classes.
    """

    images: int
    within: Histogram
    between: Histogram


def cosines(features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], seed: int) -> Cosines:
    """Histograms over all pairs, or over all pairs of `MAX_IMAGES` images drawn with this seed, if there are more.

    Work grows with the square of the images, memory with their number.
    """
    n = len(labels)
    if n > MAX_IMAGES:
        drawn = np.random.default_rng(seed).choice(n, MAX_IMAGES, replace=False)
        features, labels, n = features[drawn], labels[drawn], MAX_IMAGES
    units, own = jnp.asarray(normalized(features), jnp.float64), jnp.asarray(labels)
    counts, moments = np.zeros((2, BINS), np.int64), np.zeros((2, 3))
    for start in range(0, n, _BLOCK):
        # blocks of one shape, so that one program serves all of them; rows beyond the last have no pairs
        rows = np.minimum(np.arange(start, start + _BLOCK), n - 1)
        places = jnp.where(np.arange(start, start + _BLOCK) < n, rows, n)
        found = _pairs(units[rows], own[rows], places, units, own)
        counts += np.asarray(found[0])
        moments += np.asarray(found[1])
    between, within = (_histogram(*side) for side in zip(counts, moments, strict=True))
    return Cosines(n, within, between)


@jax.jit
def _pairs(
    block: Float[Array, "b d"],
    own: Int[Array, " b"],
    places: Int[Array, " b"],
    units: Float[Array, "n d"],
    labels: Int[Array, " n"],
) -> tuple[Int[Array, "2 bins"], Float[Array, "2 3"]]:
    """The cosines of each image of a block with those after it: counts by bin, then number, sum and sum of squares; row
    0 for pairs of different classes, row 1 for pairs of one class."""
    # accelerators would otherwise round the factors to fewer bits
    values = jnp.clip(jnp.matmul(block, units.T, precision="highest"), -1, 1)
    once = jnp.arange(len(units))[None, :] > places[:, None]
    same = own[:, None] == labels[None, :]
    bins = jnp.minimum(((values + 1) * (BINS / 2)).astype(jnp.int32), BINS - 1)
    counts = jnp.bincount(jnp.where(once, bins + BINS * same, 2 * BINS).ravel(), length=2 * BINS + 1)
    sides = [jnp.where(once & side, values, 0) for side in (~same, same)]
    numbers = [jnp.sum(once & side) for side in (~same, same)]
    moments = [jnp.stack([n, jnp.sum(x), jnp.sum(x * x)]) for n, x in zip(numbers, sides, strict=True)]
    return counts[: 2 * BINS].reshape(2, BINS), jnp.stack(moments)


def _histogram(counts: Int[np.ndarray, " bins"], moments: Float[np.ndarray, "3"]) -> Histogram:
    number, first, second = moments
    if number == 0:
        return Histogram(tuple(counts.tolist()), float("nan"), float("nan"))
    mean = first / number
    return Histogram(tuple(counts.tolist()), float(mean), float(np.sqrt(max(second / number - mean**2, 0.0))))
