"""Maps over the simplex of priors of three classes: collapse, where the conjecture fails, and by how much."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from paper_figs.simplex_data import CORNER, load
from paper_figs.style import PAGE, label_panels, state

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.unbalanced.regions import Rises

__all__ = ["boundary", "draw", "in_boxes", "load", "rises"]

_TOP = np.sqrt(3) / 2
_HOLDS = "white"
#: Rises below this are rounding, as for `experiments.unbalanced`.
_NOISE = 1e-8
#: The place of a prior in the plane.
_PLANE = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, _TOP]])
_PIXELS = 700
#: Of rises: the largest catch the eye.
_PALE_TO_DARK = "YlGnBu"


def draw(parts: dict[str, Any]) -> Figure:
    """Left the whole simplex by collapse, right by the rise with the mean classifier; between, the corner where the
    loss of the best classifier rises."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.75))
    panels = figure.subplots(1, 3, width_ratios=[1, 1.15, 1])
    _collapse(figure, panels[0], parts)
    _best(figure, panels[1], parts)
    _mean(figure, panels[2], parts)
    label_panels(panels)
    ks = f"$k = {parts['map'].ks[0]:.0f}$ to ${parts['map'].ks[-1]:.0f}$"
    state(
        figure, f"three classes, logistic loss, $T = 1$; rises of the weighted downstream loss of the minimizer, {ks}"
    )
    return figure


def rises(picture: Any, version: str) -> Float[np.ndarray, " n"]:
    """The rise of each cell; nan where the loss does not rise."""
    found = picture.rise[:, picture.versions.tolist().index(version)].astype(float)
    return np.where(found > _NOISE, found, np.nan)


def _pixels() -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, "n n 3"]]:
    """Pixels over the simplex in the plane: their coordinates, and the prior of each (negative shares outside)."""
    x, y = (np.arange(_PIXELS) + 0.5) / _PIXELS, _TOP * (np.arange(_PIXELS) + 0.5) / _PIXELS
    second, third = np.broadcast_arrays(x[None, :] - y[:, None] / _TOP / 2, y[:, None] / _TOP)
    return x, y, np.stack([1 - second - third, second, third], axis=-1)


def _image(axes: Axes, picture: Any, values: Float[np.ndarray, " n"], **style: Any) -> Any:
    """The values over the whole simplex: each point has that of the cell with the nearest centroid."""
    from scipy.spatial import cKDTree

    _, _, shares = _pixels()
    falling = -np.sort(-shares, axis=-1)  # the map has each prior with falling shares
    _, nearest = cKDTree(picture.shares @ _PLANE).query(falling.reshape(-1, 3) @ _PLANE)
    shown = np.where(shares.min(axis=-1) >= 0, values[nearest].reshape(shares.shape[:2]), np.nan)
    image = axes.imshow(shown, origin="lower", extent=(0, 1, 0, _TOP), zorder=1.5, **style)
    image.set_clip_path(axes.patches[0])
    return image


def in_boxes(rises: Rises, shares: Float[np.ndarray, "*b 3"]) -> Bool[np.ndarray, "*b"]:
    """Whether a prior is in one of the boxes, in any order of the classes."""
    n = 2**rises.depth
    boxes = np.array([[box.q, box.s] for box, _ in rises.boxes], dtype=float).reshape(-1, 2, 2)
    edges = np.round(boxes * np.array([[n / float(rises.largest_q)], [2 * n]])).astype(int)
    # a box is halved `depth` times in all, so neither of its sides is short: a coarse grid holds them exactly
    step = int(np.gcd.reduce(edges, axis=None, initial=n))
    proved = np.zeros((n // step, n // step), dtype=bool)
    for (q0, q1), (s0, s1) in edges // step:
        proved[q0:q1, s0:s1] = True
    falling = -np.sort(-shares, axis=-1)
    q, smallest = 1 - falling[..., 0], falling[..., 2]
    row = q / float(rises.largest_q) * len(proved)
    column = np.divide(2 * smallest, q, out=np.zeros_like(q), where=q > 0) * len(proved)
    inside = (smallest > 0) & (row < len(proved)) & (column < len(proved))
    cells = (np.where(inside, side, 0).astype(int) for side in (row, column))
    found: Bool[np.ndarray, "*b"] = inside & proved[tuple(cells)]
    return found


def _outline(axes: Axes, image: Any) -> None:
    """A line around what is coloured: the palest colours are near white in print."""
    shown = ~np.ma.getmaskarray(np.ma.masked_invalid(image.get_array()))
    left, right, bottom, top = image.get_extent()
    rows, columns = shown.shape
    x = left + (right - left) * (np.arange(columns) + 0.5) / columns
    y = bottom + (top - bottom) * (np.arange(rows) + 0.5) / rows
    axes.contour(x, y, shown.astype(float), levels=[0.5], colors="0.4", linewidths=0.4, zorder=2)


def _triangle(axes: Axes) -> None:
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.fill(*_PLANE.T, facecolor=_HOLDS, edgecolor="black", linewidth=0.6)
    for (x, y), name, side in zip(_PLANE, "123", ("top", "top", "bottom"), strict=True):
        shift = -0.03 if side == "top" else 0.02
        axes.text(x, y + shift, f"$\\rho_{name} = 1$", ha="center", va=side)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.12, _TOP + 0.1)


def _collapse(figure: Figure, axes: Axes, parts: dict[str, Any]) -> None:
    from matplotlib.lines import Line2D

    picture = parts["map"]
    _triangle(axes)
    K = len(picture.ks)
    count = (picture.points == 2).sum(axis=1).astype(float)
    cells = _image(axes, picture, count, cmap=_shades(K), vmin=-0.5, vmax=K + 0.5)
    bar = figure.colorbar(cells, ax=axes, location="bottom", shrink=0.8, pad=0.02, ticks=range(0, K + 1, 2))
    bar.set_label(f"at how many of {K} values of $k$")
    axes.set_title("where minorities coincide")
    for kind, style in (("separated", ":"), ("collapsed", "-")):
        p = boundary(parts["regions"], kind)
        # the corners with a mass above p are cut off by one line each
        for corner in np.eye(3):
            ends = np.array([p * corner + (1 - p) * other for other in np.eye(3) if not np.array_equal(other, corner)])
            axes.plot(*(ends @ _PLANE).T, color="black", linestyle=style, linewidth=0.7, marker="")
    handles = [Line2D([], [], color="black", linestyle=style, linewidth=0.7) for style in (":", "-")]
    labels = ["inside: at no $k$", "beyond: at every $k$"]
    axes.legend(handles, labels, title="proved", loc=(0.27, 0.2), fontsize=6.5, title_fontsize=6.5, handlelength=1.6)


def boundary(regions: dict[str, Any], kind: str) -> float:
    """The largest mass up to which no prior collapses at any `k`, or from which on all do at every `k`: proved."""
    intervals = [interval for interval in regions["intervals"] if interval["kind"] == kind]
    return float(Fraction(intervals[0]["hi" if kind == "separated" else "lo"]))


def _best(figure: Figure, axes: Axes, parts: dict[str, Any]) -> None:
    from matplotlib.patches import Patch

    found = parts["corner"]
    rise = 1e5 * np.array(found["rise"], dtype=float)
    (left, right, _), (bottom, top, _) = CORNER.values()
    shown = np.ma.masked_less_equal(np.ma.masked_invalid(rise), 1e5 * _NOISE)
    axes.set_facecolor(_HOLDS)
    rows, columns = shown.shape
    x = left + (right - left) * (np.arange(columns) + 0.5) / columns
    y = bottom + (top - bottom) * (np.arange(rows) + 0.5) / rows
    levels = [1e5 * _NOISE, *np.arange(0.5, 5.01, 0.5)]
    image = axes.contourf(x, y, shown.filled(0.0), levels=levels, cmap=_PALE_TO_DARK, vmin=-1, vmax=5)
    axes.contour(x, y, shown.filled(0.0), levels=levels[:1], colors="0.4", linewidths=0.4)
    bar = figure.colorbar(image, ax=axes, location="bottom", pad=0.02, shrink=0.8, ticks=range(6))
    bar.set_label("largest rise ($10^{-5}$ nats)")
    p = boundary(parts["regions"], "collapsed")
    axes.fill_between([p, right], bottom, top, facecolor="none", hatch="//////", edgecolor="0.6", linewidth=0)
    axes.axvline(p, color="black", linestyle="-", linewidth=0.7)
    handles: list[Any] = [Patch(facecolor=_HOLDS, edgecolor="0.6", label="no rise found")]
    handles.append(Patch(facecolor=_HOLDS, edgecolor="0.6", hatch="//////", label="constant, proved"))
    for finding in _proven(parts, "optimal"):
        rho = [float(Fraction(mass)) for mass in finding["rho"]]
        handles += _star(axes, max(rho), min(rho), "rise, proved")
    axes.legend(handles=handles, loc="upper left")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("largest mass")
    axes.set_ylabel("smallest mass")
    axes.set_title("rise, best classifier")


def _mean(figure: Figure, axes: Axes, parts: dict[str, Any]) -> None:
    from matplotlib.lines import Line2D

    _triangle(axes)
    values = 1e3 * rises(parts["map"], "weighted_mean")
    cells = _image(axes, parts["map"], values, cmap=_PALE_TO_DARK, vmin=-3, vmax=15)
    _outline(axes, cells)
    bar = figure.colorbar(
        cells, ax=axes, location="bottom", pad=0.02, shrink=0.8, label="largest rise ($10^{-3}$ nats)"
    )
    bar.ax.set_xlim(0, 15)
    x, y, shares = _pixels()
    proved = in_boxes(parts["boxes"], shares)
    axes.contour(x, y, proved.astype(float), levels=[0.5], colors="white", linewidths=0.9, zorder=2.5)
    axes.contour(x, y, proved.astype(float), levels=[0.5], colors="black", linewidths=0.5, linestyles="--", zorder=3)
    for finding in _proven(parts, "mean"):
        rho = np.array(sorted((float(Fraction(mass)) for mass in finding["rho"]), reverse=True))
        place = rho @ _PLANE
        _star(axes, place[0], place[1], "rise, proved")
    line = Line2D([], [], color="black", linestyle="--", linewidth=0.5)
    axes.legend([line], ["rise, proved inside"], loc=(0.22, 0.3), fontsize=6.5, handlelength=1.6)
    axes.set_title("rise, mean classifier")


def _proven(parts: dict[str, Any], classifier: str) -> list[dict[str, Any]]:
    return [finding for finding in parts["proven"]["findings"] if finding["classifier"] == classifier]


def _star(axes: Axes, x: float, y: float, label: str) -> list[Any]:
    style: dict[str, Any] = {"markersize": 8, "markerfacecolor": "white", "markeredgecolor": "black"}
    return axes.plot(x, y, marker="*", linestyle="none", clip_on=False, zorder=5, label=label, **style)


def _shades(K: int) -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([str(shade) for shade in np.linspace(1.0, 0.15, K + 1)])
