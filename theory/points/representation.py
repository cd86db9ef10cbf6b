"""A representation on finitely many points, as arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.arrays import Array
from theory.errors import InputError
from theory.float64 import jnp

TOLERANCE = 1e-9


class Representation(NamedTuple):
    """`f` on `N` points of each of `C` classes: `D_c` puts `weights[c, i]` on a point with `embeddings[c, i]`.

    A plain tuple of arrays, so that JAX maps and differentiates over it; `representation` makes a validated one.

    Attributes:
        embeddings: (C, N, d), every row of length 1.
        weights: (C, N), positive, each row with sum 1.
        rho: (C,), the prior.
    """

    embeddings: Float[Array, "C N d"] | Float[np.ndarray, "C N d"]
    weights: Float[Array, "C N"] | Float[np.ndarray, "C N"]
    rho: Float[Array, " C"] | Float[np.ndarray, " C"]

    @property
    def means(self) -> Float[Array, "C d"]:
        """`mu_c = E[f | c]`."""
        return jnp.einsum("ci,cid->cd", self.weights, self.embeddings)

    @property
    def negative_weights(self) -> Float[Array, " CN"]:
        """The marginal `D = sum_c rho_c D_c` on all points, class after class."""
        return (jnp.asarray(self.rho)[:, None] * self.weights).reshape(-1)

    @property
    def spread(self) -> Float[Array, ""]:
        """`sum_c rho_c E|f - mu_c|^2 = sum_c rho_c (1 - |mu_c|^2)`: 0 iff `f` is constant on classes."""
        centred = self.embeddings - self.means[:, None, :]
        return jnp.einsum("c,ci,cid,cid->", self.rho, self.weights, centred, centred)


def representation(
    embeddings: Float[np.ndarray, "C N d"], weights: Float[np.ndarray, "C N"], rho: Float[np.ndarray, " C"]
) -> Representation:
    """The representation with these points.

    Raises:
        InputError: naming what is off: an embedding off the sphere, or weights or a prior that are no distribution.
    """
    off = np.max(np.abs(np.linalg.norm(embeddings, axis=-1) - 1.0))
    if not off <= TOLERANCE:
        raise InputError("embeddings", f"| |f(x)| - 1 | = {off:.3g}", "every embedding must lie on the unit sphere")
    for option, masses in (("weights", weights), ("rho", rho)):
        sums = np.sum(masses, axis=-1)
        if not (np.all(masses > 0) and np.all(np.abs(sums - 1.0) <= TOLERANCE)):
            raise InputError(option, f"sums {sums}", "positive masses that sum to 1 are needed")
    return Representation(embeddings, weights, rho)
