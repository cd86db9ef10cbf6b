"""Vectors and spheres in space, by orthogonal projection onto the page: no perspective, so lengths compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def aligned(U: Float[np.ndarray, "C d"], target: Float[np.ndarray, "C d"]) -> Float[np.ndarray, "C d"]:
    """`U Q` for the orthogonal `Q` that brings it closest to `target` (Procrustes)."""
    left, _, right = np.linalg.svd(U.T @ target)
    turned: Float[np.ndarray, "C d"] = U @ left @ right
    return turned


def view(azimuth: float, elevation: float) -> Float[np.ndarray, "3 3"]:
    """The rotation to the viewer's axes: right, up, towards the viewer (angles in degrees)."""
    a, e = np.radians([azimuth, elevation])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    towards = np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])
    rotation: Float[np.ndarray, "3 3"] = np.stack([right, np.cross(towards, right), towards])
    return rotation


def draw_circle(axes: Axes) -> None:
    """The unit circle, on axes without a frame."""
    _bare(axes)
    angle = np.linspace(0, 2 * np.pi, 181)
    axes.plot(np.cos(angle), np.sin(angle), color="0.55", linestyle="-", linewidth=0.6, marker="")


def draw_sphere(axes: Axes, rotation: Float[np.ndarray, "3 3"]) -> None:
    """The unit sphere: its outline and three great circles, the far halves dotted."""
    draw_circle(axes)
    angle = np.linspace(0, 2 * np.pi, 361)
    flat = np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)])
    for order in ([0, 1, 2], [0, 2, 1], [2, 0, 1]):
        x, y, depth = rotation @ flat[order]
        for shown, style in ((depth >= 0, "-"), (depth < 0, ":")):
            axes.plot(*np.where(shown, [x, y], np.nan), color="0.75", linestyle=style, linewidth=0.5, marker="")


def arrow(axes: Axes, tip: Float[np.ndarray, " 2"], color: str, width: float = 1.1) -> None:
    """A vector from the origin."""
    style = {"arrowstyle": "-|>,head_width=0.18,head_length=0.4", "color": color, "linewidth": width}
    axes.annotate(
        "", (tip[0], tip[1]), (0.0, 0.0), arrowprops=style | {"shrinkA": 0, "shrinkB": 0}, annotation_clip=False
    )


def _bare(axes: Axes) -> None:
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_xlim(-1.25, 1.25)
    axes.set_ylim(-1.15, 1.25)
