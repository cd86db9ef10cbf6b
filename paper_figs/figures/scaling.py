"""Cost against `k` and `C`, beside the alternatives: what `python -m experiments.benchmarks` measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figs.data import Data, NotMeasured, from_measurement
from paper_figs.style import PAGE, cycle, k_axis, label_panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The methods of `experiments.benchmarks` by the names that readers know, in the order of the style sheet's lines.
_METHODS = {
    "ours": "this project",
    "cvxpy-clarabel": "CVXPY, Clarabel",
    "cvxpy-scs": "CVXPY, SCS",
    "pymanopt": "Pymanopt",
    "enumeration": "enumeration",
    "sgd-1e4": "Adam, $10^4$ steps",
}
#: The suites that are drawn, each against what.
_SUITES = {"against": "k", "classes": "C", "groups": "C", "kernel": "k"}
#: A solution with a larger relative gap is marked as inexact.
_EXACT = 1e-6
_COMMAND = "python -m experiments.benchmarks"


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """The user's own `benchmarks.json` in `folder`, else the committed results; timings are never made on the way."""
    own, committed = folder / "benchmarks.json", files("experiments.benchmarks") / "results" / "cpu.json"

    def pick(found: dict[str, Any]) -> dict[str, Any]:
        suites = {suite: [r for r in found["records"] if r["suite"] == suite] for suite in _SUITES}
        return {"machine": found["machine"], **suites}

    data = from_measurement(own, committed, _COMMAND, pick)
    empty = [suite for suite in _SUITES if suite not in measured(data.parts)]
    if len(_SUITES) - len(empty) < 2:
        place = committed if data.source == "committed" else own
        raise NotMeasured(f"{place} lacks the suites {', '.join(empty)} ({_COMMAND} goes on)")
    return data


def measured(parts: dict[str, Any]) -> list[str]:
    """The suites of which more than one size was done: one point shows no growth."""
    sizes = {s: {r[key] for r in parts[s] if r["status"] == "done"} for s, key in _SUITES.items()}
    return [suite for suite, found in sizes.items() if len(found) > 1]


def draw(parts: dict[str, Any]) -> Figure:
    """One panel for each suite that was measured."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    suites = measured(parts)
    rows = -(-len(suites) // 2)
    figure = Figure(figsize=(PAGE, 0.5 + 1.9 * rows))
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, suite in zip(panels, suites, strict=False):
        _PANELS[suite](axes, parts[suite])
    for axes in panels[len(suites) :]:
        axes.remove()
    label_panels(panels[: len(suites)])
    handles = [Line2D([], [], **style) for style, _ in zip(cycle(), _METHODS, strict=False)]
    labels = list(_METHODS.values())
    marks: dict[str, Any] = {"color": "black", "linestyle": "none"}
    handles.append(Line2D([], [], marker="o", markerfacecolor="white", **marks))
    labels.append("gap above $10^{-6}$")
    handles.append(Line2D([], [], marker="x", **marks))
    labels.append("stopped or failed")
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    machine = parts["machine"]
    figure.supxlabel(f"{machine['cpu']}, {machine['cores']} cores; medians, with quartiles", size=7)
    return figure


def _against(axes: Axes, records: list[dict[str, Any]]) -> None:
    _solvers(axes, [record for record in records if record["C"] == 4], "k")
    axes.set_title("four classes, to the minimum")
    k_axis(axes)


def _classes(axes: Axes, records: list[dict[str, Any]]) -> None:
    _solvers(axes, records, "C")
    axes.set_title("$k = 8$, to the minimum")
    axes.set_xscale("log")
    # too few decades for powers of ten
    axes.set_xticks(sorted({r["C"] for r in records}), minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("number of classes $C$")


def _solvers(axes: Axes, records: list[dict[str, Any]], against: str) -> None:
    for (method, label), style in zip(_METHODS.items(), cycle(), strict=False):
        mine = [r for r in records if r["method"] == method]
        done = sorted((r for r in mine if r["status"] == "done"), key=lambda r: r[against])
        _times(axes, [r[against] for r in done], [r["seconds"] for r in done], label, style)
        for r in done:
            if r["gap"] > _EXACT:
                inexact = {"marker": style["marker"], "markerfacecolor": "white", "color": style["color"]}
                axes.plot(r[against], r["seconds"]["median"], linestyle="none", zorder=4, **inexact)
        for r in mine:
            # a package that is missing says nothing of the method
            if r["status"] in ("too long", "failed"):
                axes.plot(r[against], r["limit_seconds"], marker="x", linestyle="none", color=style["color"])
    axes.set_yscale("log")
    axes.set_ylabel("seconds")


def _groups(axes: Axes, records: list[dict[str, Any]]) -> None:
    done = sorted((r for r in records if r["status"] == "done"), key=lambda r: r["C"])
    style = next(cycle())
    _times(axes, [r["C"] for r in done], [r["seconds"] for r in done], "", style)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.3 * max(r["seconds"]["high"] for r in done))
    axes.set_xlabel("number of classes $C$, in ten groups")
    axes.set_ylabel("seconds")
    axes.set_title(f"ten groups of equal classes, $k = {done[0]['k']}$, to the minimum")


def _kernel(axes: Axes, records: list[dict[str, Any]]) -> None:
    """A value and a gradient against `k`, at the size with the most `k`."""
    sizes: dict[int, list[dict[str, Any]]] = {}
    for r in records:
        if r["status"] == "done":
            sizes.setdefault(r["C"], []).append(r)
    C, done = max(sizes.items(), key=lambda item: len(item[1]))
    done = sorted(done, key=lambda r: r["k"])
    ks, styles = [r["k"] for r in done], cycle()
    _times(axes, ks, [r["seconds"] for r in done], "value and gradient", next(styles))
    _times(axes, ks, [r["products_seconds"] for r in done], "the two matrix products alone", next(styles))
    k_axis(axes)
    axes.set_ylim(0, 1.5 * max(r["seconds"]["high"] for r in done))
    axes.set_ylabel("seconds")
    axes.set_title(f"one evaluation, $C = d = {C}$")
    axes.legend(loc="upper right")


def _times(axes: Axes, x: list[int], seconds: list[dict[str, float]], label: str, style: dict[str, Any]) -> None:
    median = [s["median"] for s in seconds]
    low = [s["median"] - min(s.get("low", math.inf), s["median"]) for s in seconds]
    high = [max(s.get("high", 0.0), s["median"]) - s["median"] for s in seconds]
    axes.errorbar(x, median, yerr=[low, high], capsize=1.5, elinewidth=0.6, label=label, **style)


_PANELS = {"against": _against, "classes": _classes, "groups": _groups, "kernel": _kernel}
