"""The arrays and numbers that functions of `theory` accept: those of JAX, traced or not, and those of NumPy."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from theory.float64 import jax

Array: TypeAlias = jax.Array | np.ndarray
Scalar: TypeAlias = float | int | Float[Array, ""] | Int[Array, ""]
