"""The optimal geometry for unbalanced classes as `k` grows: Gram matrices, and three classes as vectors."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figs.data import significant
from paper_figs.space import arrow, draw_circle
from paper_figs.style import PAGE, state
from theory.geometry import from_gram

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KS: dict[str, int | float] = {"k = 1": 1, "k = 16": 16, "k = 256": 256, "k = inf": math.inf}
#: Colour and width of the three vectors.
_VECTORS = (("#000000", 2.0), ("#0072B2", 1.4), ("#D55E00", 0.9))
_PRIORS = {"6 classes": ("longtail:100", 6), "3 classes": ("0.8,0.15,0.05", 3)}


def parts() -> tuple[str, ...]:
    """Each prior at each `k`."""
    return tuple(f"{classes}, {k}" for classes in _PRIORS for k in _KS)


def compute(part: str) -> dict[str, Any]:
    """The optimal Gram matrix by `verify.optimum`, with its proven radius where there is one."""
    from verify import optimum
    from verify.results import k_as_json

    classes, name = part.split(", ")
    text, C = _PRIORS[classes]
    result = optimum.run(text, _KS[name], C=C)
    return {
        "k": k_as_json(result.problem.k),
        "rho": list(result.problem.rho),
        "status": result.status.value,
        "gram": significant(result.gram),
        "radius": result.gram_radius,
    }


def draw(parts: dict[str, Any]) -> Figure:
    """Above the matrices with their entries, below the three vectors in the plane that they span."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure(figsize=(PAGE, 3.75))
    panels = figure.subplots(2, len(_KS), height_ratios=[1, 1])
    for column, name in enumerate(_KS):
        many, three = (parts[f"{classes}, {name}"] for classes in _PRIORS)
        panels[0, column].set_title("$k = \\infty$" if many["k"] == "inf" else f"${name}$")
        image = _matrix(panels[0, column], many)
        _vectors(panels[1, column], three)
        panels[0, column].set_yticks(range(len(many["rho"])), _masses(many, 3) if column == 0 else [])
        panels[0, column].set_xlabel("class", labelpad=1)
    panels[0, 0].set_ylabel("six classes: mass of the class")
    panels[1, 0].text(
        -0.28, 0.5, "three classes", rotation=90, ha="center", va="center", transform=panels[1, 0].transAxes
    )
    state(figure, "certified optimum, logistic loss, $T = 1$")
    lines = [Line2D([], [], color=color, linestyle="-", linewidth=width) for color, width in _VECTORS]
    labels = [f"$u_{c}$: class of mass {mass}" for c, mass in enumerate(_masses(three, 2), start=1)]
    figure.legend(lines, labels, loc="outside lower center", ncols=3)
    figure.colorbar(image, ax=list(panels[0]), label="cosine", shrink=0.9, ticks=[-1, -0.5, 0, 0.5, 1], pad=0.01)
    return figure


def _masses(data: dict[str, Any], digits: int) -> list[str]:
    return [f"{float(Fraction(mass)):.{digits}f}" for mass in data["rho"]]


def _matrix(axes: Axes, data: dict[str, Any]) -> Any:
    G = np.array(data["gram"])
    image = axes.imshow(G, vmin=-1, vmax=1)
    for i, j in np.ndindex(*G.shape):
        text = f"{G[i, j]:.2f}".replace("-0.", "−.").replace("0.", ".").replace("1.00", "1")
        axes.text(j, i, text, ha="center", va="center", fontsize=5.5, color="white" if G[i, j] < 0.1 else "black")
    axes.set_xticks(range(len(G)), [str(c) for c in range(1, len(G) + 1)])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _vectors(axes: Axes, data: dict[str, Any]) -> None:
    U = from_gram(np.array(data["gram"]), 2)[:, ::-1]
    # the majority upwards, the second class on the left
    turn = np.array([[U[0, 1], -U[0, 0]], [U[0, 0], U[0, 1]]])
    U = U @ turn.T
    if U[1, 0] > 0:
        U[:, 0] *= -1
    draw_circle(axes)
    for c, tip in enumerate(U):
        arrow(axes, tip, *_VECTORS[c])
        axes.text(1.2 * tip[0], 1.2 * tip[1], f"$u_{c + 1}$", ha="center", va="center")
    cosine = data["gram"][1][2]
    axes.text(0, -1.5, f"cos$(u_2, u_3) = {cosine:.2f}$", ha="center", va="center", fontsize=7)
    axes.set_xlim(-1.35, 1.35)
    axes.set_ylim(-1.6, 1.3)
