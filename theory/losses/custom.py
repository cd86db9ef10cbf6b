"""A user's own loss, given as a function of margins."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.errors import InputError, rounded
from theory.expectation.enumeration import MAX_ENTRIES, enumerated, fits, multisets
from theory.expectation.expansion import Expansion, Traced
from theory.expectation.sampling import sampled
from theory.losses.base import Loss

_ACCEPTED = "accepted: package.module:callable, a function from margins (..., k) to losses (...) that JAX can trace"

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
    traced: ClassVar[bool] = True

    function: Callable[[Float[Array, "*b k"]], Float[Array, "*b"]]
    samples: int = 20_000
    seed: int = 0

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        return self.function(self._own(v))

    def _own(self, values: Array) -> Array:
        """The values as an array that the function takes."""
        from theory.float64 import jnp

        return jnp.asarray(values)

    def expansion(self, v: Float[Array, "*b k"], counts: Float[Array, "*w k"] | None = None) -> Expansion:
        if counts is not None:
            raise InputError("loss", self.name, "a user's own loss takes its margins one by one")
        return Traced(self, v)

    def is_exact(self, n: int, k: int | float) -> bool:
        return fits(n, k)

    def effort(self, n: int, k: int | float) -> str:
        if fits(n, k):
            return f"each expectation sums {multisets(n, int(k))} multisets of {k} of {n} negatives"
        return f"each expectation is a mean over {self.samples} draws of {k} of {n} negatives: too many to enumerate"

    def expected(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Float[Array, "*b"]:
        if not isinstance(k, int | float) or k != int(k):
            raise InputError("k", k, "a user's own loss needs an integer k, known before compilation")
        margins, weights = self._own(margins), self._own(weights)
        if fits(margins.shape[-1], k):
            return enumerated(self, margins, weights, int(k))
        drawn = math.prod(margins.shape[:-1]) * self.samples * k
        if drawn > MAX_SAMPLED:
            raise InputError("k", int(k), _too_much(margins.shape[-1], int(k), drawn))
        draws = sampled(self, margins, weights, int(k), samples=self.samples, seed=self.seed)
        return array_module(draws).mean(draws, axis=-1)

    def expected_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Expansion:
        return Traced(partial(self.expected, weights=weights, k=k), margins)

    def ambiguity(self, k: int | float, beta: int | float) -> str:
        del k, beta
        return "nothing is known of this loss"

    def limit_expansion(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"]) -> Expansion:
        raise InputError("k", "inf", "the limit of a user's own loss is not known; give a finite k")


@dataclass(frozen=True)
class Generic(Custom):
    """A function that is written for NumPy and for JAX alike (`theory.arrays.array_module`): no need to trace it."""

    traced: ClassVar[bool] = False

    def _own(self, values: Array) -> Array:
        return values


def _too_much(n: int, k: int, drawn: int | float) -> str:
    return (
        f"a loss of one's own is summed over multisets of negatives, here {rounded(multisets(n, k))} of {k} out of {n} "
        f"({MAX_ENTRIES:.0e} numbers at most), or sampled, which here takes {drawn:.1e} numbers an evaluation "
        f"({MAX_SAMPLED:.0e} at most); lower k or the number of classes, "
        "or declare it a function of a sum (theory.losses.OfSum) if it is one"
    )


def load(path: str) -> Loss:
    """The loss `package.module:callable`; a `Loss` (such as `OfSum`) is taken as it is.

    Raises:
        InputError: if it cannot be imported, ends the program, or is no loss (`checked`).
    """
    module, _, attribute = path.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        raise InputError("loss", path, f"{_ACCEPTED} ({type(error).__name__}: {error})") from error
    return checked(function, path)


def checked(function: Callable[..., Any], name: str) -> Loss:
    """The function as a loss; a `Loss` itself if it is one.

    It is compiled and differentiated once, as the searches will: NumPy, or an `if` on a margin, cannot be.

    Raises:
        InputError: if it is not callable, ends the program, is no code that JAX can trace, or does not map margins
            (2, 3) to losses (2,).
    """
    from theory.float64 import jax, jnp

    try:
        shape = jnp.shape(jax.jit(function)(jnp.zeros((2, 3))))
        if shape == (2,):
            jax.jit(jax.grad(lambda v: jnp.sum(function(v))))(jnp.zeros((2, 3)))
    except (Exception, SystemExit) as error:
        raise InputError("loss", name, f"{_ACCEPTED} ({type(error).__name__}: {error})") from error
    if shape != (2,):
        raise InputError("loss", name, f"{_ACCEPTED}; margins (2, 3) gave losses of shape {shape}")
    return function if isinstance(function, Loss) else Custom(function)
