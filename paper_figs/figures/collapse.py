"""When all minority classes collapse onto one point: the threshold against `k`, and how the minimizer gets there."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from paper_figs.data import significant
from paper_figs.style import PAGE, cycle, k_axis, label_panels, state

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_THRESHOLD = "threshold"
_COSINE = {"k = 1": 1, "k = 4": 4, "k = 16": 16, "k = 256": 256, "k = inf": math.inf}
_PER_DECADE = 8
_MASSES = (34, *range(38, 74, 4), *range(74, 97), 98)


def parts() -> tuple[str, ...]:
    """The threshold, and the cosines at each `k`."""
    return (_THRESHOLD, *_COSINE)


def compute(part: str) -> dict[str, Any]:
    """The threshold by its closed form; the cosines from the minimizer at `rho = (p, q/2, q/2)`."""
    from theory.collapse_threshold import collapse_threshold
    from verify import optimum

    if part == _THRESHOLD:
        ks = sorted({round(10 ** (i / _PER_DECADE)) for i in range(6 * _PER_DECADE + 1)})
        found = significant([collapse_threshold(k) for k in ks])
        return {"k": ks, "mass": found, "limit": significant(collapse_threshold(math.inf))}
    k = _COSINE[part]
    rows = []
    for percent in _MASSES:
        p = Fraction(percent, 100)
        result = optimum.run(f"{p},{(1 - p) / 2},{(1 - p) / 2}", k)
        cosine, radius = significant(result.gram[1][2]), result.gram_radius
        rows.append({"mass": percent / 100, "cosine": cosine, "radius": radius, "status": result.status.value})
    return {"k": "inf" if math.isinf(k) else k, "threshold": significant(collapse_threshold(k)), "rows": rows}


def draw(parts: dict[str, Any]) -> Figure:
    """The threshold on the left; on the right one line for each `k`, which reaches 1 at its threshold."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.3))
    left, right = panels = figure.subplots(1, 2)
    threshold = parts[_THRESHOLD]
    left.plot(threshold["k"], threshold["mass"], color="black", linestyle="-", marker="")
    left.fill_between(threshold["k"], threshold["mass"], 1.0, color="0.87", linewidth=0)
    left.axhline(threshold["limit"], color="black", linestyle=":", linewidth=0.8)
    limit = f"limit {threshold['limit']:.3f}"
    left.annotate(
        limit, (6e5, threshold["limit"]), xytext=(0, -3), textcoords="offset points", fontsize=7, ha="right", va="top"
    )
    left.text(2e3, 0.965, "all minorities coincide", ha="center", va="center")
    left.text(2e3, 0.82, "not all coincide", ha="center", va="center")
    left.set_ylim(0.79, 1.0)
    left.set_xlim(1, 10**6)
    left.set_ylabel("mass $p$ of the majority class")
    k_axis(left)
    for i, (name, style) in enumerate(zip(_COSINE, cycle(), strict=False)):
        data = parts[name]
        rows = data["rows"]
        label = "$k = \\infty$" if data["k"] == "inf" else f"${name}$"
        right.plot([r["mass"] for r in rows], [r["cosine"] for r in rows], label=label, markevery=(i, 5), **style)
        right.plot([data["threshold"]] * 2, [1.0, 1.06], color=style["color"], linestyle="-", marker="", linewidth=1.4)
    right.set_xlabel("mass $p$ of the majority class; two minorities of $(1-p)/2$")
    right.set_ylabel("cosine of the two minorities")
    right.legend(loc="upper left")
    right.text(0.74, 1.03, "thresholds", ha="right", va="center", fontsize=7)
    label_panels(panels)
    state(figure, "logistic loss, $T = 1$")
    return figure
