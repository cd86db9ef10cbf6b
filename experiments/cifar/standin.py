"""A generated set of images for tests and first trials: 20 classes, each a texture on a shape.

Class `c` has shape `c mod 5` and texture `c mod 4`, so that every pair occurs once and neighbouring classes differ in
both. Within a class vary: place, size, tilt, the texture's phase, spacing and direction, all colours, the shading of
the background, and pixel noise. Colours say nothing of the class.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

SHAPES = ("disk", "square", "triangle", "cross", "ring")
TEXTURES = ("plain", "striped", "checked", "dotted")
CLASS_NAMES = tuple(f"{TEXTURES[c % 4]} {SHAPES[c % 5]}" for c in range(20))
MIN_SIZE = 12

_NOISE = 0.04
_PERIOD = 0.45  # of the textures, where the image has width 2


def images(label: int, n: int, *, size: int = 32, stream: tuple[int, ...] = (0,)) -> UInt8[np.ndarray, "n size size 3"]:
    """`n` images of class `label`; the same label, size and `stream` (the seed of the generator) give the same."""
    rng = np.random.default_rng([label, *stream])

    def drawn(low: int | float, high: int | float, *shape: int) -> Float[np.ndarray, "n ..."]:
        return rng.uniform(low, high, (n, *(shape or (1, 1))))

    axis = (np.arange(size) + 0.5) * 2 / size - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    radius = drawn(0.45, 0.75)
    u, v = x - drawn(-1, 1) * (0.9 - radius), y - drawn(-1, 1) * (0.9 - radius)
    tilted = _turn(u, v, drawn(-0.4, 0.4))
    outside = _distance(SHAPES[label % 5], tilted[0] / radius, tilted[1] / radius) * radius
    shape = np.clip(0.5 - outside * size / 2, 0, 1)

    scale = 2 * np.pi / (_PERIOD * drawn(0.85, 1.15))
    a, b = _turn(u, v, drawn(-0.4, 0.4))
    texture = _texture(TEXTURES[label % 4], a * scale + drawn(0, 2 * np.pi), b * scale + drawn(0, 2 * np.pi))

    # background dark and shape light, or the other way; the texture's second colour between or beyond
    light = np.where(drawn(0, 1, 1, 1, 1) < 0.5, -1.0, 1.0)
    ground = 0.5 - light * drawn(0.15, 0.4, 1, 1, 1) + drawn(-0.15, 0.15, 1, 1, 3)
    first = 0.5 + light * drawn(0.15, 0.4, 1, 1, 1) + drawn(-0.15, 0.15, 1, 1, 3)
    second = first - light * drawn(0.3, 0.5, 1, 1, 1) + drawn(-0.1, 0.1, 1, 1, 3)
    shading = 0.15 * _turn(x, y, drawn(-np.pi, np.pi))[0]

    shape, texture = shape[..., None], texture[..., None]
    inside = texture * first + (1 - texture) * second
    picture = shape * inside + (1 - shape) * (ground + shading[..., None])
    picture += rng.normal(0, _NOISE, picture.shape)
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _turn(
    u: Float[np.ndarray, "..."], v: Float[np.ndarray, "..."], angle: Float[np.ndarray, "n 1 1"]
) -> tuple[Float[np.ndarray, "n H W"], Float[np.ndarray, "n H W"]]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return cosine * u + sine * v, cosine * v - sine * u


def _distance(shape: str, u: Float[np.ndarray, "n H W"], v: Float[np.ndarray, "n H W"]) -> Float[np.ndarray, "n H W"]:
    """Signed distance (or a bound on it) to the shape's edge, negative inside; the shape has radius about 1."""
    if shape == "disk":
        return np.hypot(u, v) - 0.9
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) - 0.8
    if shape == "triangle":
        return np.maximum(v, math.sqrt(3) / 2 * np.abs(u) - v / 2) - 0.6
    if shape == "cross":
        across = np.maximum(np.abs(u) - 1, np.abs(v) - 0.35)
        return np.minimum(across, np.maximum(np.abs(v) - 1, np.abs(u) - 0.35))
    return np.abs(np.hypot(u, v) - 0.7) - 0.25


def _texture(name: str, a: Float[np.ndarray, "n H W"], b: Float[np.ndarray, "n H W"]) -> Float[np.ndarray, "n H W"]:
    """The share of the first colour, in [0, 1], by the phases along two axes."""
    if name == "plain":
        return np.ones_like(a)
    wave = {"striped": np.sin(a), "checked": np.sin(a) * np.sin(b), "dotted": (np.cos(a) + np.cos(b)) / 2 - 0.3}[name]
    return np.clip(0.5 + 2 * wave, 0, 1)
