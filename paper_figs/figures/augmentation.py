"""Augmentation graphs: the overlap from which on classes collapse, and the downstream loss on both sides of it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from paper_figs.style import PAGE, cycle, k_axis, label_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KS = tuple(2**i for i in range(13))
_CURVES = tuple((C, T) for T in ("1", "1/2") for C in (2, 3, 10))
_OVERLAPS = ("1/50", "1/10", "3/10", "1/2", "3/5")
_CLASSES, _POINTS = 3, 8


def parts() -> tuple[str, ...]:
    """The thresholds, and one part for each overlap."""
    return ("thresholds", *(f"overlap = {a}" for a in _OVERLAPS))


def compute(part: str) -> dict[str, Any]:
    """Closed-form thresholds; proven downstream losses of `verify.augmentation`."""
    if part == "thresholds":
        from theory.augmentation.thresholds import uniform_threshold
        from theory.losses import get_loss

        loss = get_loss("logistic")
        ks = [*_KS, float("inf")]
        return {f"{C}, {T}": [uniform_threshold(loss, C, k, float(1 / Fraction(T))) for k in ks] for C, T in _CURVES}
    from verify import augmentation
    from verify.results import as_json

    overlap = part.removeprefix("overlap = ")
    result = augmentation.run(_KS, rho="uniform", C=_CLASSES, points=_POINTS, overlap=overlap)
    entries = [
        {"k": entry.k, "collapsed": entry.collapsed, "sup": as_json(entry.sup["classes"])} for entry in result.series
    ]
    return {"overlap": overlap, "status": result.status.value, "series": entries}


def draw(parts: dict[str, Any]) -> Figure:
    """Thresholds to the left, losses to the right; filled marks where collapse is proved."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 3.2))
    left, right = figure.subplots(1, 2)
    for (key, values), style in zip(parts["thresholds"].items(), cycle(), strict=False):
        C, T = key.split(", ")
        left.plot(_KS, values[:-1], label=f"$C = {C}$, $T = {T}$", **style)
        left.plot([_KS[-1] * 2.2], [values[-1]], marker="_", markersize=7, color=style["color"], clip_on=False)
    k_axis(left)
    left.set_ylim(0, 1)
    left.set_ylabel("threshold $\\alpha^*(k)$")
    left.legend(fontsize=6.5, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    for part, style in zip([p for p in parts.values() if "series" in p], cycle(), strict=False):
        ks = [entry["k"] for entry in part["series"]]
        sup = [entry["sup"]["upper"] for entry in part["series"]]
        color = style["color"]
        right.plot(ks, sup, label=f"overlap {part['overlap']}", **style | {"marker": ""})
        for collapsed in (True, False):
            chosen = [i for i, entry in enumerate(part["series"]) if (entry["collapsed"] == "proved") == collapsed]
            right.plot(
                [ks[i] for i in chosen],
                [sup[i] for i in chosen],
                linestyle="",
                marker="o",
                markersize=3.5,
                color=color,
                markerfacecolor=color if collapsed else "white",
            )
    k_axis(right)
    right.set_ylabel("downstream loss of the minimizer (nats)")
    right.set_title(f"$C = {_CLASSES}$, {_POINTS} points a class, $T = 1$")
    right.legend(fontsize=6.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    left.set_title("equal classes")
    label_panels([left, right])
    return figure
