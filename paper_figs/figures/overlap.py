"""Where the tradeoff exists: the rise of the downstream loss from one negative to k, over overlap and k."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paper_figs.style import PAGE, label_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KS = tuple(2**i for i in range(13))
_OVERLAPS = tuple(n / 40 for n in range(1, 40))
_CASES = ((3, 1.0), (10, 1.0), (3, 2.0))
_POINTS = 8


def parts() -> tuple[str, ...]:
    """One map for each number of classes and temperature."""
    return tuple(f"C = {C}, beta = {beta:g}" for C, beta in _CASES)


def compute(part: str) -> dict[str, Any]:
    """`L_sup(k) - L_sup(1)` of the block family, and the threshold at each k, in double precision."""
    from theory.augmentation.block import downstream_loss, with_overlap
    from theory.augmentation.thresholds import uniform_threshold
    from theory.losses import get_loss

    C, beta = next(case for case in _CASES if part == f"C = {case[0]}, beta = {case[1]:g}")
    rises = []
    for overlap in _OVERLAPS:
        family = with_overlap(C, _POINTS, overlap)
        cosines = [family.cosine("logistic", k, beta) for k in _KS]
        losses = [downstream_loss(C, _POINTS, g, family.between(g), beta) for g in cosines]
        rises.append([loss - losses[0] for loss in losses])
    thresholds = [uniform_threshold(get_loss("logistic"), C, k, beta) for k in _KS]
    return {"C": C, "beta": beta, "rises": rises, "thresholds": thresholds}


def draw(parts: dict[str, Any]) -> Figure:
    """One panel a map; above the white line classes are collapsed."""
    import numpy as np
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.5))
    panels = figure.subplots(1, len(parts), sharey=True)
    most = max(max(max(row) for row in data["rises"]) for data in parts.values())
    for axes, data in zip(panels, parts.values(), strict=True):
        shown = axes.pcolormesh(
            _KS,
            _OVERLAPS,
            np.array(data["rises"]),
            cmap="viridis",
            vmin=0,
            vmax=most,
            shading="nearest",
            rasterized=True,
        )
        axes.plot(_KS, data["thresholds"], color="white", linewidth=1.4, marker="")
        axes.set_xscale("log", base=2)
        axes.set_xticks([1, 16, 256, 4096], ["1", "16", "256", "4096"])
        axes.set_xlabel("number of negatives $k$")
        temperature = "1" if data["beta"] == 1 else f"1/{data['beta']:g}"
        axes.set_title(f"$C = {data['C']}$, $T = {temperature}$")
        axes.set_ylim(0, 1)
    panels[0].set_ylabel("overlap of augmentations")
    figure.colorbar(shown, ax=list(panels), label="$L_{\\mathrm{sup}}(k) - L_{\\mathrm{sup}}(1)$ (nats)", shrink=0.9)
    label_panels(panels)
    return figure
