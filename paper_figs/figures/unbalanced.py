"""The downstream loss of the minimizer against `k`, with proven brackets: it falls, stays, or, refuted, rises."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from paper_figs.style import PAGE, cycle, k_axis, label_panels, state

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REFUTED = "refuted"
_KS = tuple(4**i for i in range(9))
_LAST = 10**6
#: label: prior, number of classes. The refuted one has the strongest proven rise of `experiments.unbalanced`.
_PRIORS = {
    "(0.5, 0.3, 0.2)": ("0.5,0.3,0.2", 3),
    "Zipf, 10 classes": ("zipf:1", 10),
    "5 equal classes": ("uniform", 5),
    "(0.95, 0.03, 0.02)": ("0.95,0.03,0.02", 3),
    _REFUTED: ("", 3),
}
#: Two lines are the same, at 0: the marks of one are drawn around those of the other.
_MARKS = {"5 equal classes": {"markersize": 5.5, "markerfacecolor": "none"}}
_CLASSIFIERS = {"optimal": "best unit-norm classifier", "mean": "mean classifier"}


def refuted_prior() -> tuple[str, ...]:
    """The prior of the strongest proven rise at three classes, best classifier, as exact "p/q" strings."""
    table = json.loads((files("experiments.unbalanced") / "findings" / "table.json").read_text())
    found = [
        finding
        for search in table["searches"]
        for finding in search["findings"]
        if (search["C"], search["weighting"], search["classifier"]) == (3, "weighted", "optimal")
    ]
    return tuple(max(found, key=lambda finding: finding["increase_lower"])["rho"])


def parts() -> tuple[str, ...]:
    """Each prior with each classifier."""
    return tuple(f"{prior}; {classifier}" for prior in _PRIORS for classifier in _CLASSIFIERS)


def compute(part: str) -> dict[str, Any]:
    """The proven series of `verify.conjecture`."""
    from verify import conjecture
    from verify.results import as_json

    name, classifier = part.split("; ")
    text, C = _PRIORS[name]
    result = conjecture.run(text or ",".join(refuted_prior()), (*_KS, _LAST), C=C, classifier=classifier)
    return {
        "rho": list(result.problem.rho),
        "classifier": classifier,
        "status": result.status.value,
        "series": as_json(result.series),
        "witness": as_json(result.witness),
    }


def draw(parts: dict[str, Any]) -> Figure:
    """The change since `k = 1`, one panel for each classifier; the inset shows the refuted prior a thousandfold."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.75))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (classifier, title) in zip(panels, _CLASSIFIERS.items(), strict=True):
        for name, style in zip(_PRIORS, cycle(), strict=False):
            _series(axes, parts[f"{name}; {classifier}"], style | _MARKS.get(name, {}), name)
        axes.axhline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
        axes.set_title(title)
        k_axis(axes)
    panels[0].set_ylabel("$L_{\\mathrm{sup}}(k) - L_{\\mathrm{sup}}(1)$ (nats)")
    label_panels(panels)
    _inset(panels[0], parts)
    width = max(entry["sup_upper"] - entry["sup_lower"] for data in parts.values() for entry in data["series"])
    # rounded up: it is an upper bound
    text = f"error bars: proven brackets,\neach narrower than $10^{{{math.floor(math.log10(width)) + 1}}}$"
    panels[1].text(0.97, 0.6, text, ha="right", va="center", fontsize=7, transform=panels[1].transAxes)
    handles, labels = panels[0].get_legend_handles_labels()
    named = [f"{_verdict(parts[f'{name}; optimal'])}: {_shown(name, parts)}" for name in labels]
    figure.legend(handles, named, loc="outside upper center", ncols=3, columnspacing=1.4)
    state(figure, "weighted downstream loss of the minimizer, logistic, $T = 1$")
    return figure


def _shown(name: str, parts: dict[str, Any]) -> str:
    """The prior of a line."""
    if name != _REFUTED:
        return name
    return "(" + ", ".join(f"{float(Fraction(mass)):.4f}" for mass in parts[f"{name}; optimal"]["rho"]) + ")"


def _verdict(data: dict[str, Any]) -> str:
    """What is proved of the loss of the best classifier."""
    if data["status"] == _REFUTED:
        return "rises"
    first, last = data["series"][0], data["series"][-1]
    return "falls" if last["sup_upper"] < first["sup_lower"] else "constant"


def _inset(axes: Axes, parts: dict[str, Any]) -> None:
    """The refuted prior alone, a thousandfold."""
    inset = axes.inset_axes((0.2, 0.56, 0.76, 0.4))
    data = parts[f"{_REFUTED}; optimal"]
    _series(inset, data, next(cycle(len(_PRIORS) - 1)), "")
    inset.set_xscale("log")
    inset.set_ylim(0, 5.5e-5)
    inset.set_yticks([0, 2e-5, 4e-5], ["0", "$2 \\times 10^{-5}$", "$4 \\times 10^{-5}$"])
    inset.tick_params(labelsize=6)
    proven = math.floor(data["witness"]["increase_lower"] * 1e7) / 100  # rounded down: it is a lower bound
    rho = ", ".join(f"{float(Fraction(mass)):.4f}" for mass in data["rho"])
    text = f"$({rho})$\nproven rise: at least ${proven:.2f} \\times 10^{{-5}}$"
    inset.text(0.97, 0.12, text, ha="right", va="bottom", fontsize=6.5, transform=inset.transAxes)


def change(series: list[dict[str, Any]]) -> tuple[list[int], list[float], list[float]]:
    """`k`, and proven lower and upper bounds on `L_sup(k) - L_sup(1)`, up to the rounding of one subtraction."""
    first = series[0]
    lower = [entry["sup_lower"] - first["sup_upper"] for entry in series[1:]]
    upper = [entry["sup_upper"] - first["sup_lower"] for entry in series[1:]]
    return [entry["k"] for entry in series], [0.0, *lower], [0.0, *upper]


def _series(axes: Axes, data: dict[str, Any], style: dict[str, Any], label: str) -> None:
    ks, lower, upper = change(data["series"])
    middle = [(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
    spread = [[m - a for m, a in zip(middle, lower, strict=True)], [b - m for m, b in zip(middle, upper, strict=True)]]
    axes.errorbar(ks, middle, yerr=spread, capsize=1.5, elinewidth=0.6, label=label, **style)
