"""Data sets by name: CIFAR-10, CIFAR-100 or the generated stand-in, whole or a subset, balanced or long-tailed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Int, Int32, UInt8

from experiments.cifar import layouts, longtail, standin
from experiments.cifar.images import NAMES, Dataset
from theory import priors
from theory.errors import InputError

#: Images a class of the stand-in: for training unless `per_class` says otherwise, and for testing.
STANDIN_TRAIN, STANDIN_TEST = 500, 100


def load(
    name: str,
    folder: Path | str | None = None,
    *,
    classes: int | Sequence[int] | None = None,
    imbalance: Fraction | int | float | str | None = None,
    majority: Fraction | int | float | str | None = None,
    per_class: int | None = None,
    seed: int = 0,
    size: int = 32,
    provenance: str | None = None,
) -> Dataset:
    """Read or generate a data set.

    Args:
        name: one of `NAMES`.
        folder: of CIFAR: a folder or archive in one of the official layouts (`layouts.read`).
        classes: how many classes are kept, the first in label order; or which, renumbered in the order given.
        imbalance: `F` of a long-tailed training set (`longtail.profile`); the test set stays balanced.
        majority: share of the first class in a training set whose other classes are equal (`longtail.one_majority`).
        per_class: at most so many training images a class; of the stand-in exactly so many are made.
        seed: of the choice of training images within a class, and of the stand-in's images. Of the same seed, the
            images of a smaller subset of CIFAR are among those of a larger one.
        size: height and width of the stand-in's images; those of CIFAR are 32.
        provenance: where the images come from, in place of what the folder says of itself (`layouts.read`).

    Raises:
        InputError: if the files cannot be used, or a value is outside of what is accepted.
    """
    if name not in NAMES:
        raise InputError("dataset", name, f"accepted: {', '.join(NAMES)}")
    if per_class is not None and per_class < 1:
        raise InputError("per-class", per_class, "accepted: an integer >= 1")
    if name == "standin":
        if folder is not None or provenance is not None:
            raise InputError("dataset", name, "the stand-in set is generated: give neither a folder nor a provenance")
        kept = _labels(classes, len(standin.CLASS_NAMES))
        found = _generate(kept, STANDIN_TRAIN if per_class is None else per_class, size, seed)
    else:
        if folder is None:
            raise InputError("folder", "nothing", f"{name} needs the folder or archive that holds it")
        if size != 32:
            raise InputError("size", size, "the images of CIFAR are 32 pixels wide")
        found = layouts.read(name, Path(folder), provenance)
        if classes is not None:
            found = _keep_classes(found, _labels(classes, found.C))
    if imbalance is not None and majority is not None:
        raise InputError("majority", majority, "give either --majority or --imbalance")
    return _keep_images(found, imbalance, majority, per_class, seed)


def _labels(classes: int | Sequence[int] | None, available: int) -> tuple[int, ...]:
    """The labels to keep, in the order of their new numbers."""
    if classes is None:
        return tuple(range(available))
    chosen = tuple(range(classes)) if isinstance(classes, int) else tuple(classes)
    if len(chosen) < 2 or len(set(chosen)) < len(chosen) or not all(0 <= c < available for c in chosen):
        accepted = f"accepted: a number of classes from 2 to {available}, or distinct labels from 0 to {available - 1}"
        raise InputError("classes", classes, accepted)
    return chosen


def _generate(labels: tuple[int, ...], n: int, size: int, seed: int) -> Dataset:
    if not standin.MIN_SIZE <= size <= 256:
        raise InputError("size", size, f"accepted: an integer from {standin.MIN_SIZE} to 256")

    def split(part: int, each: int) -> tuple[UInt8[np.ndarray, "n H W 3"], Int32[np.ndarray, " n"]]:
        made = [standin.images(label, each, size=size, stream=(seed, part)) for label in labels]
        return np.concatenate(made), np.repeat(np.arange(len(labels), dtype=np.int32), each)

    return Dataset(
        "standin",
        f"generated: textures on shapes, {size} pixels wide, seed {seed}",
        tuple(standin.CLASS_NAMES[label] for label in labels),
        *split(0, n),
        *split(1, STANDIN_TEST),
    )


def _keep_classes(found: Dataset, labels: tuple[int, ...]) -> Dataset:
    new = np.full(found.C, -1, dtype=np.int32)
    new[list(labels)] = np.arange(len(labels), dtype=np.int32)
    train, test = new[found.train_labels], new[found.test_labels]
    return replace(
        found,
        class_names=tuple(found.class_names[label] for label in labels),
        train_images=found.train_images[train >= 0],
        train_labels=train[train >= 0],
        test_images=found.test_images[test >= 0],
        test_labels=test[test >= 0],
    )


def _keep_images(
    found: Dataset,
    imbalance: Fraction | int | float | str | None,
    majority: Fraction | int | float | str | None,
    per_class: int | None,
    seed: int,
) -> Dataset:
    counts = found.train_counts
    if min(counts) == 0:
        raise InputError("folder", found.name, f"no training image of class '{found.class_names[counts.index(0)]}'")
    kept = tuple(count if per_class is None else min(count, per_class) for count in counts)
    if imbalance is not None:
        kept = longtail.profile(min(kept), found.C, _exact(imbalance, "imbalance"))
    if majority is not None:
        kept = longtail.one_majority(min(kept), found.C, _exact(majority, "majority"))
    if kept == counts:
        return found
    chosen = np.sort(np.concatenate([_choose(found.train_labels, c, n, seed) for c, n in enumerate(kept)]))
    return replace(found, train_images=found.train_images[chosen], train_labels=found.train_labels[chosen])


def _exact(value: Fraction | int | float | str, option: str) -> Fraction:
    return priors.number(repr(value) if isinstance(value, float) else str(value), option)


def _choose(labels: Int32[np.ndarray, " n"], c: int, n: int, seed: int) -> Int[np.ndarray, " kept"]:
    """The places of `n` images of class `c`; those for a smaller `n` are among those for a larger."""
    return np.random.default_rng([seed, c]).permutation(np.flatnonzero(labels == c))[:n]
