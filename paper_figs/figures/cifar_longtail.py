"""Long-tailed CIFAR-10: the cosines of trained class means beside the optimum that is computed for the same prior."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figs import cifar
from paper_figs.data import Data
from paper_figs.style import PAGE, cycle, k_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FACTORS = (10, 100)


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """CIFAR-10 with both imbalances; measured by `experiments.cifar`, so there is nothing to compute here."""
    studies = {f"imbalance {factor}": cifar.long_tailed("cifar10", factor) for factor in _FACTORS}
    return cifar.load(folder, studies, "ResNet-18 on long-tailed CIFAR-10 at several k")


def draw(parts: dict[str, Any]) -> Figure:
    """One row an imbalance: both matrices at the largest `k`, and the distances at every `k`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.1 * len(parts)))
    panels = figure.subplots(len(parts), 3, squeeze=False, width_ratios=[1, 1, 1.3])
    for row, (name, study) in zip(panels, parts.items(), strict=True):
        last = study[-1]
        k = last["config"]["k"]
        image = _matrix(row[0], last["train"]["gram"], f"trained, $k = {k}$")
        _matrix(row[1], last["optimum"]["gram"], f"computed optimum, $k = {k}$")
        row[0].set_ylabel(f"{name}: class")
        figure.colorbar(image, ax=list(row[:2]), label="cosine", shrink=0.8, ticks=[-1, 0, 1], pad=0.02)
        _distances(row[2], study)
    shown = dict.fromkeys(cifar.described(study, 110) for study in parts.values())
    figure.supxlabel("\n".join(shown), size=8)
    return figure


def _matrix(axes: Axes, gram: list[list[float]], title: str) -> Any:
    image = axes.imshow(np.array(gram), vmin=-1, vmax=1)
    axes.set_title(title)
    ticks = range(0, len(gram), 3)
    axes.set_xticks(ticks, [str(c + 1) for c in ticks])
    axes.set_yticks(ticks, [str(c + 1) for c in ticks])
    axes.set_xlabel("class, largest first")
    return image


def _distances(axes: Axes, study: list[dict[str, Any]]) -> None:
    targets = {"to the simplex ETF": "to_etf.rms", "to the computed optimum": "to_optimum.rms"}
    for (label, key), style in zip(targets.items(), cycle(), strict=False):
        cifar.spread(axes, study, "train", key, label, style)
    axes.set_ylabel("rms distance of cosines")
    axes.set_ylim(bottom=0)
    k_axis(axes)
    axes.legend(loc="best")
