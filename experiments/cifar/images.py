"""Labelled images in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, UInt8

from theory import priors
from theory.priors import Prior

#: "cifar20" is CIFAR-100 with its 20 superclasses as labels.
NAMES = ("cifar10", "cifar100", "cifar20", "standin")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in 8 bits and their classes, numbered from 0.

    Attributes:
        name: one of `NAMES`.
        provenance: where the images come from and what was done to them, in words.
        class_names: one a class, in label order.
    """

    name: str
    provenance: str
    class_names: tuple[str, ...]
    train_images: UInt8[np.ndarray, "n H W 3"]
    train_labels: Int32[np.ndarray, " n"]
    test_images: UInt8[np.ndarray, "m H W 3"]
    test_labels: Int32[np.ndarray, " m"]

    @property
    def C(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def train_counts(self) -> tuple[int, ...]:
        """Training images a class, in label order."""
        return tuple(np.bincount(self.train_labels, minlength=self.C).tolist())

    def prior(self) -> Prior:
        """The class frequencies of the training set, exactly: `rho_c = n_c / n`."""
        return priors.from_masses(self.train_counts, normalize=True)
