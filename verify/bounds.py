"""`python -m verify.bounds`: four prior bounds on the downstream loss, beside the exact values.

The bounds are functions of the NCE loss `R`, the prior and `k` (`theory.bounds`), stated for the loss of the mean
classifier. They are evaluated at the minimizer of `L_k`, or at embeddings of one's own.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from theory.objectives import get_objective
from theory.problem import ExactNumber, Number, Problem, Whole
from verify import cli, limits
from verify.files.priors import PriorLike, read_prior
from verify.results import ProblemRecord, Result, Status, closing, versions
from verify.results.series import reported, run_each

if TYPE_CHECKING:
    import numpy as np

    from theory.losses import LossLike
    from theory.objectives import ObjectiveLike

#: A bound is called violated if the exact value is beyond it by more than rounding.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Exact:
    """The values that the bounds are about, in double precision, at the same representation.

    Attributes:
        nce: `R = L_k` (for `k = inf` the limit of `L_k - log k`).
        sup: loss of the best unit-norm classifier.
        mean_classifier: loss of `w_c = u_c`, which the bounds are stated for.

    The last two are None where neither a proof nor an estimate of the minimizer's error supports their digits.
    """

    nce: float
    sup: float | None
    mean_classifier: float | None


@dataclass(frozen=True)
class Value:
    """A bound, or why it has no value; `log` is its natural logarithm, which the range of doubles does not limit."""

    value: float | None
    reason: str | None
    log: float | None


@dataclass(frozen=True, repr=False)
class BoundsResult(Result):
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        status: `numerical` if the exact values were found to floating-point tolerance, else `undecided`.
        at: "minimizer" of the NCE loss, or "embeddings" that were given.
        bounds: by name; see `theory.bounds` for the source of each, and for what is derived or from memory.
        violated: names of bounds that the exact loss of the mean classifier is beyond: a finding.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    at: str
    exact: Exact
    bounds: dict[str, Value]
    violated: tuple[str, ...]
    normalization: str
    note: str
    seconds: float
    versions: dict[str, str]


def run(
    rho: PriorLike,
    k: Number,
    *,
    embeddings: np.ndarray | None = None,
    C: int | None = None,
    normalize: bool = False,
    d: Whole | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
    objective: ObjectiveLike = "nce",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> BoundsResult:
    """The four bounds and their tighter variants, at the minimizer of `L_k` or at class embeddings (C x d).

    The bounds are for the logistic loss and for the prior as test distribution; for another loss they have no value.

    Args:
        rho: a prior, the text of one, masses, an array, or counts of labels (`verify.files.priors.read_prior`).
        k: number of negatives; `math.inf` for the limit.
        embeddings: class embeddings to take instead of the minimizer; rows are normalized.
        C: number of classes, for profiles such as "zipf:1".
        normalize: divide the masses of a text by their sum.
        d: dimension, `C` by default (that of `embeddings` where they are given).
        loss: name of the loss, or `package.module:callable`.
        temperature: read exactly.
        objective: "nce", which the bounds are about.
        seed: seed of the optimizer's starts.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    prior = read_prior(rho, C, normalize=normalize)
    limits.check_classes(prior, limits.BOUNDS_CLASSES)
    if embeddings is not None and d is None:
        d = max(2, embeddings.shape[-1])
    problem = Problem(prior, k, d, loss, temperature, objective=get_objective(objective, ("nce",)))

    from theory.bounds import BOUNDS, all_bounds
    from theory.bounds import Bound as TheoryBound
    from verify.lemma.hypotheses import downstream_hypotheses

    rests = downstream_hypotheses(problem, minimizer=embeddings is None)
    if embeddings is None:
        exact, notes = _at_minimizer(problem, seed, progress)
        sure = exact.sup is not None and exact.mean_classifier is not None
    else:
        exact, notes, sure = _at_embeddings(problem, embeddings)
    logistic = problem.loss.name == "logistic"
    nce, mean = exact.nce, exact.mean_classifier
    notes += [rests.note] if rests.note else []
    if logistic:
        bounds = all_bounds(prior, problem.k, nce, float(problem.beta))
    else:
        bounds = dict.fromkeys(BOUNDS, TheoryBound(None, "stated for the logistic loss only"))
    violated = tuple(name for name, bound in bounds.items() if mean is not None and _beyond(name, bound.value, mean))
    if logistic and not prior.is_uniform:
        notes.append("ash2021 is from memory for a prior that is not uniform, and not proved; ash2021_safe is")
    return BoundsResult(
        claim="prior-bounds",
        status=Status.NUMERICAL if sure else Status.UNDECIDED,
        problem=ProblemRecord.of(problem),
        at="minimizer" if embeddings is None else "embeddings",
        exact=exact,
        bounds={name: Value(bound.value, bound.reason, bound.log) for name, bound in bounds.items()},
        violated=violated,
        normalization=problem.loss.normalization if math.isinf(problem.k) else "none",
        note="; ".join(notes),
        seconds=time.perf_counter() - begun,
        versions=versions("jax", "numpy", "scipy", "python-flint"),
    )


def _at_minimizer(problem: Problem, seed: int, progress: Callable[[str], None] | None) -> tuple[Exact, list[str]]:
    """The values at the minimizer that all commands take."""
    from verify.certify.losses import find
    from verify.optimize.search import minimum
    from verify.supervised.minimizer import Enclosing
    from verify.supervised.sequence import point

    at = Enclosing(problem, progress=progress)
    best, mean = (point(at, "weighted", classifier) for classifier in ("optimal", "mean"))
    if best.nce is not None:
        nce = float(sum(best.nce) / 2)
    elif find(problem.loss_name) is not None and problem.d >= at.solution.rank:
        nce = at.solution.value
    else:
        starts = 2 if problem.d >= problem.population.C else 16
        nce = minimum(*problem.numbers, starts=starts, seed=seed, progress=progress).best.value
    missing = [one.note for one in (best, mean) if one.sup is None]
    return Exact(nce, best.sup, mean.sup), list(dict.fromkeys(missing))


def _at_embeddings(problem: Problem, embeddings: np.ndarray) -> tuple[Exact, list[str], bool]:
    """The values at embeddings of one's own, and whether the best classifier was found."""
    import numpy as np

    from theory.downstream import mean_classifier_loss
    from theory.geometry import gram
    from verify.optimize.objective import gram_value_and_gradient
    from verify.supervised.classifier import optimal_classifier
    from verify.supervised.representation import checked_embeddings

    loss, rho, k, d, beta = problem.numbers
    U = checked_embeddings(embeddings, len(rho), d)
    G = gram(U)
    nce = gram_value_and_gradient(loss, G, rho, k, beta)[0]
    head = optimal_classifier(loss, U, np.arange(len(rho)), rho, beta=beta, d=d)
    mean = float(mean_classifier_loss(loss, G, rho, beta))
    sure = loss.convex and head.upper - head.lower <= TOLERANCE * max(1.0, head.upper)
    return Exact(nce, head.upper, mean), [], sure


def _beyond(name: str, bound: float | None, mean: float) -> bool:
    if bound is None:
        return False
    room = TOLERANCE * max(1.0, abs(bound))
    return mean < bound - room if name.endswith("_lower") else mean > bound + room


def report(result: BoundsResult) -> str:
    """The readable report."""
    p = result.problem
    lines = [
        f"C = {p.C}, k = {p.k}, d = {p.d}, {p.loss} loss, temperature {p.temperature.removesuffix('/1')}, "
        f"at the {result.at}",
        f"  NCE loss                   {result.exact.nce:.10g}",
        f"  best unit-norm classifier  {_shown(result.exact.sup)}",
        f"  mean classifier            {_shown(result.exact.mean_classifier)}",
    ]
    for name, bound in result.bounds.items():
        shown = f"{bound.value:.10g}" if bound.value is not None else f"none: {bound.reason}"
        lines.append(f"    {name:<23}  {shown}" + ("   VIOLATED" if name in result.violated else ""))
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note)])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.bounds`."""
    parser = cli.parser(
        "verify.bounds",
        "Four prior bounds on the downstream loss as functions of k, beside the exact values. They are stated for\n"
        "the mean classifier; upper bounds hold for the best classifier too.",
        "  python -m verify.bounds --rho uniform --C 10 --k 64\n"
        "  python -m verify.bounds --rho 0.5,0.3,0.2 --k 16 --json",
    )
    cli.add_problem(parser, rho=True)
    cli.add_embeddings(parser)
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="seed of the starts (default: 0)")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Any:
        from verify.files.arrays import read_array

        def one(k: int | float) -> BoundsResult:
            return run(
                arguments.rho,
                k,
                embeddings=None if arguments.embeddings is None else read_array(arguments.embeddings, "embeddings"),
                **cli.problem_options(arguments),
                progress=progress,
            )

        return run_each(one, arguments.k)

    cli.main(parser, execute, reported(report), argv)


if __name__ == "__main__":
    main()
