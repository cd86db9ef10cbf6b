"""The distributions of cosines between images of the same class and of different classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

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
    units = normalized(features)
    sides = [_Sum(), _Sum()]
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        values = np.clip(units[block] @ units[start:].T, -1, 1)
        # above the diagonal: each pair once, and no image with itself
        once = np.arange(start, n)[None, :] > np.arange(start, min(start + _BLOCK, n))[:, None]
        same = labels[block, None] == labels[None, start:]
        for side, chosen in zip(sides, (once & same, once & ~same), strict=True):
            side.add(values[chosen])
    return Cosines(n, *(side.histogram() for side in sides))


class _Sum:
    """A histogram and moments that grow block by block."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.moments = np.zeros(3)

    def add(self, values: Float[np.ndarray, " pairs"]) -> None:
        bins = np.minimum(((values + 1) * (BINS / 2)).astype(np.int64), BINS - 1)
        self.counts += np.bincount(bins, minlength=BINS)
        exact = values.astype(np.float64)
        self.moments += np.array([len(values), np.sum(exact), np.sum(exact**2)])

    def histogram(self) -> Histogram:
        number, first, second = self.moments
        if number == 0:
            return Histogram(tuple(self.counts.tolist()), float("nan"), float("nan"))
        mean = first / number
        return Histogram(tuple(self.counts.tolist()), float(mean), float(np.sqrt(max(second / number - mean**2, 0.0))))
