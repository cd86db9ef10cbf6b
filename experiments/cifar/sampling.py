"""Draws of images: anchors, positives and further negatives, as indices into the training set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, PRNGKeyArray

from theory.float64 import jax, jnp


class ClassIndex(NamedTuple):
    """Where the images of each class are: those of class `c` are `order[start[c] : start[c] + counts[c]]`."""

    labels: Int32[jax.Array, " n"]
    order: Int32[jax.Array, " n"]
    start: Int32[jax.Array, " C"]
    counts: Int32[jax.Array, " C"]


def class_index(labels: Int32[np.ndarray, " n"], C: int) -> ClassIndex:
    """The index of these labels; every class must occur."""
    count = np.bincount(labels, minlength=C)
    start = np.cumsum(count) - count
    parts = (labels, np.argsort(labels, kind="stable"), start, count)
    return ClassIndex(*(jnp.asarray(part, jnp.int32) for part in parts))


def images(index: ClassIndex, n: int, key: PRNGKeyArray) -> Int32[jax.Array, " n"]:
    """`n` images iid from the training set."""
    return jax.random.randint(key, (n,), 0, index.labels.shape[0], dtype=jnp.int32)


def mixed(
    index: ClassIndex, anchors: Int32[jax.Array, " n"], overlap: float, key: PRNGKeyArray
) -> Int32[jax.Array, " n"]:
    """The anchors' own images with probability `1 - overlap` each, else `classmates`.

    The augmentation graph of the block family: within a class of `m` of the `n` images
    `W_ij = ((1 - overlap) [i = j] + overlap / m) / n`, and 0 between classes.
    """
    choice, draw = jax.random.split(key)
    other = jax.random.bernoulli(choice, jnp.float32(overlap), anchors.shape)
    return jnp.where(other, classmates(index, anchors, draw), anchors)


def classmates(index: ClassIndex, anchors: Int32[jax.Array, " n"], key: PRNGKeyArray) -> Int32[jax.Array, " n"]:
    """For each anchor an image drawn from its class, independently of it: so `(x, x+) ~ D_c^2`."""
    c = index.labels[anchors]
    place = jax.random.randint(key, anchors.shape, 0, index.counts[c], dtype=jnp.int32)
    return index.order[index.start[c] + place]
