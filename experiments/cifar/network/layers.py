"""Layers that both networks are made of, with explicit types: float32 weights, computing in `dtype`."""

from __future__ import annotations

from flax import nnx

from theory.float64 import jnp


def conv(n: int, m: int, size: int, stride: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.Conv:
    """A convolution without bias, for a normalization follows."""
    return nnx.Conv(
        n,
        m,
        (size, size),
        strides=(stride, stride),
        padding="SAME",
        use_bias=False,
        kernel_init=nnx.initializers.he_normal(),
        dtype=dtype,
        param_dtype=jnp.float32,
        rngs=rngs,
    )


def batch_norm(n: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalization over batch and places; statistics are float32 in any `dtype`."""
    return nnx.BatchNorm(n, momentum=0.9, epsilon=1e-5, dtype=dtype, param_dtype=jnp.float32, rngs=rngs)
