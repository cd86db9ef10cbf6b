"""What a batch of trials says about the lemma, the averaging step and the lifting lemma."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.lemma.trials import Trials, enumerated_margin
from verify.results import Status

STRICT_SPREAD = 1e-8
MAX_ENUMERATED = 100


@dataclass(frozen=True)
class Lemma:
    """The lemma on the trials.

    Attributes:
        trials: representations that were tried.
        violations: margins below `-1e-12 max(1, L)`.
        min_margin: the smallest `L(f) - L(f~)`.
        strict_trials: trials that are not constant on classes (spread above 1e-8).
        min_margin_over_spread: over those, the smallest `(L(f) - L(f~)) / sum_c rho_c E|f - mu_c|^2`, positive where
            the lemma is strict; None if there are none.
        max_loop_increase: the largest increase of the loss in the loop over classes (<= 0 if no step raises it).
        example_loop: for the first trial, the loss at the start and after each class.
        priors: whether the trials had a given prior, or one each.
    """

    trials: int
    violations: int
    min_margin: float
    strict_trials: int
    min_margin_over_spread: float | None
    max_loop_increase: float
    example_loop: list[float]
    priors: str = ""


@dataclass(frozen=True)
class LiftingLemma:
    """The two steps of the lifting lemma, whose `f~` fits into `C` dimensions: the smallest margin of each."""

    trials: int
    violations: int
    min_jensen_margin: float
    min_monotonicity_margin: float


@dataclass(frozen=True)
class AveragingStep:
    """The step `E_x*[L(f_x*)] <= L(f)` for every trial and class.

    Attributes:
        status: `numerical` without violations; `refuted` with a witness that the checker accepted; else `undecided`.
        trials: pairs of a representation and a class.
        violations: margins below `-1e-12 max(1, L)`.
        confirmed: how many of the violations were found again by enumerating all draws; the worst `MAX_ENUMERATED` are
            tried, and none where there are too many draws.
        min_margin: the smallest margin.
        min_inside: the smallest part of anchors in the collapsed class.
        min_elsewhere: the smallest part of all other anchors.
        witness: the worst violation, with the same margin by enumeration; or what the certificate proves; or None.
    """

    status: Status
    trials: int
    violations: int
    confirmed: int
    min_margin: float | None
    min_inside: float | None
    min_elsewhere: float | None
    witness: dict[str, Any] | None


def summarize(trials: Trials) -> tuple[Lemma, AveragingStep, LiftingLemma]:
    """The three summaries; the lifted `f~` counts for the lemma where it fits into the dimension of `f`."""
    margins = trials.margins
    first = trials.representations[0]
    C, d = len(first.rho), np.shape(first.embeddings)[1]
    lemma_margin = margins.lemma(lift=d >= C)
    values = np.asarray(margins.averaging.value)
    loop = np.concatenate([values[:, None], margins.loop], axis=1)
    spread = np.asarray(margins.spread)
    strict = spread > STRICT_SPREAD
    lemma = Lemma(
        trials=len(values),
        violations=len(trials.violated(lemma_margin)),
        min_margin=float(np.min(lemma_margin)),
        strict_trials=int(np.sum(strict)),
        min_margin_over_spread=float(np.min(lemma_margin[strict] / spread[strict])) if strict.any() else None,
        max_loop_increase=float(np.max(np.diff(loop, axis=1))),
        example_loop=[float(x) for x in loop[0]],
    )
    jensen = values - np.asarray(margins.lifting.middle)
    monotonicity = np.asarray(margins.lifting.middle - margins.lifting.lifted)
    lifting = LiftingLemma(
        trials=len(values),
        violations=len(trials.violated(np.stack([jensen, monotonicity], axis=1))),
        min_jensen_margin=float(np.min(jensen)),
        min_monotonicity_margin=float(np.min(monotonicity)),
    )
    return lemma, _averaging(trials), lifting


def _averaging(trials: Trials) -> AveragingStep:
    step = trials.margins.averaging
    margin = np.asarray(step.margin)
    violations = sorted((tuple(int(i) for i in at) for at in trials.violated(margin)), key=lambda at: margin[at])
    enumerated = [enumerated_margin(trials, *at) for at in violations[:MAX_ENUMERATED]]
    witness = None
    if violations:
        trial, class_ = violations[0]
        f = trials.representations[trial]
        witness = {
            "family": trials.families[trial],
            "trial": trial,
            "class": class_,
            "margin": float(margin[trial, class_]),
            "margin_by_enumeration": enumerated[0],
            "rho": np.asarray(f.rho).tolist(),
            "labels": np.asarray(f.labels).tolist(),
            "weights": np.asarray(f.weights).tolist(),
            "embeddings": np.asarray(f.embeddings).tolist(),
        }
    return AveragingStep(
        status=Status.UNDECIDED if violations else Status.NUMERICAL,
        trials=margin.size,
        violations=len(violations),
        confirmed=sum(value is not None and value < 0 for value in enumerated),
        min_margin=float(np.min(margin)),
        min_inside=float(np.min(step.inside)),
        min_elsewhere=float(np.min(step.elsewhere)),
        witness=witness,
    )
