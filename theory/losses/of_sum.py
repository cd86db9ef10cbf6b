"""A user's own loss that is a function of a sum, `l(v) = h(sum_i g(v_i))`: its expectation without enumeration.

Let `g` lie in [a, b] over the values of a row. Then `S = sum_i g(v_{J_i})` lies in [k a, k b], and `y = (2 S - k (a +
b)) / (k (b - a))` in [-1, 1]. On twice that interval a smooth `h` is nearly a short Fourier series (a Fourier
extension: Huybrechs, SIAM J. Numer. Anal. 47 (2010)),

    h(S) ~ sum_{m = 0..M} a_m cos(pi m y / 2) + b_m sin(pi m y / 2),

whose coefficients are a fixed linear map of values of `h` at fixed nodes, found once by a truncated singular value
decomposition. The expectation of each term is the k-th power of one of a single draw, since the draws are independent:

    E e^{i w y} = ( sum_j w_j e^{i w y_j / k} )^k,    y_j = (2 g(v_j) - a - b) / (b - a).

So a row costs `M` exponentials for each value, whatever `k` is, and the error is at most the largest of `|h - series|`
on the interval, which is measured between the nodes (`OfSum.error`); where it is not small the loss is refused. First
derivatives are as good to about three digits less, second ones to seven.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.errors import InputError
from theory.expectation.expansion import Expansion, Traced
from theory.losses.base import Loss

#: Frequencies, and nodes in [-1, 1], of the series.
_FREQUENCIES = 48
_NODES = 400
#: Singular values below this share of the largest are left out.
_CUT = 1e-13

#: The largest error of the series, relative to the size of the loss, that is accepted.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class OfSum(Loss):
    """`l(v) = outer(sum_i inner(v_i))`, both in JAX-traceable code, and `outer` smooth on all that the sum may be.

    Nothing is assumed to be convex: `convex` is False.

    Raises:
        InputError: from `specialized`, where the series is not accurate to `TOLERANCE`; from the limit, always.
    """

    name: ClassVar[str] = "of-sum"
    normalization: ClassVar[str] = "none"
    convex: ClassVar[bool] = False
    traced: ClassVar[bool] = True

    inner: Callable[[Any], Any]
    outer: Callable[[Any], Any]

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        from theory.float64 import jnp

        return self.outer(jnp.sum(self.inner(jnp.asarray(v)), axis=-1))

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        if counts is None:
            return Traced(self, v)
        from theory.float64 import jnp

        return Traced(lambda at: self.outer(jnp.sum(jnp.asarray(counts) * self.inner(at), axis=-1)), v)

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Float[Array, "*b"]:
        from theory.float64 import jax, jnp

        g = self.inner(jnp.asarray(margins))
        # the interval may be any that holds all values: it is not differentiated
        low = jax.lax.stop_gradient(jnp.min(g, axis=-1, keepdims=True))
        high = jax.lax.stop_gradient(jnp.max(g, axis=-1, keepdims=True))
        width = jnp.maximum(high - low, 1e-6 * (1.0 + jnp.abs(high)))
        y = (2.0 * g - low - high) / width
        nodes, project, combine = _series()
        values = self.outer(k * (low + high + width * nodes) / 2.0)
        coefficients = (values @ project) @ combine
        # e^{i w y / k} - 1 for one draw, without cancellation where k is large: (*b, frequencies, n)
        angles = _frequencies()[:, None] * (y / k)[..., None, :]
        weights = jnp.asarray(weights)[..., None, :]
        real = jnp.sum(weights * (-2.0 * jnp.sin(angles / 2.0) ** 2), axis=-1)
        imaginary = jnp.sum(weights * jnp.sin(angles), axis=-1)
        modulus = jnp.exp(k / 2.0 * jnp.log1p(2.0 * real + real**2 + imaginary**2))
        turn = k * jnp.arctan2(imaginary, 1.0 + real)
        terms = jnp.concatenate([modulus * jnp.cos(turn), modulus * jnp.sin(turn)], axis=-1)
        return jnp.sum(coefficients * terms, axis=-1)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return Traced(partial(self.expected, weights=weights, k=k), margins)

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return "nothing is known of this loss"

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        raise InputError("k", "inf", "the limit of a user's own loss is not known; give a finite k")

    def specialized(self, k: int | float, beta: int | float) -> OfSum:
        error, size = self.error(k, beta)
        if not error <= TOLERANCE * size:
            raise InputError(
                "loss", "a function of a sum", f"accepted: one that {_FREQUENCIES} frequencies give to {TOLERANCE:g} "
                f"of its size; at k = {k} they leave {error / size:.1e} (give it as a plain function, to be enumerated)"
            )  # fmt: skip
        return self

    def error(self, k: int | float, beta: int | float) -> tuple[float, float]:
        """The largest error of the series between its nodes, and the largest value, for margins in `[0, 2 beta]`."""
        if math.isinf(k):
            return 0.0, 1.0
        g = np.asarray(self.inner(np.linspace(0.0, 2.0 * beta, 257)), dtype=float)
        low, high = k * float(g.min()), k * float(g.max())
        nodes, project, combine = _series()
        between = np.cos(np.pi * np.arange(1, 1000) / 1000)
        values, exact = (
            np.asarray(self.outer((low + high + (high - low) * y) / 2), dtype=float) for y in (nodes, between)
        )
        error = np.abs(_terms(between) @ ((values @ project) @ combine) - exact)
        return float(np.max(error)), float(np.max(np.abs(exact)))


def _frequencies() -> Float[np.ndarray, " M"]:
    return np.pi / 2 * np.arange(_FREQUENCIES + 1)


def _terms(y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n terms"]:
    """Cosines, then sines."""
    angles = np.outer(y, _frequencies())
    return np.hstack([np.cos(angles), np.sin(angles)])


@cache
def _series() -> tuple[Float[np.ndarray, " nodes"], Float[np.ndarray, "nodes r"], Float[np.ndarray, "r terms"]]:
    """The nodes, and the map from values there to coefficients, in two factors: their product has entries so large that
    rounding in it would be seen."""
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    left, singular, right = np.linalg.svd(_terms(nodes), full_matrices=False)
    kept = singular > _CUT * singular[0]
    return nodes, left[:, kept], right[kept] / singular[kept, None]
