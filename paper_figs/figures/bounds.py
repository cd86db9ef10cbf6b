"""Four prior bounds on the downstream loss against the exact loss of the optimum, for balanced classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from paper_figs.style import PAGE, cycle, k_axis, label_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CLASSES = (10, 100)
_PER_DECADE = 12
_SHOWN = {
    "saunshi2019": "Saunshi et al. 2019",
    "ash2021": "Ash et al. 2021",
    "nozawa_sato2021": "Nozawa & Sato 2021",
    "bao2021_upper": "Bao et al. 2021, upper",
    "bao2021_lower": "Bao et al. 2021, lower",
}
_TOP = 1e6


def parts() -> tuple[str, ...]:
    """One part for each number of classes and negatives."""
    return tuple(f"C = {C}, k = {k}" for C in _CLASSES for k in _ks(C))


def _ks(C: int) -> list[int]:
    """1 to 10^4, with `C - 1`, where one draw of all other classes fits in and two of the bounds begin."""
    return sorted({round(10 ** (i / _PER_DECADE)) for i in range(4 * _PER_DECADE + 1)} | {C - 1})


def compute(part: str) -> dict[str, Any]:
    """The bounds and the exact values at the minimizer, as `verify.bounds` reports them."""
    from verify import bounds
    from verify.results import as_json

    C, k = (int(word.split(" = ")[1]) for word in part.split(", "))
    result = bounds.run("uniform", k, C=C)
    kept = {key: as_json(getattr(result, key)) for key in ("status", "exact", "bounds", "violated")}
    return {"C": C, "k": k} | kept


def draw(parts: dict[str, Any]) -> Figure:
    """One panel for each number of classes; a bound that leaves the panel goes on growing."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.5))
    panels = figure.subplots(1, len(_CLASSES), sharey=True)
    for axes, C in zip(panels, _CLASSES, strict=True):
        rows = [row for row in parts.values() if row["C"] == C]
        ks = [row["k"] for row in rows]
        exact = [row["exact"]["sup"] for row in rows]
        axes.plot(ks, exact, color="black", linestyle="-", marker="", linewidth=2.2, label="exact loss of the optimum")
        for (name, label), style in zip(_SHOWN.items(), cycle(1), strict=False):
            axes.plot(ks, [_value(row["bounds"][name]) for row in rows], label=label, markevery=6, **style)
        k_axis(axes)
        axes.set_yscale("log")
        axes.set_ylim(0.1, _TOP)
        axes.set_title(f"$C = {C}$ equal classes")
    panels[0].set_ylabel("downstream loss (nats)")
    label_panels(panels)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _value(bound: dict[str, Any]) -> float:
    """The bound, cut off far above the panel, where doubles end."""
    if bound["log"] is not None:
        return math.exp(min(bound["log"], 2 * math.log(_TOP)))
    return math.nan if bound["value"] is None else bound["value"]
