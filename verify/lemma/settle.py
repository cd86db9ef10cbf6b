"""Lemma 1 and the steps of its proofs, settled for one loss; and the averaging step, refuted by a counterexample."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from theory.errors import InputError
from theory.losses import LossLike
from theory.priors import Prior, uniform
from theory.problem import ExactNumber, Number, Problem, Whole
from verify.certify.document import text
from verify.checker import check
from verify.files.delivery import deliver
from verify.lemma.averaging_excess import Counterexample
from verify.lemma.hypotheses import require
from verify.lemma.point_optimization import optimize_points
from verify.lemma.summary import AveragingStep, summarize
from verify.lemma.trials import run_trials
from verify.results import ProblemRecord, Status, versions
from verify.results.collapse import CollapseResult
from verify.results.digits import round_down, round_up

PACKAGES = ("jax", "numpy", "python-flint")
_MAX_MARGINS = 10**9
#: Of the representations that are tried, and of the copies that the lemma's steps make of some at a time; within 4 GB.
_MAX_NUMBERS, _COPIES = 2 * 10**8, 200


def checked_problem(
    C: int,
    k: Number,
    points: int,
    d: Whole | None,
    trials: int,
    rho: Prior | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
) -> Problem:
    """The problem that is tried, with a uniform prior where none is given.

    Raises:
        InputError: for a parameter out of range, or too much work.
    """
    for option, given, least in (("C", C, 2), ("points", points, 1), ("trials", trials, 1)):
        if given < least:
            raise InputError(option, given, f"accepted: an integer >= {least}")
    problem = Problem(uniform(C) if rho is None else rho, k, d, loss, temperature)
    if not isinstance(problem.k, int):
        raise InputError("k", k, "accepted: an integer")
    if trials * C**3 * points**4 * (C * points + 1) > _MAX_MARGINS:
        raise InputError("trials", trials, f"more than {_MAX_MARGINS} margins at this --C and --points")
    if (trials + _COPIES) * C * points * problem.d > _MAX_NUMBERS:
        raise InputError("d", problem.d, f"more than {_MAX_NUMBERS} numbers at this --C, --points and --trials")
    return problem


def settle(problem: Problem, points: int, effort: tuple[int, int, int], *, drawn: bool) -> CollapseResult:
    """The trials and the optimization for one loss; `effort` is (trials, starts, seed).

    With `drawn` each trial draws a prior of its own.
    """
    begun = time.perf_counter()
    trials, starts, seed = effort
    C, k, d, loss, beta = problem.population.C, problem.integer_k, problem.d, problem.loss, float(problem.beta)
    hypotheses = require(problem, seed=seed)
    if not loss.is_exact(C * points, k):
        raise InputError("k", k, f"a loss of one's own is enumerated: too many draws of k out of {C * points} points")
    prior = problem.population.as_array()
    masses = None if drawn else prior
    tried = run_trials(loss, C=C, points=points, d=d, k=k, beta=beta, rho=masses, trials=trials, seed=seed)
    lemma, averaging_step, lifting = summarize(tried)
    optimization = None
    if starts > 0 and loss.smooth:
        optimization = optimize_points(loss, prior, points=points, d=d, k=k, beta=beta, starts=starts, seed=seed)
    return CollapseResult(
        claim="lemma-1",
        # a margin in floats is never a proof, neither of the lemma nor against it
        status=Status.UNDECIDED if lemma.violations else Status.NUMERICAL,
        problem=ProblemRecord.of(problem),
        points=points,
        hypotheses=hypotheses,
        lemma=replace(lemma, priors="drawn for each trial" if drawn else "as given"),
        averaging_step=averaging_step,
        lifting=lifting,
        optimization=optimization,
        note="" if loss.smooth else "not optimized over points: the loss is not smooth",
        certificate=None,
        seconds=time.perf_counter() - begun,
        versions=versions(*PACKAGES),
    )


def refuted(
    step: AveragingStep, counterexample: Counterexample, path: Path | str | None
) -> tuple[AveragingStep, str | None]:
    """The step's summary with the proven witness; `refuted` only once the checker has accepted the certificate."""
    certificate = counterexample.certificate()
    verdict = check(certificate)
    accepted = verdict.verdict == "accepted"
    witness = {
        "loss": str(counterexample.candidate.loss),
        "class": counterexample.candidate.collapsed,
        "excess_of": "every point" if counterexample.every_point else "average",
        "excess_lower": round_down(counterexample.excess_lower),
        "excess_upper": round_up(counterexample.excess_upper),
        "nce": counterexample.value,
        "best_single_point_margin": counterexample.best_margin,
        "search_starts": counterexample.starts,
        "search_seconds": counterexample.seconds,
        "checker": verdict.verdict,
    }
    place = deliver(path, text(certificate).encode("ascii")) if accepted and path is not None else None
    status = Status.REFUTED if accepted else Status.UNDECIDED
    return replace(step, status=status, witness=witness), None if place is None else str(place)
