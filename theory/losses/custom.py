"""A user's own loss, given as a function of margins."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.errors import InputError, rounded
from theory.expectation.enumeration import MAX_ENTRIES, enumerated, fits, multisets
from theory.expectation.sampling import sampled
from theory.float64 import jax, jnp
from theory.losses.base import Loss

#: The most numbers that are drawn for one evaluation: ten million take 80 MB, and some 0.2 s, for each start.
MAX_SAMPLED = 10_000_000


@dataclass(frozen=True)
class Custom(Loss):
    """Any symmetric `function` from margins (..., k) to losses (...), in JAX-traceable code.

    Its expectation is enumerated where the multisets fit in memory; elsewhere it is the mean over `samples` fixed
    draws (`is_exact` tells which), up to `MAX_SAMPLED` numbers. Nothing is assumed to be convex: `convex` is False.

    Raises:
        InputError: from `expected`, for a `k` that is not an integer, or too large for either; from `limit`, always.
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
        drawn = math.prod(margins.shape[:-1]) * self.samples * k
        if drawn > MAX_SAMPLED:
            raise InputError("k", int(k), _too_much(margins.shape[-1], int(k), drawn))
        draws = sampled(self.function, margins, weights, int(k), samples=self.samples, seed=self.seed)
        return jnp.mean(draws, axis=-1)

    def limit(self, margins: Float[Array, "*b n"], weights: Float[Array, " n"]) -> Float[Array, "*b"]:
        raise InputError("k", "inf", "the limit of a user's own loss is not known; give a finite k")


def _too_much(n: int, k: int, drawn: int | float) -> str:
    return (
        f"a loss of one's own is summed over multisets of negatives, here {rounded(multisets(n, k))} of {k} out of {n} "
        f"({MAX_ENTRIES:.0e} numbers at most), or sampled, which here takes {drawn:.1e} numbers an evaluation "
        f"({MAX_SAMPLED:.0e} at most); lower k or the number of classes"
    )


def load(path: str) -> Custom:
    """The loss `package.module:callable`.

    It is compiled and differentiated once, as the searches will: NumPy, or an `if` on a margin, cannot be.

    Raises:
        InputError: if it cannot be imported, is not callable, ends the program, is no code that JAX can trace, or does
            not map margins (2, 3) to losses (2,).
    """
    module, _, attribute = path.partition(":")
    accepted = "accepted: package.module:callable, a function from margins (..., k) to losses (...) that JAX can trace"
    try:
        function = getattr(importlib.import_module(module), attribute)
        shape = jnp.shape(jax.jit(function)(jnp.zeros((2, 3))))
        if shape == (2,):
            jax.jit(jax.grad(lambda v: jnp.sum(function(v))))(jnp.zeros((2, 3)))
    except (Exception, SystemExit) as error:
        raise InputError("loss", path, f"{accepted} ({type(error).__name__}: {error})") from error
    if shape != (2,):
        raise InputError("loss", path, f"{accepted}; margins (2, 3) gave losses of shape {shape}")
    return Custom(function)
