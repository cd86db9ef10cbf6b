"""Downstream accuracy of trained networks against `k`, with the spread over seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figs import cifar
from paper_figs.data import Data
from paper_figs.style import PAGE, cycle, k_axis, label_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLASSIFIERS = {
    "linear probe": "linear_probe.overall",
    "nearest neighbours": "knn.overall",
    "mean classifier": "mean_classifier.overall",
}


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """Balanced CIFAR-10 and CIFAR-100; measured by `experiments.cifar`, so there is nothing to compute here."""
    studies = {cifar.TITLES[name]: cifar.balanced(name) for name in cifar.TITLES}
    return cifar.load(folder, studies, "ResNet-18 on all classes at several k")


def draw(parts: dict[str, Any]) -> Figure:
    """One panel a data set; bars from the least to the largest over seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.5))
    panels = figure.subplots(1, len(parts), squeeze=False)[0]
    for axes, (name, study) in zip(panels, parts.items(), strict=True):
        for (label, key), style in zip(_CLASSIFIERS.items(), cycle(), strict=False):
            cifar.spread(axes, study, "test", key, label, style)
        axes.set_title(name)
        axes.set_ylabel("test accuracy")
        k_axis(axes)
        axes.set_xlabel(f"number of negatives $k$\n{cifar.described(study)}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    label_panels(panels)
    return figure
