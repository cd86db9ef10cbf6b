"""The embeddings of the images that a step draws: of every draw by itself, or of every image of the training set once.

Both give the same where images are taken as they are, by a network that maps every image by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from jaxtyping import Float, Int32, PRNGKeyArray

from experiments.cifar.configuration import Configuration
from experiments.cifar.negatives import further_images
from experiments.cifar.sharding import Devices
from theory.float64 import jax, jnp

#: Places in the training set, and a key for their augmentation, to their embeddings and the network's statistics.
Embed: TypeAlias = Callable[[Int32[jax.Array, " n"], PRNGKeyArray], tuple[Float[jax.Array, "n d"], Any]]


def images_per_step(configuration: Configuration, n: int) -> int:
    """Images that go forward and backward in a step of training on `n` images: the draws, or each image once."""
    return n if embeds_each_image_once(configuration, n) else _draws(configuration)


def embeds_each_image_once(configuration: Configuration, n: int) -> bool:
    """Whether a step draws at least as many images as there are, and takes them as they are."""
    return configuration.augmentation == "none" and _draws(configuration) >= n


def each_draw(
    embed: Embed, drawn: Int32[jax.Array, " n"], key: PRNGKeyArray, *, batch: int, devices: Devices
) -> tuple[Float[jax.Array, "n d"], Any]:
    """Every draw embedded, and augmented, by itself: the first `2 batch` and the odd ones together.

    The rest, whole batches, are embedded one after the other, and once more in the backward pass, so that memory does
    not grow with `k`.
    """
    first, rest = jax.random.split(key)
    # some are embedded twice where that gives the devices equal shares
    even = jnp.resize(drawn, (devices.rounded_up(len(drawn)),))
    parts = (len(even) - 2 * batch) // batch
    together = len(even) - parts * batch
    embeddings, statistics = embed(even[:together], first)
    if parts:
        embed_again = jax.checkpoint(lambda chosen, how: embed(chosen, how)[0])
        others = even[together:].reshape(parts, batch), jax.random.split(rest, parts)
        if devices.platform == "cpu":
            # XLA runs convolutions within a loop many times slower on a processor
            more = jnp.concatenate([embed_again(*part) for part in zip(*others, strict=True)])
        else:
            more = jax.lax.map(lambda part: embed_again(*part), others).reshape(-1, embeddings.shape[1])
        embeddings = jnp.concatenate([embeddings, more])
    return embeddings[: len(drawn)], statistics


def each_image(
    embed: Embed, drawn: Int32[jax.Array, " n"], key: PRNGKeyArray, *, images: int, devices: Devices
) -> tuple[Float[jax.Array, "n d"], Any]:
    """Every image of the training set embedded once, and a copy of its embedding for every draw."""
    every = jnp.arange(devices.rounded_up(images), dtype=jnp.int32) % images
    embeddings, statistics = embed(every, key)
    # a product, not a gather: the order of summation of its gradient is fixed on every device
    place = jax.nn.one_hot(drawn, len(every), dtype=jnp.float32)
    return jnp.matmul(place, embeddings, precision=jax.lax.Precision.HIGHEST), statistics


def _draws(configuration: Configuration) -> int:
    """Anchors, positives and further images of a step."""
    B = configuration.batch
    return 2 * B + further_images(configuration.k, B, configuration.negatives)
