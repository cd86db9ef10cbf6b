"""[1, Lemma 1]: the loss as classes are collapsed one after the other, and the averaging step of the talk's proof."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from paper_figs.data import NotMeasured, significant
from paper_figs.style import PAGE, cycle, label_panels, state

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOOP = "loop over classes"
_FOUND = "found by search"
_LOSSES = ("logistic", "hinge", "exponential", "separable", "decoupled")
_TRIALS = 80
_STEP_TRIALS = 400
_SEARCH_MINUTES = 10
_BLUE = "#56B4E9"


def parts() -> tuple[str, ...]:
    """The loop over classes, and the averaging step for each loss."""
    return (_LOOP, *_LOSSES, _FOUND)


def compute(part: str) -> dict[str, Any]:
    """Seeded trials of `verify.lemma.trials`; the counterexample by `verify.lemma.search_loss`, past the checker."""
    from theory.balanced import nce_minimum
    from theory.losses import Custom, get_loss
    from verify.checker import check
    from verify.lemma.search_loss import search
    from verify.lemma.trials import run_trials
    from verify.results.digits import round_down

    if part == _LOOP:
        C, k, points, loss = 5, 8, 3, get_loss("logistic")
        tried = run_trials(loss, C=C, points=points, d=C, k=k, rho=np.full(C, 1 / C), trials=_TRIALS)
        generic = [i for i, family in enumerate(tried.families) if family == "generic"]
        path = np.column_stack([tried.margins.averaging.value, tried.margins.loop])[generic]
        shape = {"C": C, "k": k, "points": points}
        return shape | {"loss": significant(path), "minimum": significant(nce_minimum(loss, C, k))}
    C, k, points = 2, 2, 2
    shape = {"C": C, "k": k, "points": points}
    if part != _FOUND:
        tried = run_trials(get_loss(part), C=C, points=points, d=2, k=k, trials=_STEP_TRIALS)
        return shape | {"loss": part, "margin": _sorted(tried.margins.averaging)}
    found = search(C=C, k=k, points=points, d=2, minutes=_SEARCH_MINUTES)
    if found is None:
        raise NotMeasured(f"no loss that breaks the averaging step was found in {_SEARCH_MINUTES} minutes")
    mixture = found.candidate.loss
    tried = run_trials(Custom(mixture), C=C, points=points, d=2, k=k, trials=_STEP_TRIALS)
    proven = {
        "excess_lower": round_down(found.excess_lower),
        "nce": significant(found.value),
        "checker": check(found.certificate()).verdict,
    }
    return shape | {"loss": str(mixture), "margin": _sorted(tried.margins.averaging), "proven": proven}


def draw(parts: dict[str, Any]) -> Figure:
    """Paths on the left; on the right how the margin of the step is distributed: below 0 the step fails."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(PAGE, 2.4))
    left, right = panels = figure.subplots(1, 2)
    _paths(left, parts[_LOOP])
    for name, style in zip(_LOSSES, cycle(), strict=False):
        _distribution(right, parts[name]["margin"], label=name, **(style | {"marker": ""}))
    _distribution(right, parts[_FOUND]["margin"], label=_FOUND, color=_BLUE, linestyle="-", marker="", linewidth=2.2)
    proven = {"color": _BLUE, "marker": "*", "markersize": 9, "markeredgecolor": "black", "linestyle": "none"}
    right.plot(-parts[_FOUND]["proven"]["excess_lower"], 0.0, label="proven", clip_on=False, zorder=5, **proven)
    right.axvline(0.0, color="0.6", linewidth=0.5, linestyle="-", zorder=0)
    right.set_xscale("symlog", linthresh=1e-2)
    right.set_xticks([-1e3, -10, -0.1, 0, 0.1, 10, 1e3])
    right.set_xlabel("margin of the averaging step, $L_k(f) - E_{x^*} L_k(f_{x^*})$")
    right.set_ylabel("share of steps with a smaller margin")
    right.set_ylim(0, 1.02)
    right.legend(loc="upper left")
    label_panels(panels)
    state(figure, "$f_{x^*}$: as $f$, but a whole class is mapped to $f(x^*)$, $x^*$ drawn from it; $T = 1$")
    return figure


def _distribution(axes: Axes, margin: list[float], **style: Any) -> None:
    axes.step(margin, np.arange(1, len(margin) + 1) / len(margin), where="post", **style)


def _paths(axes: Axes, data: dict[str, Any]) -> None:
    path = np.array(data["loss"])
    steps = np.arange(path.shape[1])
    label = f"{len(path)} random representations"
    axes.plot(
        steps, path.T, color="0.6", linewidth=0.5, linestyle="-", marker="", label=[label] + [""] * (len(path) - 1)
    )
    axes.plot(steps, np.median(path, axis=0), color="black", linestyle="-", marker="o", label="median")
    axes.axhline(data["minimum"], color="#D55E00", linestyle="--", label="simplex ETF (the minimum)")
    axes.set_xticks(steps)
    axes.set_xlabel(f"classes collapsed to their best point, of $C = {data['C']}$")
    axes.set_ylabel(f"NCE loss, $k = {data['k']}$ (nats)")
    axes.legend(loc="upper right")


def _sorted(step: Any) -> list[float]:
    """The margins of all trials and classes."""
    found: list[float] = significant(np.sort(np.asarray(step.margin).ravel()))
    return found
