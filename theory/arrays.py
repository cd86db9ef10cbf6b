"""The arrays and numbers that functions of `theory` accept, and the module that computes with them.

Every formula is written once, for NumPy and for JAX: `array_module` takes the one that its arguments belong to. So
arrays of NumPy give arrays of NumPy without loading JAX, and under `jit`, `vmap` or `grad` the same lines are traced.
The few operations that the two modules spell differently are here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Int

if TYPE_CHECKING:
    from theory.float64 import jax

    Array: TypeAlias = jax.Array | np.ndarray
else:
    Array = Any  # what jaxtyping checks is shape and kind; to name the class here would load JAX

Scalar: TypeAlias = float | int | Float[Array, ""] | Int[Array, ""]
#: `numpy` or `jax.numpy`.
ArrayModule: TypeAlias = Any


_P = ParamSpec("_P")
_T = TypeVar("_T")


def promoting(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function under JAX's usual rules of promotion, for users who have set strict ones for code of their own."""

    @wraps(function)
    def promoted(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if (jax := sys.modules.get("jax")) is None:
            return function(*args, **kwargs)
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return function(*args, **kwargs)

    return promoted


def array_module(*values: object) -> ArrayModule:
    """`jax.numpy` if one of the values is an array of JAX, traced or not; else `numpy`."""
    if (loaded := sys.modules.get("jax")) is not None and any(isinstance(value, loaded.Array) for value in values):
        from theory.float64 import jnp

        return jnp
    return np


def is_numpy(*values: object) -> bool:
    """Whether these are computed with in NumPy."""
    return array_module(*values) is np


def constant(value: Any) -> Any:
    """The value itself, which JAX is not to differentiate."""
    if is_numpy(value):
        return value
    from theory.float64 import jax

    return jax.lax.stop_gradient(value)


def logsumexp(a: Float[Array, "*b n"], weights: Float[Array, "*w n"] | None = None) -> Float[Array, "*b"]:
    """`log sum_j w_j exp(a_j)` over the last axis; all weights are 1 if none are given."""
    xp = array_module(a, weights)
    top = constant(xp.max(a, axis=-1, keepdims=True))
    top = xp.where(xp.isfinite(top), top, 0.0)
    terms = xp.exp(a - top)
    return xp.log(xp.sum(terms if weights is None else weights * terms, axis=-1)) + top[..., 0]


def sort_with(
    keys: Float[Array, "*b n"], values: Float[Array, "*b n"]
) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"], Int[Array, "*b n"]]:
    """Rows of keys in ascending order, the values in that order, and where each came from.

    Under `jit` the result of this one sort is what every later comparison must be made with: XLA may compute the keys
    again, and round otherwise.
    """
    if is_numpy(keys, values):
        places = np.argsort(keys, axis=-1, kind="stable")
        return np.take_along_axis(keys, places, axis=-1), np.take_along_axis(values, places, axis=-1), places
    from theory.float64 import jax, jnp

    ascending, together, order = jax.lax.sort(
        (jnp.asarray(keys), jnp.asarray(values), jnp.broadcast_to(jnp.arange(keys.shape[-1]), keys.shape)), num_keys=1
    )
    return ascending, together, order


def running_maximum(a: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
    """The largest entry so far, along the last axis."""
    if is_numpy(a):
        return np.maximum.accumulate(a, axis=-1)
    from theory.float64 import jax, jnp

    return jax.lax.cummax(jnp.asarray(a), axis=a.ndim - 1)
