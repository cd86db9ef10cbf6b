"""A representation on finitely many labelled points, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array, array_module, promoting
from theory.errors import InputError

TOLERANCE = 1e-9


class Representation(NamedTuple):
    """`f` on `n` points: the law `D_c` puts `weights[i]` on a point `i` of class `c = labels[i]`.

    A plain tuple of arrays, so that JAX maps and differentiates over it; `representation` makes a validated one.

    Attributes:
        embeddings: (n, d), every row of length 1.
        labels: (n,), integers from 0 to C-1; every class occurs, with any number of points.
        weights: (n,), positive, with sum 1 over each class.
        rho: (C,), the prior.
    """

    embeddings: Float[Array, "n d"] | Float[np.ndarray, "n d"]
    labels: Int[Array, " n"] | Int[np.ndarray, " n"]
    weights: Float[Array, " n"] | Float[np.ndarray, " n"]
    rho: Float[Array, " C"] | Float[np.ndarray, " C"]

    @property
    @promoting
    def laws(self) -> Float[Array, "n C"]:
        """`D_c` of each point, one class a column."""
        xp = array_module(*self)
        return xp.where(self.labels[:, None] == np.arange(len(self.rho)), self.weights[:, None], 0.0)

    @property
    @promoting
    def means(self) -> Float[Array, "C d"]:
        """`mu_c = E[f | c]`."""
        return self.laws.T @ self.embeddings

    @property
    @promoting
    def positive_weights(self) -> Float[Array, "n n"]:
        """The law of `x+`, which is drawn like `x` from the class of `x`, for each anchor in a row."""
        return array_module(*self).where(self.labels[:, None] == self.labels, self.weights, 0.0)

    @property
    @promoting
    def negative_weights(self) -> Float[Array, " n"]:
        """The marginal `D = sum_c rho_c D_c` on all points."""
        return array_module(*self).asarray(self.rho)[self.labels] * self.weights

    @property
    @promoting
    def spread(self) -> Float[Array, ""]:
        """`sum_c rho_c E|f - mu_c|^2 = sum_c rho_c (1 - |mu_c|^2)`: 0 iff `f` is constant on classes."""
        centred = self.embeddings - self.means[self.labels]
        return self.negative_weights @ array_module(centred).sum(centred * centred, axis=-1)


@promoting
def representation(
    embeddings: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    rho: Float[np.ndarray, " C"],
) -> Representation:
    """The representation with these points.

    Raises:
        InputError: naming what is off: an embedding off the sphere, a class without points, or weights or a prior that
            are no distribution.
    """
    off = np.max(np.abs(np.linalg.norm(embeddings, axis=-1) - 1.0))
    if not off <= TOLERANCE:
        raise InputError("embeddings", f"| |f(x)| - 1 | = {off:.3g}", "every embedding must lie on the unit sphere")
    if not np.array_equal(np.unique(labels), np.arange(len(rho))):
        raise InputError("labels", f"{len(labels)} labels", f"every class from 0 to {len(rho) - 1}, and no other")
    for option, masses, sums in (
        ("weights", weights, np.bincount(labels, weights)),
        ("rho", rho, np.sum(rho, keepdims=True)),
    ):
        if not (np.all(masses > 0) and np.all(np.abs(sums - 1.0) <= TOLERANCE)):
            raise InputError(option, f"sums {sums}", "positive masses that sum to 1 are needed")
    return Representation(embeddings, labels, weights, rho)
