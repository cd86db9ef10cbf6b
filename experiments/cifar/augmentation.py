"""Random augmentations of a batch of images, on the device, each a product of small matrices or an elementwise map.

Images are float32 in [0, 1], (n, H, W, 3). An augmented class-conditional distribution is the `D_c` that the loss sees.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from jaxtyping import Float, PRNGKeyArray, UInt8

from theory.float64 import jax, jnp

# SimCLR [Chen et al. 2020], Appendix B: jitter of strength 0.5 for CIFAR, and no blur
_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_BRIGHTNESS = _CONTRAST = _SATURATION = 0.4
_HUE = 0.1  # of a full turn
_JITTERED, _GREY = 0.8, 0.2
_LUMA = (0.299, 0.587, 0.114)
#: Share of the width by which "crop" shifts an image at most.
_SHIFT = 1 / 8


def augment(images: UInt8[jax.Array, "n H W 3"], kind: str, key: PRNGKeyArray) -> Float[jax.Array, "n H W 3"]:
    """Augmented images in [0, 1].

    "none": as they are; "crop": shifted by up to an eighth of the width, edges repeated, and flipped at random;
    "simclr": a random part resized, flipped, colours jittered, sometimes grey.
    """
    pixels = images.astype(jnp.float32) / 255
    if kind == "none":
        return pixels
    n, H, W, _ = images.shape
    where, mirror, colour = jax.random.split(key, 3)
    if kind == "crop":
        whole = 2 * round(_SHIFT * W) + 1
        offset = jax.random.randint(where, (2, n), 0, whole, dtype=jnp.int32).astype(jnp.float32) - (whole // 2)
        rows, columns = (offset[0], jnp.full(n, H, jnp.float32)), (offset[1], jnp.full(n, W, jnp.float32))
    else:
        rows, columns = _random_parts(where, n, H, W)
    flipped = jax.random.bernoulli(mirror, jnp.float32(0.5), (n,))
    down, across = _resampling(*rows, H), _resampling(*columns, W)
    across = jnp.where(flipped[:, None, None], across[:, ::-1], across)
    cut = jnp.einsum("nph,nhwc,nqw->npqc", down, pixels, across)
    return _jittered(cut, colour) if kind == "simclr" else cut


#: First row (or column) and number of rows of a part of each image.
Span: TypeAlias = tuple[Float[jax.Array, " n"], Float[jax.Array, " n"]]


def _random_parts(key: PRNGKeyArray, n: int, H: int, W: int) -> tuple[Span, Span]:
    """The rows and the columns of a random part of each image."""
    area, shape, y, x = jax.random.uniform(key, (4, n), jnp.float32)
    area = H * W * (_AREA[0] + (_AREA[1] - _AREA[0]) * area)
    low, high = math.log(_RATIO[0]), math.log(_RATIO[1])
    ratio = jnp.exp(low + (high - low) * shape)
    height, width = jnp.minimum(jnp.sqrt(area / ratio), H), jnp.minimum(jnp.sqrt(area * ratio), W)
    return ((H - height) * y, height), ((W - width) * x, width)


def _resampling(start: Float[jax.Array, " n"], length: Float[jax.Array, " n"], size: int) -> Float[jax.Array, "n o i"]:
    """Matrices that resample `[start, start + length)` to `size` pixels, linearly; pixels at the edge are repeated."""
    pixel = jnp.arange(size, dtype=jnp.float32)
    source = start[:, None] + (pixel + 0.5) * (length[:, None] / size) - 0.5
    source = jnp.clip(source, 0, size - 1)
    return jnp.maximum(0, 1 - jnp.abs(source[:, :, None] - pixel))


def _jittered(images: Float[jax.Array, "n H W 3"], key: PRNGKeyArray) -> Float[jax.Array, "n H W 3"]:
    """Brightness, contrast, saturation and hue, in this order, of most images; a few of all turned grey."""
    keys = jax.random.split(key, 3)
    n = images.shape[0]
    draws = jax.random.uniform(keys[0], (4, n, 1, 1, 1), jnp.float32, -1, 1)
    luma = jnp.asarray(_LUMA, jnp.float32)
    made = images * (1 + _BRIGHTNESS * draws[0])
    mean = jnp.mean(made @ luma, axis=(1, 2))[:, None, None, None]
    made = mean + (made - mean) * (1 + _CONTRAST * draws[1])
    grey = (made @ luma)[..., None]
    # saturation scales, and hue turns, the part of a colour that is not grey
    chroma = (made - grey) * (1 + _SATURATION * draws[2])
    made = jnp.clip(grey + _turned(chroma, 2 * jnp.float32(math.pi) * _HUE * draws[3]), 0, 1)
    jittered = jax.random.bernoulli(keys[1], jnp.float32(_JITTERED), (n, 1, 1, 1))
    images = jnp.where(jittered, made, images)
    without_colour = jax.random.bernoulli(keys[2], jnp.float32(_GREY), (n, 1, 1, 1))
    return jnp.where(without_colour, (images @ luma)[..., None], images)


def _turned(chroma: Float[jax.Array, "n H W 3"], angle: Float[jax.Array, "n 1 1 1"]) -> Float[jax.Array, "n H W 3"]:
    """Colours turned about the grey axis (Rodrigues' formula)."""
    axis = jnp.full(3, 1 / math.sqrt(3), jnp.float32)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    along = (chroma @ axis)[..., None] * axis
    return cosine * chroma + sine * jnp.cross(axis, chroma) + (1 - cosine) * along
