"""The simplex ETF, as the talk draws it, with the minimizers of the NCE loss that were found from random starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figs.data import significant
from paper_figs.space import aligned, arrow, draw_circle, draw_sphere, view
from paper_figs.style import COLUMN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLASSES = {"3 in the plane": 3, "4 in space": 4}
_K = 16


def parts() -> tuple[str, ...]:
    """The two numbers of classes."""
    return tuple(_CLASSES)


def compute(part: str) -> dict[str, Any]:
    """The minimizer of `L_k` in `d = C - 1`, turned onto the simplex ETF, which is unique up to an orthogonal map."""
    from theory.geometry import from_gram, simplex_etf
    from verify import etf, optimum

    C = _CLASSES[part]
    claim = etf.run(C, _K, d=C - 1)
    found = optimum.run("uniform", _K, C=C, d=C - 1)
    frame = simplex_etf(C)
    turned = aligned(from_gram(np.array(found.gram), C - 1), frame)
    return {
        "C": C,
        "k": _K,
        "status": claim.status.value,
        "etf": significant(frame),
        "minimizer": significant(turned),
        "distance": significant(float(np.max(np.linalg.norm(turned - frame, axis=1)))),
    }


def draw(parts: dict[str, Any]) -> Figure:
    """Arrows are the ETF, rings the minimizer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMN, 1.9))
    plane, space = figure.subplots(1, 2)
    three, four = parts.values()
    draw_circle(plane)
    # one vector upwards, as in the talk
    angle = np.pi / 2 - np.arctan2(*reversed(three["etf"][0]))
    _vectors(plane, three, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
    globe = view(20.0, 22.0)
    draw_sphere(space, globe)
    rotation = globe @ _upright(np.array(four["etf"])[0])
    tips = np.array(four["etf"]) @ rotation.T
    for i in range(4):
        for j in range(i):
            space.plot(*tips[[i, j], :2].T, color="0.45", linewidth=0.5, linestyle="--", marker="")
    _vectors(space, four, rotation)
    for axes, data in ((plane, three), (space, four)):
        axes.set_title(f"$C = {data['C']}$: all cosines $-1/{data['C'] - 1}$")
    figure.supxlabel(f"arrows: simplex ETF; rings: minimizer of $L_{{{three['k']}}}$, found from random starts", size=7)
    return figure


def _vectors(axes: Any, data: dict[str, Any], rotation: np.ndarray) -> None:
    for c, (vector, found) in enumerate(zip(data["etf"], data["minimizer"], strict=True)):
        tip, ring = (rotation @ np.array(v) for v in (vector, found))
        arrow(axes, tip[:2], "#0072B2")
        axes.plot(*ring[:2], marker="o", markersize=5.5, markerfacecolor="none", color="#D55E00", markeredgewidth=0.9)
        label = tip[:2] + 0.2 * tip[:2] / np.linalg.norm(tip[:2])
        axes.text(*label, f"$u_{c + 1}$", ha="center", va="center")


def _upright(vector: np.ndarray) -> np.ndarray:
    """A rotation that takes a unit vector to the third axis."""
    basis, _ = np.linalg.qr(np.column_stack([vector, np.eye(3)]))
    up = basis[:, 0] * np.sign(basis[:, 0] @ vector)
    rotation = np.stack([basis[:, 1], basis[:, 2], up])
    if np.linalg.det(rotation) < 0:
        rotation[0] *= -1
    return rotation
