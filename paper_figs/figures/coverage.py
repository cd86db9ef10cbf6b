"""Collision and coverage against `k`: the trade-off that the classical bounds suppose, and its two sides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from paper_figs.data import significant
from paper_figs.style import COLUMN, cycle, k_axis, label_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PRIORS = {
    "10 equal classes": ("uniform", 10),
    "10 classes, long tail 100:1": ("longtail:100", 10),
    "100 equal classes": ("uniform", 100),
}
_PER_DECADE = 24


def parts() -> tuple[str, ...]:
    """The priors."""
    return tuple(_PRIORS)


def compute(part: str) -> dict[str, Any]:
    """`P(a negative collides)`; for the worst anchor, `P(all other classes met)`, and that without any collision."""
    from theory import priors
    from theory.bounds.collisions import log_no_collision
    from theory.bounds.coverage import log_coverage

    text, C = _PRIORS[part]
    prior = priors.parse(text, C)
    ks = sorted({round(10 ** (i / _PER_DECADE)) for i in range(4 * _PER_DECADE + 1)})
    return {
        "prior": text,
        "C": C,
        "k": ks,
        "collision": significant([-math.expm1(log_no_collision(prior, k)) for k in ks]),
        "coverage": significant([math.exp(log_coverage(prior, k, collisions=True)) for k in ks]),
        "both": significant([math.exp(log_coverage(prior, k, collisions=False)) for k in ks]),
    }


def draw(parts: dict[str, Any]) -> Figure:
    """Both probabilities above; below what the bounds divide by, which they suppose to rule the downstream loss."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(COLUMN, 3.7))
    above, below = panels = figure.subplots(2, 1, sharex=True)
    for (name, data), style in zip(parts.items(), cycle(), strict=False):
        line = style | {"marker": ""}
        above.plot(data["k"], data["coverage"], **line)
        above.plot(data["k"], data["collision"], **line, alpha=0.55, linewidth=2.0)
        shown = [value if value > 0 else math.nan for value in data["both"]]
        below.plot(data["k"], shown, label=name, **line)
    above.set_ylabel("probability")
    below.set_yscale("log")
    below.set_ylim(1e-12, 1)
    below.set_ylabel("probability of all others\nmet without a collision")
    handles, labels = below.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, title="prior (colour and dashes)")
    widths = [Line2D([], [], color="0.4", linewidth=2.0, alpha=0.55), Line2D([], [], color="0.4")]
    named = ["a collision", "all other classes met"]
    figure.legend(widths, named, loc="outside lower center", ncols=2, title="event in (a) (width)")
    k_axis(below)
    label_panels(panels)
    return figure
