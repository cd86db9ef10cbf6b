"""JAX in double precision: the one place that switches it on.

Everything in this project that computes with JAX imports it from here, so that no array is made in single
precision before the switch is thrown.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import jax

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

import jax.numpy as jnp  # noqa: E402

__all__ = ["jax", "jnp", "promoting"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


def promoting(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function under JAX's usual rules of promotion, for users who have set strict ones for code of their own."""

    @wraps(function)
    def promoted(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
            return function(*args, **kwargs)

    return promoted
