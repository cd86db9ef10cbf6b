"""Proven brackets of the downstream loss along a list of `k`, in the number of groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from theory.errors import InputError
from verify.groups.downstream import GroupedDownstream
from verify.supervised.minimizer import Minimizer
from verify.supervised.sequence import Point, Task, apart
from verify.supervised.series import CLASSIFIERS

_WIDTH = Fraction(1, 10**14)
_ROUNDS = 3


def grouped_sequence(
    task: Task, ks: Sequence[int | float], *, progress: Callable[[str], None] | None = None
) -> list[Point]:
    """The points of `verify.supervised.sequence.sequence`, with neighbours that overlap refined a few times.

    Raises:
        InputError: if the classifier is not one of `verify.supervised.series.CLASSIFIERS`.
    """
    if task.classifier not in CLASSIFIERS:
        raise InputError("classifier", task.classifier, f"accepted: {' or '.join(CLASSIFIERS)}")
    say = progress or (lambda _: None)
    points, problems = [], []
    for k in ks:
        say(f"k = {k}: proving")
        problems.append(GroupedDownstream(task.prior, k, loss=task.loss.name, temperature=task.temperature, d=task.d))
        points.append(_point(task, problems[-1], _WIDTH))
    for round_ in range(1, _ROUNDS):
        close = {i for i, pair in enumerate(pairwise(points)) if not apart(task, *pair)}
        for i in sorted(close | {i + 1 for i in close}):
            known = points[i].minimizer
            if known is not None and known.radius > 0:
                say(f"k = {ks[i]}: refining, round {round_}")
                points[i] = _point(task, problems[i], _WIDTH / 10 ** (8 * round_))
    return points


def _point(task: Task, problem: GroupedDownstream, width: Fraction) -> Point:
    sup = problem.value(task.weighting, task.classifier)
    if not isinstance(problem.k, int):
        return Point(problem.k, sup, None, None, "nothing is proved at a k that is not an integer")
    proof = problem.best(task.weighting, task.classifier, width)
    if isinstance(proof, str):
        return Point(problem.k, sup, None, None, proof)
    found, bracket = proof
    nce = found.nce or problem.nce_bounds()
    # no certificate is made of it, so there is no witness
    minimizer = Minimizer(found.cosines, found.radius, found.rank, found.structure, nce, {})
    return Point(problem.k, sup, minimizer, bracket)
