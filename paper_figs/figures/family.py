"""The optimum's loss for each loss of the family, at several temperatures: the NCE minimum, and the loss downstream."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from paper_figs.style import PAGE, cycle, k_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PRIOR, _C = "zipf:1", 10
_LOSSES = ("logistic", "decoupled", "separable", "exponential", "hinge")
_TEMPERATURES = ("1/5", "1/2", "1", "2")
_KS = tuple(4**i for i in range(7))
#: What is drawn of `L_k`, so that it has a limit (`theory.losses.NORMALIZATIONS`).
_SHOWN = {"subtract_log_k": "$\\min L_k - \\log k$", "divide_by_k": "$\\min L_k / k$", "none": "$\\min L_k$"}


def parts() -> tuple[str, ...]:
    """Each loss at each temperature."""
    return tuple(f"{loss}, T = {temperature}" for loss in _LOSSES for temperature in _TEMPERATURES)


def compute(part: str) -> dict[str, Any]:
    """The minimum of `L_k` and the downstream loss of the minimizer, both bracketed."""
    from theory.losses import get_loss
    from verify import downstream, optimum

    loss, temperature = part.split(", T = ")
    rows = []
    for k in _KS:
        nce = optimum.run(_PRIOR, k, C=_C, loss=loss, temperature=temperature)
        row = {"k": k, "status": nce.status.value, "nce_lower": nce.nce.lower, "nce_upper": nce.nce.upper}
        if _unique(loss, k):
            sup = downstream.run(_PRIOR, k, C=_C, loss=loss, temperature=temperature)
            row["sup_status"] = sup.status.value
            if sup.sup is not None:
                row |= {"sup_lower": sup.sup.lower, "sup_upper": sup.sup.upper}
        rows.append(row)
    return {"loss": loss, "temperature": temperature, "normalization": get_loss(loss).normalization, "rows": rows}


def _unique(loss: str, k: int) -> bool:
    """Whether the downstream loss of the minimizer is determined: it is not for the hinge loss, nor for the decoupled
    loss with one negative, which is linear in the Gram matrix (see `theory.balanced.uniqueness`)."""
    return loss != "hinge" and (loss, k) != ("decoupled", 1)


def draw(parts: dict[str, Any]) -> Figure:
    """One column for each loss."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 3.1))
    panels = figure.subplots(2, len(_LOSSES), sharex=True)
    for column, loss in enumerate(_LOSSES):
        nce, sup = panels[:, column]
        for temperature, style in zip(_TEMPERATURES, cycle(), strict=False):
            data = parts[f"{loss}, T = {temperature}"]
            ks = [row["k"] for row in data["rows"]]
            lower, upper = (
                [normalized(data["normalization"], row[f"nce_{side}"], row["k"]) for row in data["rows"]]
                for side in ("lower", "upper")
            )
            nce.plot(ks, upper, label=f"temperature $T = {temperature}$", **style)
            # the bracket, which is narrower than the line wherever it closes
            nce.vlines(ks, lower, upper, color=style["color"], linewidth=2.2, alpha=0.5)
            if loss != "hinge":
                sup.plot(ks, [row.get("sup_upper", math.nan) for row in data["rows"]], **style)
        nce.set_title(f"{loss}\n{_SHOWN[data['normalization']]}", fontsize=8)
        if loss == "hinge":
            sup.text(
                0.5,
                0.5,
                "not determined:\nthe minimizer\nis not unique",
                ha="center",
                va="center",
                fontsize=7,
                transform=sup.transAxes,
            )
            sup.set_yticks([])
            nce.text(
                0.97,
                0.1,
                "bars: where the\nbracket is open",
                ha="right",
                va="bottom",
                fontsize=6.5,
                transform=nce.transAxes,
            )
        k_axis(sup)
        sup.set_xlabel("")
    figure.supylabel("downstream $L_{\\mathrm{sup}}$        NCE minimum", size=8)
    figure.supxlabel("number of negatives $k$; ten classes with masses proportional to $1, 1/2, \\ldots, 1/10$", size=8)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def normalized(normalization: str, value: float, k: int) -> float:
    """`L_k` as it is drawn."""
    return {"subtract_log_k": value - math.log(k), "divide_by_k": value / k, "none": value}[normalization]
