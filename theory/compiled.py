"""NumPy or compiled: the one place where it is chosen.

Functions that are written for both (`theory.arrays`) run in NumPy for small problems, which costs nothing to start,
and compiled by JAX for large ones. Measured in processor time at C = 10 to 600: to load JAX and compile a gradient
takes 2.1 s, and then 4e-8 s for each entry of a row; NumPy takes 3e-7 s for each, from the start. So the two are equal
at eight million entries. (A Hessian-vector product takes NumPy four times as long as a gradient, and 3.5 s to compile.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

#: Entries times evaluations from which on compiling pays.
NUMPY_WORK = 8_000_000


def runner(function: Callable[..., Any], entries: int, evaluations: int, *, traced: bool = False) -> Callable[..., Any]:
    """`function`, in NumPy or compiled, whose results are arrays of NumPy (or numbers) in any case.

    Args:
        function: of arrays and numbers; keyword arguments are static (hashable, and known before compilation).
        entries: of the largest array that is computed with.
        evaluations: about how many times such a problem is evaluated.
        traced: it needs JAX, whatever the size (`Loss.traced`).
    """
    if entries * evaluations <= NUMPY_WORK and not traced:
        return _quiet(function)
    return _compiled(function)


@cache
def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arrays: Any, **static: Any) -> Any:
        # as in JAX, what is not finite is for the caller to see in the result
        with np.errstate(all="ignore"):
            return function(*arrays, **static)

    return run


@cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    from theory.float64 import jax

    @cache
    def with_static(names: tuple[str, ...]) -> Callable[..., Any]:
        return jax.jit(function, static_argnames=names)

    def run(*arrays: Any, **static: Any) -> Any:
        return jax.tree.map(np.asarray, with_static(tuple(static))(*arrays, **static))

    return run
