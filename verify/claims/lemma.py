"""Lemma 1 of [1], each step of its proofs, and the loss for which one of them fails."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from theory.claims import Claim, Outcome
from verify.claims.outcomes import PROSE, symbolic, tried, word

if TYPE_CHECKING:
    from verify.results.collapse import CollapseResult

_TRIALS = 100

#: The steps of general statements, in the order of their proofs.
LIFTING = ("jensen", "class-mean-norm", "mean-margin", "lifting-inequality")
MEMBERS = ("log-sum-exp-convex", "log-sum-exp-submodular", "sums-of-exponentials")


@cache
def _collapse() -> CollapseResult:
    """The logistic loss on points: one run serves every claim about it."""
    from verify import collapse

    return collapse.run("logistic", C=3, k=4, points=3, trials=_TRIALS)


def _lemma() -> Outcome:
    result = _collapse()
    assert result.lemma is not None
    lemma = result.lemma
    return Outcome(
        word(result.status),
        f"{lemma.violations} violations in {lemma.trials} representations, smallest margin {lemma.min_margin:.1e}",
    )


def _lifting() -> Outcome:
    lifting = _collapse().lifting
    assert lifting is not None
    return tried(lifting.violations, lifting.trials, min(lifting.min_jensen_margin, lifting.min_monotonicity_margin))


def _averaging() -> Outcome:
    step = _collapse().averaging_step
    assert step.min_inside is not None and step.min_elsewhere is not None
    return Outcome(
        word(step.status),
        f"{step.violations} violations in {step.trials}, smallest margins {step.min_inside:.1e} for anchors inside, "
        f"{step.min_elsewhere:.1e} elsewhere",
    )


def _gap(every_point: bool) -> Outcome:
    from verify.checker import check
    from verify.lemma.search_loss import search

    found = search(every_point=every_point)
    if found is None or check(found.certificate()).verdict != "accepted":
        return Outcome("undecided", "no counterexample was found and accepted")
    excess = float(found.excess_lower)
    return Outcome("proved", f"start {found.starts}: L(f) = {found.value:.6g}, excess >= {excess:.6g}, accepted")


def _direct() -> Outcome:
    best = _collapse().optimization
    assert best is not None
    closed = abs(best.loss - best.class_level) <= 1e-10 * max(1.0, best.class_level)
    settled = closed and best.within_class_spread <= 1e-6 and best.converged > 0
    return Outcome(
        "numerical" if settled else "undecided",
        f"within-class spread {best.within_class_spread:.1e}, loss {best.loss - best.class_level:+.1e} off class level",
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "lemma-1",
        "for every representation f some representation that is constant on classes has no larger NCE loss",
        "[1, Lemma 1]",
        ("l strictly convex, symmetric, non-increasing", "any prior, k and d"),
        ("averaging-step",),
        "exact losses of random and adversarial representations: the loop over classes and the lifting",
        _lemma,
    ),
    Claim(
        "lemma-1-lifting",
        "the same for d >= C, with f~_c = (E[f|c], sqrt(1 - |E[f|c]|^2) e_c); no symmetry is needed",
        "derived: theory.points.lifting",
        ("l convex and non-increasing", "d >= C"),
        LIFTING,
        f"symbolic steps, for any loss that is so, any C, k, d, prior and number of points; {PROSE}",
        lambda: symbolic(*LIFTING),
    ),
    Claim(
        "lemma-1-lifting-instances",
        "both inequalities of the lifting, for the logistic loss",
        "derived: theory.points.lifting",
        ("logistic loss", "C = 3, k = 4, 3 points a class"),
        ("lemma-1-lifting", "family-members"),
        "exact losses of random and adversarial representations, in floats",
        _lifting,
    ),
    Claim(
        "family-members",
        "log(1 + sum e^-v_i), log sum e^-v_i, sum e^-v_i and sum log(1 + e^-v_i) are convex and fall in each margin",
        "derived: theory.symbolic.log_sum_exp",
        ("logistic, decoupled, exponential and separable loss",),
        MEMBERS,
        f"symbolic, for any number of margins; {PROSE}",
        lambda: symbolic(*MEMBERS),
    ),
    Claim(
        "averaging-step",
        "E_x*[L(f_x*)] <= L(f), f_x* mapping one class to the embedding of one of its points x*",
        "[1, proof of Lemma 1]; derived: theory.points.averaging",
        ("l convex, symmetric, non-increasing and submodular (checked for logistic)",),
        ("log-sum-exp-submodular",),
        "exact margins on representations, for anchors inside and outside of the class",
        _averaging,
    ),
    Claim(
        "averaging-step-gap",
        "without submodularity the averaging step is false: a strictly convex, symmetric, decreasing loss breaks it",
        "derived: verify.lemma.search_loss",
        ("l strictly convex, symmetric, strictly decreasing",),
        (),
        "search over losses and representations; exact enumeration in ball arithmetic; the checker",
        lambda: _gap(every_point=False),
        compiled=True,
    ),
    Claim(
        "averaging-conclusion-gap",
        "nor need any single point do: a loss, an f and a class for which every x* has L(f_x*) > L(f)",
        "derived: verify.lemma.search_loss",
        ("l strictly convex, symmetric, strictly decreasing",),
        (),
        "the same search for the best point instead of the average",
        lambda: _gap(every_point=True),
        compiled=True,
    ),
    Claim(
        "collapse-by-optimization",
        "minimizing the NCE loss over all points ends constant on classes, at the class-level optimum",
        "[1, Lemma 1]",
        ("logistic loss", "C = 3, k = 4, uniform prior"),
        ("lemma-1",),
        "Riemannian trust region over points from random starts",
        _direct,
    ),
)
