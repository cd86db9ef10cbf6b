"""Functions of rows of margins with their first and second derivatives, written once for NumPy and for JAX.

An `Expansion` is a function `f` of every row `v` of an array (..., n), at that array: its values, the slopes
`df/dv_j`, and its Hessian, applied to a direction or as a matrix. What optimizers need is computed from these
formulas, in NumPy or compiled; JAX can differentiate the values as well, to the same numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, logsumexp


class Expansion(ABC):
    """A function of each row of margins, to second order."""

    @property
    @abstractmethod
    def value(self) -> Float[Array, "*b"]:
        """`f(v)`."""

    @property
    @abstractmethod
    def slopes(self) -> Float[Array, "*b n"]:
        """`df/dv_j`."""

    @abstractmethod
    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        """`sum_l d^2 f/dv_j dv_l direction_l`."""

    def curvature(self) -> Callable[[Float[Array, "*b n"]], Float[Array, "*b n"]]:
        """`along`, prepared for many directions."""
        return self.along

    @abstractmethod
    def hessian(self) -> Float[Array, "*b n n"]:
        """`d^2 f/dv_j dv_l`."""


class Additive(Expansion):
    """`f(v) = sum_j w_j g(v_j)`, from `g`, `g'` and `g''` at the margins."""

    def __init__(
        self,
        values: Float[Array, "*b n"],
        first: Float[Array, "*b n"],
        second: Float[Array, "*b n"],
        weights: Float[Array, "*w n"] | float,
        times: Scalar = 1.0,
    ) -> None:
        self._values, self._first, self._second = values, first, second
        self._weights, self._times = weights, times

    @property
    def value(self) -> Float[Array, "*b"]:
        xp = array_module(self._values, self._weights)
        return self._times * xp.sum(self._weights * self._values, axis=-1)

    @property
    def slopes(self) -> Float[Array, "*b n"]:
        return self._times * self._weights * self._first

    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        return self._times * self._weights * self._second * direction

    def hessian(self) -> Float[Array, "*b n n"]:
        return _diagonal(self._times * self._weights * self._second)


class LogSumExp(Expansion):
    """`f(v) = log(c + sum_j w_j exp(-v_j))`, `c` 0 or 1."""

    def __init__(
        self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"] | None = None, *, one: bool = False
    ) -> None:
        xp = array_module(margins, weights)
        self._margins, self._weights = margins, weights
        rest = logsumexp(-margins, weights)
        self._value = xp.logaddexp(0.0, rest) if one else rest

    @property
    def value(self) -> Float[Array, "*b"]:
        return self._value

    @cached_property
    def _shares(self) -> Float[Array, "*b n"]:
        shares = array_module(self._margins, self._value).exp(-self._margins - self._value[..., None])
        return shares if self._weights is None else self._weights * shares

    @property
    def slopes(self) -> Float[Array, "*b n"]:
        return -self._shares

    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        xp, p = array_module(self._shares, direction), self._shares
        return p * (direction - xp.sum(p * direction, axis=-1, keepdims=True))

    def hessian(self) -> Float[Array, "*b n n"]:
        p = self._shares
        return _diagonal(p) - p[..., :, None] * p[..., None, :]


class Rescaled(Expansion):
    """`f(v) = width g((v - shift) / width)`, from the expansion of `g` at `(v - shift) / width`."""

    def __init__(self, inner: Expansion, width: float) -> None:
        self._inner, self._width = inner, width

    @property
    def value(self) -> Float[Array, "*b"]:
        return self._width * self._inner.value

    @property
    def slopes(self) -> Float[Array, "*b n"]:
        return self._inner.slopes

    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        return self._inner.along(direction) / self._width

    def hessian(self) -> Float[Array, "*b n n"]:
        return self._inner.hessian() / self._width


class Traced(Expansion):
    """Any function of rows in JAX-traceable code, differentiated by JAX."""

    def __init__(self, function: Callable[[Any], Any], margins: Float[Array, "*b n"]) -> None:
        from theory.float64 import jnp

        self._function, self._margins = function, jnp.asarray(margins)

    @cached_property
    def value(self) -> Float[Array, "*b"]:
        return self._function(self._margins)

    @cached_property
    def slopes(self) -> Float[Array, "*b n"]:
        return self._slopes_at(self._margins)

    def _slopes_at(self, margins: Array) -> Array:
        from theory.float64 import jax, jnp

        return jax.grad(lambda v: jnp.sum(self._function(v)))(margins)

    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        from theory.float64 import jax, jnp

        return jax.jvp(self._slopes_at, (self._margins,), (jnp.asarray(direction),))[1]

    def hessian(self) -> Float[Array, "*b n n"]:
        from theory.float64 import jax, jnp

        columns = jax.vmap(lambda e: self.along(jnp.broadcast_to(e, self._margins.shape)))(
            jnp.eye(self._margins.shape[-1])
        )
        return jnp.moveaxis(columns, 0, -1)


def _diagonal(entries: Float[Array, "*b n"]) -> Float[Array, "*b n n"]:
    """Diagonal matrices with these entries."""
    xp = array_module(entries)
    return entries[..., :, None] * xp.eye(entries.shape[-1])
