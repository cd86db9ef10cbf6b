"""A user's own loss, given as a function of margins."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.errors import InputError
from theory.expectation.enumeration import enumerated, fits
from theory.expectation.sampling import sampled
from theory.float64 import jnp
from theory.losses.base import Loss


@dataclass(frozen=True)
class Custom(Loss):
    """Any symmetric `function` from margins (..., k) to losses (...), in JAX-traceable code.

    Its expectation is enumerated where the multisets fit in memory; elsewhere it is the mean over `samples` fixed
    draws (`is_exact` tells which). Nothing is assumed to be convex: `convex` is False.

    Raises:
        InputError: from `expected`, for a `k` that is not an integer; from `limit`, always.
    """

    name: ClassVar[str] = "custom"
    normalization: ClassVar[str] = "none"
    convex: ClassVar[bool] = False

    function: Callable[[Float[Array, "*b k"]], Float[Array, "*b"]]
    samples: int = 20_000
    seed: int = 0

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return self.function(v)

    def is_exact(self, n: int, k: int | float) -> bool:
        return fits(n, k)

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, "*b"]:
        if not isinstance(k, int | float) or k != int(k):
            raise InputError("k", k, "a user's own loss needs an integer k, known before compilation")
        if fits(margins.shape[-1], k):
            return enumerated(self.function, margins, weights, int(k))
        draws = sampled(self.function, margins, weights, int(k), samples=self.samples, seed=self.seed)
        return jnp.mean(draws, axis=-1)

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        raise InputError("k", "inf", "the limit of a user's own loss is not known; give a finite k")


def load(path: str) -> Custom:
    """The loss `package.module:callable`.

    Raises:
        InputError: if it cannot be imported, is not callable, or does not map margins (2, 3) to losses (2,).
    """
    module, _, attribute = path.partition(":")
    accepted = "accepted: package.module:callable, a function from margins (..., k) to losses (...)"
    try:
        function = getattr(importlib.import_module(module), attribute)
        shape = jnp.shape(function(jnp.zeros((2, 3))))
    except Exception as error:
        raise InputError("loss", path, f"{accepted} ({type(error).__name__}: {error})") from error
    if shape != (2,):
        raise InputError("loss", path, f"{accepted}; margins (2, 3) gave losses of shape {shape}")
    return Custom(function)
