"""Certified gap against matrix products, for each method tried: `python -m experiments.benchmarks.scale`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figs.data import Data, from_measurement
from paper_figs.style import PAGE, cycle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The methods of `experiments.benchmarks.scale` by the names that readers know.
_METHODS = {
    "convex-program": "convex program,\nmetric of rank one",
    "l-bfgs": "L-BFGS, scaled rows",
    "newton-rho": "truncated Newton,\nby the prior",
    "damped-fixed-point": "damped fixed point",
    "fixed-point": "fixed point",
    "newton-multipliers": "truncated Newton,\nby the multipliers",
}
_COMMAND = "python -m experiments.benchmarks.scale"


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """The user's own `scale-methods.json` in `folder`, else the committed curves."""
    committed = files("experiments.benchmarks") / "results" / "scale-methods.json"

    def pick(found: dict[str, Any]) -> dict[str, Any]:
        curves = {name: [point[:2] for point in found["curves"][name]["points"]] for name in _METHODS}
        return {"problem": found["problem"], "curves": curves}

    return from_measurement(folder / "scale-methods.json", committed, _COMMAND, pick)


def draw(parts: dict[str, Any]) -> Figure:
    """One line for each method, to the certified gap where it ended."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.6))
    axes = figure.subplots()
    for (name, label), style in zip(_METHODS.items(), cycle(), strict=True):
        products, gaps = zip(*parts["curves"][name], strict=True)
        axes.plot(products, gaps, label=label, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("products of two $C \\times C$ matrices")
    axes.set_ylabel("certified relative gap")
    problem = parts["problem"]
    prior = problem["rho"].replace("zipf:1", "Zipf prior")
    axes.set_title(f"{prior}, $C = d = {problem['C']}$, $k = {problem['k']}$")
    figure.legend(loc="outside right upper")
    return figure
