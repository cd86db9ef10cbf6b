"""What `verify.embeddings` computes, from points that are checked already.

Proofs need python-flint, which what is measured at every epoch does without; so they are loaded where they are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from theory.augmentation.thresholds import collapse_thresholds
from theory.errors import InputError
from theory.problem import ExactNumber, Number, Problem
from verify import limits
from verify.results import ProblemRecord, Status, versions, weakest
from verify.trained.downstream import downstream, prior_bounds
from verify.trained.geometry import class_means, collapse, cosines
from verify.trained.loss import loss_of, moments
from verify.trained.measures import Measures, measures
from verify.trained.optimum import optimum
from verify.trained.points import Points

if TYPE_CHECKING:
    from verify.trained.result import Compared, EmbeddingsResult

Progress = Callable[[str], None]

_PACKAGES = ("numpy", "scipy", "python-flint")


def measured(
    given: Points, problem: Problem, anchors: int | None, seed: int, say: Progress, xp: Any = None
) -> Measures:
    """The numbers that are cheap enough for every epoch."""
    say("the minimum")
    best = optimum(problem)
    module = {} if xp is None else {"xp": xp}
    rows = moments(given, problem.k, float(problem.beta), anchors=anchors, seed=seed, **module, progress=say)
    return measures(given, loss_of(given, rows, problem, (best.lower, best.upper)), best)


def examined(given: Points, problem: Problem, anchors: int | None, seed: int, say: Progress) -> EmbeddingsResult:
    """Everything."""
    from verify.trained.changes import changes
    from verify.trained.result import EmbeddingsResult, Ends

    begun = time.perf_counter()
    k, beta, C = problem.k, float(problem.beta), problem.population.C
    say("the minimum")
    best = optimum(problem)
    enclosable = given.n <= limits.ENCLOSED_POINTS and isinstance(k, int)
    rows = moments(given, k, beta, anchors=anchors, seed=seed, wide=enclosable, progress=say)
    enclose = enclosable and len(rows.labels) == given.n
    say("enclosing the loss" if enclose else "integrating")
    loss = loss_of(given, rows, problem, (best.lower, best.upper), enclose=enclose)
    say("downstream")
    means = class_means(given)
    head = downstream(given, means, beta)
    status = best.status if best.status is not Status.PROVED or loss.enclosed is not None else Status.NUMERICAL
    notes = []
    if given.d < C - 1:
        notes.append(f"d < C-1: the minimum is that of the convex relaxation, which {given.d} dimensions may not reach")
    if loss.distinct is None:
        notes.append("a class of one point has no distinct pairs")
    if loss.anchors < given.n:
        notes.append(f"the loss is a mean over {loss.anchors} anchors, drawn in each class")
    elif loss.enclosed is None and isinstance(k, int):
        notes.append(f"the loss of more than {limits.ENCLOSED_POINTS} points is not enclosed")
    return EmbeddingsResult(
        claim="embeddings",
        status=status,
        problem=replace(ProblemRecord.of(problem), d=given.d),
        points=given.n,
        points_by_class=tuple(given.counts.tolist()),
        deviation=given.deviation,
        loss=loss,
        cosines=cosines(means, best),
        collapse=collapse(given, means, head.classifier),
        sup=Ends(*head.sup),
        mean_classifier=Ends(head.mean_classifier, head.mean_classifier),
        accuracy=head.accuracy,
        bounds=prior_bounds(given, k, loss.value, beta),
        spectral_gaps=tuple(collapse_thresholds(problem.loss, best.gram, given.rho, k, beta).tolist()),
        changes=changes(problem, rows, progress=say),
        note="; ".join(notes),
        seconds=time.perf_counter() - begun,
        versions=versions(*_PACKAGES),
    )


def compared(
    sets: Iterable[tuple[str, Points]],
    k: Number,
    temperature: ExactNumber,
    anchors: int | None,
    seed: int,
    say: Progress,
) -> Compared:
    """The numbers of `measured` for each set of points.

    Raises:
        InputError: if the priors differ, or there are no sets.
    """
    from verify.trained.result import Compared

    begun = time.perf_counter()
    problem, d, series, settled = None, 0, [], [Status.NUMERICAL]
    for name, given in sets:
        if problem is None:
            problem, d = Problem(given.prior, k, temperature=temperature), given.d
        if given.prior.rho != problem.population.rho:
            raise InputError("compare", name, "all files need the same class prior; or give --rho")
        entry = measured(given, problem, anchors, seed, partial(_said, say, name))
        settled.append(entry.status)
        series.append({"file": name, "points": given.n, "d": given.d, **entry.to_dict()})
    if problem is None:
        raise InputError("compare", "no files", "accepted: one file or more")
    return Compared(
        claim="embeddings",
        status=weakest(settled),
        problem=replace(ProblemRecord.of(problem), d=d),
        series=tuple(series),
        note="d < C-1: the minimum is that of the convex relaxation" if d < problem.population.C - 1 else "",
        seconds=time.perf_counter() - begun,
        versions=versions(*_PACKAGES),
    )


def _said(say: Progress, name: str, text: str) -> None:
    say(f"{name}: {text}")
