"""Cosines between test images of one class and of different classes, at several `k`, against the simplex ETF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figs import cifar
from paper_figs.data import Data
from paper_figs.style import PAGE, cycle, label_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 5


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """Balanced CIFAR-10 and CIFAR-100; measured by `experiments.cifar`, so there is nothing to compute here."""
    studies = {cifar.TITLES[name]: cifar.balanced(name) for name in cifar.TITLES}
    return cifar.load(folder, studies, "ResNet-18 on all classes at several k")


def draw(parts: dict[str, Any]) -> Figure:
    """One column a data set: pairs of one class above, of different classes below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 3.4))
    panels = figure.subplots(2, len(parts), sharex=True, squeeze=False)
    for column, (name, study) in enumerate(parts.items()):
        for axes, side in zip(panels[:, column], ("within", "between"), strict=True):
            for group, style in zip(cifar.chosen(study, _SHOWN), cycle(), strict=False):
                label = f"$k = {group['config']['k']}$"
                axes.stairs(*density(group["test"][side]), label=label, color=style["color"], ls=style["linestyle"])
            axes.set_ylabel(f"density,\n{'same class' if side == 'within' else 'different classes'}")
            axes.set_ylim(bottom=0)
        C = study[0]["C"]
        target = panels[1, column].axvline(-1 / (C - 1), color="0.5", linestyle=":", label=f"$-1/{C - 1}$")
        panels[0, column].set_title(f"{name}, {C} classes")
        panels[1, column].set_xlabel(f"cosine of two test images\n{cifar.described(study)}")
        # pairs of one class are near 1, and pairs of different classes below 0
        panels[0, column].legend(loc="upper left")
        panels[1, column].legend(handles=[target], loc="upper right")
    label_panels(panels[0])
    return figure


def density(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The histogram over [-1, 1] as a density, and its edges."""
    heights = np.array(counts, dtype=float)
    edges = np.linspace(-1, 1, len(heights) + 1)
    return heights / (heights.sum() * np.diff(edges)), edges
