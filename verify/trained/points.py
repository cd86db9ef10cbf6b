"""Trained embeddings as they are given: checked, never changed silently."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from theory import priors
from theory.errors import InputError, one_line
from theory.priors import Prior
from verify import limits
from verify.files.arrays import read_array, read_arrays
from verify.files.priors import PriorLike, read_prior
from verify.trained.rounding import WIDE, wide

#: How far from 1 a length may be that counts as 1: what single precision leaves of a normalized row, or a type's own
#: rounding where that is coarser.
_ROOM, _ROUNDINGS = 1e-6, 8


@dataclass(frozen=True)
class Points:
    """Labelled points on the sphere: the directions of the rows given.

    Attributes:
        wide: unit rows in the widest type at hand.
        labels: integers from 0 to C-1, all of which occur.
        prior: that of the points, or the one that was given; exact.
        counts: the number of points of each class.
        deviation: the largest `| |row| - 1 |` as given.
    """

    wide: Shaped[np.ndarray, "n d"]
    labels: Int[np.ndarray, " n"]
    prior: Prior
    counts: Int[np.ndarray, " C"]
    deviation: float

    @property
    def embeddings(self) -> Float[np.ndarray, "n d"]:
        """The rows in double precision."""
        return self.wide.astype(np.float64)

    @property
    def n(self) -> int:
        """The number of points."""
        return len(self.labels)

    @property
    def d(self) -> int:
        """The dimension."""
        return self.wide.shape[1]

    @property
    def rho(self) -> Float[np.ndarray, " C"]:
        """The prior in double precision."""
        return self.prior.as_array()

    @property
    def wide_rho(self) -> Shaped[np.ndarray, " C"]:
        """The prior in the widest type at hand."""
        of = {mass: wide(mass) for mass in self.prior.masses}
        return np.array([of[mass] for mass in self.prior.rho], dtype=WIDE)

    @property
    def masses(self) -> Float[np.ndarray, " n"]:
        """The mass of each point."""
        masses: Float[np.ndarray, " n"] = self.rho[self.labels] / self.counts[self.labels]
        return masses

    def exact_masses(self) -> list[Fraction]:
        """The same, exact, for the points in the order of their classes."""
        shares = [r / int(count) for r, count in zip(self.prior.rho, self.counts, strict=True)]
        return [share for share, count in zip(shares, self.counts.tolist(), strict=True) for _ in range(count)]


def points(
    embeddings: ArrayLike,
    labels: ArrayLike,
    *,
    rho: PriorLike | None = None,
    normalize: bool = False,
) -> Points:
    """Check embeddings (n x d) and labels (n).

    Args:
        embeddings: real numbers of any type and order; rows of length 1, unless they are to be normalized.
        labels: integers from 0 to C-1, each of which occurs.
        rho: the class prior of training, if it is not that of the points.
        normalize: divide the rows by their lengths.

    Raises:
        InputError: naming what is off.
    """
    F, y = _array(embeddings, "embeddings"), _array(labels, "labels")
    if F.ndim != 2 or not all(F.shape):
        raise InputError("embeddings", F.shape, "accepted: an array n x d, one point a row")
    if F.dtype.kind not in "fiu":
        raise InputError("embeddings", F.dtype, "accepted: real numbers")
    if y.dtype.kind not in "iu":
        raise InputError("labels", y.dtype, "accepted: integers from 0 to C-1")
    if y.shape != F.shape[:1]:
        raise InputError("labels", y.shape, f"accepted: one label for each of the {len(F)} points")
    prior, counts = _classes(y, rho)
    rows = F.astype(WIDE)
    if not np.all(np.isfinite(rows)):
        row = int(np.flatnonzero(~np.all(np.isfinite(rows), axis=1))[0])
        raise InputError("embeddings", f"row {row}", "accepted: finite numbers")
    # so that squares neither overflow nor vanish
    largest = np.max(np.abs(rows), axis=1, keepdims=True)
    if not np.all(largest > 0):
        raise InputError("embeddings", f"row {int(np.argmin(largest))}", "a zero vector has no direction")
    rows = rows / largest
    scaled = np.sqrt(np.sum(rows * rows, axis=1, keepdims=True))
    lengths = (scaled * largest)[:, 0]
    off = np.abs(lengths - 1.0)
    room = max(_ROOM, _ROUNDINGS * float(np.finfo(F.dtype).eps)) if F.dtype.kind == "f" else _ROOM
    if not normalize and float(off.max()) > room:
        row = int(np.argmax(off))
        raise InputError(
            "embeddings",
            f"row {row} of length {float(lengths[row]):.9g}",
            "rows must have length 1; give --normalize to divide them by their lengths",
        )
    return Points(rows / scaled, y.astype(np.int64), prior, counts, float(off.max()))


def _array(given: Any, option: str) -> np.ndarray:
    try:
        return np.asarray(given)
    except Exception as error:  # every library refuses in its own way: tensors of a device, or that need gradients
        reason = one_line(str(error), 100)
        raise InputError(option, type(given).__name__, f"accepted: a NumPy array ({reason})") from None


def _classes(labels: np.ndarray, rho: PriorLike | None) -> tuple[Prior, np.ndarray]:
    """The prior, and the number of points of each class."""
    if labels.min() < 0:
        raise InputError("labels", labels.min(), "accepted: integers from 0 to C-1")
    if labels.max() >= len(labels):
        raise InputError("labels", labels.max(), f"accepted: at most {len(labels) - 1}, for {len(labels)} points")
    counts = np.bincount(labels.astype(np.int64))
    C = len(counts)
    if counts.min() == 0:
        missing = int(np.argmin(counts))
        raise InputError("labels", f"no point of class {missing}", f"every class from 0 to {C - 1} must occur")
    if not 2 <= C <= limits.LABEL_CLASSES:
        raise InputError("labels", f"{C} classes", f"accepted: 2 to {limits.LABEL_CLASSES} classes")
    if rho is None:
        return priors.from_masses([Fraction(int(count), len(labels)) for count in counts]), counts
    try:
        return read_prior(rho, C), counts
    except InputError as error:
        if error.option != "C":
            raise
    raise InputError("rho", rho, f"the labels have {C} classes, and the prior needs the same")


def read_points(
    path: Path | str, labels: Path | str | None, *, rho: str | None = None, normalize: bool = False
) -> Points:
    """The points in an .npy file with a file of labels, or in one .npz file with the arrays `embeddings` and `labels`.

    Raises:
        InputError: if the files cannot be read, or hold something else.
    """
    if labels is not None:
        F, y = read_array(path, "embeddings"), read_array(labels, "labels")
    elif Path(path).suffix == ".npz":
        arrays = read_arrays(path, "embeddings")
        for name in ("embeddings", "labels"):
            if name not in arrays:
                given = ", ".join(arrays) or "nothing"
                raise InputError("embeddings", given, f"an array '{name}' is missing in {path}")
        F, y = arrays["embeddings"], arrays["labels"]
    else:
        raise InputError("labels", "none", "needed beside a .npy file; a .npz file has 'embeddings' and 'labels'")
    try:
        return points(F, y, rho=rho, normalize=normalize)
    except InputError as error:
        option, given, accepted = error.args
        if option not in ("embeddings", "labels"):
            raise
        # the file that is to blame may be one of many
        if labels is None:
            raise InputError("embeddings", given, f"{accepted} ('{option}' in {path})") from None
        raise InputError(option, given, f"{accepted} (in {path if option == 'embeddings' else labels})") from None
