"""A network for processors: four strided convolutions, fast enough for first trials on two cores.

Group normalization instead of batch normalization: the features of an image depend on that image alone, in training
too.
"""

from __future__ import annotations

from itertools import pairwise

from flax import nnx
from jaxtyping import Float

from experiments.cifar.network.layers import conv
from theory.float64 import jax, jnp

_GROUPS = 4


class Small(nnx.Module):
    """3x3 convolutions of `width`, 2, 4 and 8 times `width` channels, of stride 2, then the mean over places.

    On a processor they are computed by `unfolded_convolution`.
    """

    def __init__(self, width: int, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        sizes = [3, width, 2 * width, 4 * width, 8 * width]
        pairs = list(pairwise(sizes))
        unfold = jax.default_backend() == "cpu"
        self.convolutions = nnx.List([conv(n, m, 3, 2, dtype, rngs, unfold=unfold) for n, m in pairs])
        self.norms = nnx.List(
            [nnx.GroupNorm(m, _GROUPS, dtype=dtype, param_dtype=jnp.float32, rngs=rngs) for _, m in pairs]
        )
        self.channels = sizes[-1]

    def __call__(self, x: Float[jax.Array, "n H W 3"], training: bool) -> Float[jax.Array, "n channels"]:
        del training
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = nnx.relu(norm(convolution(x)))
        return jnp.mean(x, axis=(1, 2))
