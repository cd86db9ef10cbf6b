"""A backbone and a head: features for probes, and unit-norm embeddings for the loss."""

from __future__ import annotations

from flax import nnx
from jaxtyping import Float

from experiments.cifar.configuration import Configuration
from experiments.cifar.network.layers import batch_norm
from experiments.cifar.network.resnet18 import ResNet18
from experiments.cifar.network.small import Small
from theory.float64 import jax, jnp

#: Pixels in [0, 1] are shifted and scaled to about zero mean and unit variance.
_MEAN, _DEVIATION = 0.5, 0.25


class Encoder(nnx.Module):
    """`f`: images in [0, 1] to features and to embeddings, float32 rows of unit length.

    The head ends in a batch normalization: features are means of positive numbers, so that without it all embeddings
    begin in one direction, and classes were seen to stay merged in pairs.

    While `training`, batch normalization uses the statistics of the batch and updates its running ones; otherwise it
    uses those, and an image's embedding depends on nothing else.
    """

    def __init__(self, configuration: Configuration, rngs: nnx.Rngs) -> None:
        dtype = jnp.dtype(configuration.dtype)
        kind = Small if configuration.network == "small" else ResNet18
        self.backbone: Small | ResNet18 = kind(configuration.width, dtype, rngs)
        n, d = self.backbone.channels, configuration.dimension

        def linear(inputs: int, outputs: int) -> nnx.Linear:
            return nnx.Linear(inputs, outputs, dtype=dtype, param_dtype=jnp.float32, rngs=rngs)

        layers = [linear(n, d)] if configuration.head == "linear" else [linear(n, n), nnx.relu, linear(n, d)]
        self.head = nnx.Sequential(*layers)
        self.norm = batch_norm(d, jnp.dtype(jnp.float32), rngs)
        self.dtype = dtype

    def __call__(
        self, images: Float[jax.Array, "n H W 3"], *, training: bool
    ) -> tuple[Float[jax.Array, "n channels"], Float[jax.Array, "n d"]]:
        x = ((images - _MEAN) / _DEVIATION).astype(self.dtype)
        features = self.backbone(x, training)
        raw = self.norm(self.head(features).astype(jnp.float32), use_running_average=not training)
        # a zero row has no direction: the floor keeps its gradient finite
        norm = jnp.sqrt(jnp.maximum(jnp.sum(raw * raw, axis=1, keepdims=True), jnp.float32(1e-12)))
        return features.astype(jnp.float32), raw / norm


def build(configuration: Configuration) -> Encoder:
    """The network of a configuration, with its initial weights."""
    return Encoder(configuration, nnx.Rngs(configuration.seed))
