"""JAX in double precision: the one place that switches it on.

Everything in this project that computes with JAX imports it from here, so that no array is made in single
precision before the switch is thrown.
"""

import jax

jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

import jax.numpy as jnp  # noqa: E402

__all__ = ["jax", "jnp"]
