"""ResNet-18 in its CIFAR form: a 3x3 stem of stride 1, and no max-pooling (He et al. 2016; Chen et al. 2020, B.9)."""

from __future__ import annotations

from flax import nnx
from jaxtyping import Float

from experiments.cifar.network.layers import batch_norm, conv
from theory.float64 import jax, jnp


class Block(nnx.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, n: int, m: int, stride: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.conv1, self.norm1 = conv(n, m, 3, stride, dtype, rngs), batch_norm(m, dtype, rngs)
        self.conv2, self.norm2 = conv(m, m, 3, 1, dtype, rngs), batch_norm(m, dtype, rngs)
        changes = stride != 1 or n != m
        self.shortcut = conv(n, m, 1, stride, dtype, rngs) if changes else None
        self.shortcut_norm = batch_norm(m, dtype, rngs) if changes else None

    def __call__(self, x: Float[jax.Array, "n H W c"], training: bool) -> Float[jax.Array, "n h w m"]:
        running = not training
        y = nnx.relu(self.norm1(self.conv1(x), use_running_average=running))
        y = self.norm2(self.conv2(y), use_running_average=running)
        if self.shortcut is not None and self.shortcut_norm is not None:
            x = self.shortcut_norm(self.shortcut(x), use_running_average=running)
        return nnx.relu(x + y)


class ResNet18(nnx.Module):
    """Four stages of two blocks, of `width` (64 in the paper), 2, 4 and 8 times `width` channels."""

    def __init__(self, width: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.stem, self.norm = conv(3, width, 3, 1, dtype, rngs), batch_norm(width, dtype, rngs)
        blocks, n = [], width
        for stage in range(4):
            m = width * 2**stage
            blocks += [Block(n, m, 1 if stage == 0 else 2, dtype, rngs), Block(m, m, 1, dtype, rngs)]
            n = m
        self.blocks = nnx.List(blocks)
        self.channels = n

    def __call__(self, x: Float[jax.Array, "n H W 3"], training: bool) -> Float[jax.Array, "n channels"]:
        x = nnx.relu(self.norm(self.stem(x), use_running_average=not training))
        for block in self.blocks:
            x = block(x, training)
        return jnp.mean(x, axis=(1, 2))
