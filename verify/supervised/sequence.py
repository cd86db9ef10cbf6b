"""The downstream loss along a list of `k`, proven where it can be, as narrow as the neighbours ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

from theory.errors import InputError
from theory.problem import Problem
from verify.certify.losses import Sum, find
from verify.supervised.bracket import Bracket, enclose_loss
from verify.supervised.estimate import estimate
from verify.supervised.minimizer import Enclosing, Minimizer

CLASSIFIERS = ("optimal", "mean")
#: An estimate wider than this, relative to max(1, value), has too few digits to be of use.
TOLERANCE = 1e-9
_WIDTH = Fraction(1, 10**14)
_ROUNDS = 5


@dataclass(frozen=True)
class Point:
    """What is known at one `k`.

    Attributes:
        sup: the downstream loss; None where neither a proof nor an estimate supports a digit of it.
        error: how far from it the downstream loss can be, by the proof or the estimate.
        minimizer, bracket: the proofs (None where there is none).
        nce: proven bounds on the minimum of `L_k`.
        note: what is missing.
    """

    k: int | float
    sup: float | None
    error: float | None
    minimizer: Minimizer | None
    bracket: Bracket | None
    nce: tuple[Fraction, Fraction] | None
    note: str = ""


def point(enclosing: Enclosing, weighting: str, classifier: str, width: Fraction = _WIDTH) -> Point:
    """The downstream loss of one problem, proven to about `width` if it can be, else estimated."""
    problem = enclosing.problem
    if find(problem.loss_name) is None:
        return _other(problem)
    proof = enclose_loss(enclosing, weighting, classifier, width)
    if not isinstance(proof, str):
        minimizer, found = proof
        middle, half = (found.lower + found.upper) / 2, (found.upper - found.lower) / 2
        return Point(problem.k, float(middle), float(half), minimizer, found, enclosing.nce_bounds(minimizer))
    return estimated(enclosing, weighting, classifier, proof)


def estimated(enclosing: Enclosing, weighting: str, classifier: str, proof: str = "") -> Point:
    """The downstream loss of one problem in double precision, if the estimate of its error supports it.

    `proof` says why there is none.
    """
    k, near = enclosing.problem.k, estimate(enclosing, weighting, classifier)
    if isinstance(near, str):
        return _unknown(k, "; ".join(dict.fromkeys(filter(None, (proof, near)))))
    sup, error = (near.lower + near.upper) / 2, (near.upper - near.lower) / 2
    if error > TOLERANCE * max(1.0, abs(sup)):
        return _unknown(k, "; ".join(filter(None, (proof, f"the estimated error is {error:.0e}"))))
    return Point(k, sup, error, None, None, None, proof)


def _unknown(k: int | float, note: str) -> Point:
    return Point(k, None, None, None, None, None, note)


def _other(problem: Problem) -> Point:
    """For a loss whose minimizer need not be unique: at the simplex ETF, where it is one."""
    prior, k = problem.population, problem.k
    if not (prior.is_uniform and problem.loss.convex and problem.d >= prior.C - 1):
        return _unknown(k, f"the minimizer of the loss '{problem.loss.name}' need not be unique: nothing is said of it")
    from theory.balanced import downstream_minimum

    # at w_c = u_c, for every convex and non-increasing loss (theory.balanced)
    value = downstream_minimum(problem.loss, prior.C, float(problem.beta))
    return Point(k, value, 1e-14 * max(1.0, abs(value)), None, None, None, "at the simplex ETF, one of the minimizers")


def sequence(
    problems: Sequence[Problem],
    weighting: str,
    classifier: str,
    *,
    by_class: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Point]:
    """Bracket the downstream loss of the minimizers of problems that differ in `k`, until neighbours are apart.

    Each `k` is solved for itself: what is found does not depend on the others, only how narrow a bracket is made.
    Neighbours whose minimizers are the same by structure need not be apart. Nothing is proved at a `k` that is not an
    integer. With `by_class` equal classes are not taken together, as certificates need it.

    Raises:
        InputError: if the classifier is not one of `CLASSIFIERS`.
    """
    if classifier not in CLASSIFIERS:
        raise InputError("classifier", classifier, f"accepted: {' or '.join(CLASSIFIERS)}")
    say = progress or (lambda _: None)
    enclosings = [Enclosing(problem, by_class=by_class) for problem in problems]
    points: list[Point] = []
    known: dict[str, Point] = {}
    for enclosing in enclosings:
        structure, k = enclosing.structure, enclosing.problem.k
        say(f"k = {k}: " + ("proving" if structure is None else "known by structure"))
        if structure is None or structure not in known:
            found = point(enclosing, weighting, classifier)
        else:
            shared = known[structure]
            nce = None if shared.minimizer is None else enclosing.nce_bounds(shared.minimizer)
            found = replace(shared, k=k, nce=nce)
        points.append(found)
        if structure is not None:
            known[structure] = found
    for round_ in range(1, _ROUNDS):
        close = {i for i, pair in enumerate(pairwise(points)) if not is_decided(problems[i].loss_name, *pair)}
        for i in sorted(close | {i + 1 for i in close}):
            minimizer = points[i].minimizer
            if minimizer is not None and minimizer.radius > 0:
                say(f"k = {points[i].k}: refining, round {round_}")
                points[i] = point(enclosings[i], weighting, classifier, _WIDTH / 10 ** (6 * round_))
    return points


def same(loss_name: str, first: Point, second: Point) -> bool:
    """Whether the two minimizers are exactly the same: by structure, or as `L_k = k L_1`."""
    a, b = first.minimizer, second.minimizer
    if isinstance(find(loss_name), Sum):
        return a is not None and b is not None
    return a is not None and b is not None and a.structure is not None and a.structure == b.structure


def is_decided(loss_name: str, first: Point, second: Point) -> bool:
    """Whether nothing is left to decide between these two, or nothing can be."""
    a, b = first.bracket, second.bracket
    if a is None or b is None or same(loss_name, first, second):
        return True
    return b.upper <= a.lower or a.upper < b.lower
