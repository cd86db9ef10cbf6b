"""What `verify.collapse` returns, and its readable report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from verify.results import ProblemRecord, Result, Status, closing

if TYPE_CHECKING:
    from verify.lemma.point_optimization import PointOptimum
    from verify.lemma.summary import AveragingStep, Lemma, LiftingLemma


@dataclass(frozen=True, repr=False)
class CollapseResult(Result):
    """What was found; its fields are the keys of `--json`. `status` speaks of the lemma.

    Attributes:
        problem: its `rho` is the prior of the optimization; `lemma.priors` says what the trials had.
        points: points a class.
        hypotheses: of the loss, on samples; passing is 'no violation found' and never a proof.
        lemma: None where a search found no loss; so is `lifting`.
        optimization: None where it was left out.
        certificate: the file that proves the averaging step refuted, or None.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    points: int
    hypotheses: dict[str, str]
    lemma: Lemma | None
    averaging_step: AveragingStep
    lifting: LiftingLemma | None
    optimization: PointOptimum | None
    note: str
    certificate: str | None
    seconds: float
    versions: dict[str, str]


def report(result: CollapseResult) -> str:
    """The readable report."""
    asked, step = result.problem, result.averaging_step
    lines = [
        f"Lemma 1: C = {asked.C}, k = {asked.k}, {result.points} points a class, d = {asked.d}, loss {asked.loss}, "
        f"temperature {asked.temperature.removesuffix('/1')}"
    ]
    if result.lemma is not None and result.lifting is not None:
        lemma, lifting = result.lemma, result.lifting
        strict = lemma.min_margin_over_spread
        lines += [
            f"  lemma           {lemma.violations} violations in {lemma.trials} representations, smallest margin "
            f"{lemma.min_margin:.2e}",
            f"  strictness      {lemma.strict_trials} not constant on classes"
            + (f", margin >= {strict:.2e} x spread" if strict is not None else ""),
            "  loop            " + " -> ".join(f"{x:.6f}" for x in lemma.example_loop) + " (loss after each class)",
            f"  lifting         {lifting.violations} violations, smallest margins {lifting.min_jensen_margin:.2e} "
            f"(Jensen), {lifting.min_monotonicity_margin:.2e} (monotonicity)",
            f"  averaging step  {step.violations} violations in {step.trials} ({step.confirmed} confirmed), smallest "
            f"margin {step.min_margin:.2e} ({step.min_inside:.2e} inside, {step.min_elsewhere:.2e} elsewhere)",
        ]
    if step.witness is not None:
        lines.append(f"  averaging step {step.status.value}:")
        shown = {key: value for key, value in step.witness.items() if not isinstance(value, list)}
        lines += [f"    {key} = {value}" for key, value in shown.items()]
    if result.optimization is not None:
        best = result.optimization
        lines.append(
            f"  optimization    loss {best.loss:.12g} over points, {best.class_level:.12g} at class level, "
            f"within-class spread {best.within_class_spread:.1e} ({best.converged} of {best.starts} starts converged)"
        )
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])
