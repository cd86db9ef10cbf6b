"""Restricted encoders and several tasks: the downstream loss against the number of negatives."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figs.data import Data, from_measurement
from paper_figs.style import PAGE, cycle, k_axis, label_panels

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """The results of `python -m experiments.augmentation encoders`."""
    del recompute, progress
    results = files("experiments.augmentation") / "results" / "encoders.json"
    own = folder / "augmentation" / "encoders.json"
    return from_measurement(own, results, "python -m experiments.augmentation encoders", lambda found: found["results"])


def draw(parts: dict[str, Any]) -> Figure:
    """Encoders to the left, coarse and fine tasks to the right (dashed: the fine one)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 3.1))
    left, right = figure.subplots(1, 2)
    for (name, found), style in zip(parts["encoders"].items(), cycle(), strict=False):
        ks, losses = _curve(found, "classes")
        left.plot(ks, losses, label=name, **style)
    for (name, found), style in zip(parts["tasks"].items(), cycle(), strict=False):
        for task, dashes in (("coarse", "-"), ("fine", "--")):
            ks, losses = _curve(found, task)
            right.plot(ks, losses, label=name if task == "coarse" else None, **style | {"linestyle": dashes})
    for axes in (left, right):
        k_axis(axes)
        axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=2)
        axes.set_ylabel("downstream loss (nats)")
    left.set_title("encoders, overlap 1/20")
    right.set_title("coarse task (solid), fine task (dashed)")
    label_panels([left, right])
    return figure


def _curve(found: dict[str, Any], task: str) -> tuple[list[int], list[float]]:
    series = found["series"]
    return [entry["k"] for entry in series], [entry["sup"][task]["found"] for entry in series]
