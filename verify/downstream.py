"""`python -m verify.downstream`: the downstream loss of the NCE minimizer, bracketed.

The minimizer of `L_k` is enclosed by convex duality, and the loss of the best unit-norm classifier, and of the mean
classifier, over the whole enclosure. With `--embeddings` the same in double precision for given embeddings.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from theory.objectives import WITH_POOL, get_objective
from theory.problem import ExactNumber, Number, Problem, Whole
from verify import cli, limits
from verify.files.priors import PriorLike, read_prior
from verify.results import ProblemRecord, Status, versions
from verify.results.digits import outward
from verify.results.downstream import DownstreamResult, Interval, report
from verify.results.series import reported, run_each

if TYPE_CHECKING:
    import numpy as np

    from theory.losses import Loss, LossLike
    from theory.objectives import ObjectiveLike
    from verify.supervised.classifier import Classifier
    from verify.supervised.sequence import Point

#: The width of a float64 bracket up to which it is called `numerical`.
GAP_TOLERANCE = 1e-9
#: The width that a proven bracket is given where it can be; that of so many distinct classes that digits take minutes.
_WIDTH, _WIDTH_OF_MANY = Fraction(1, 10**17), Fraction(1, 10**11)


def run(
    rho: PriorLike,
    k: Number,
    *,
    weighting: str = "weighted",
    embeddings: np.ndarray | None = None,
    C: int | None = None,
    normalize: bool = False,
    d: Whole | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
    objective: ObjectiveLike = "nce",
    seed: int = 0,
    certificate: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> DownstreamResult:
    """Bracket the downstream loss at the minimizer of `L_k`, or at class embeddings (C x d).

    Args:
        rho: a prior, the text of one, masses, an array, or counts of labels (`verify.files.priors.read_prior`).
        k: number of negatives; `math.inf` for the limit.
        weighting: "weighted" or "balanced".
        embeddings: class embeddings to take instead of the minimizer; rows are normalized.
        C: number of classes, for profiles such as "zipf:1".
        normalize: divide the masses of a text by their sum.
        d: dimension, `C` by default (that of `embeddings` where they are given).
        loss: name of the loss, or `package.module:callable`.
        temperature: read exactly.
        objective: which negatives an anchor meets, "nce", "no-collisions" or "pool:N" (`theory.objectives`).
        seed: accepted as by all commands; nothing is random here.
        certificate: file to write the certificate `downstream-loss` to.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    if embeddings is not None and d is None:
        d = max(2, embeddings.shape[-1])
    problem = Problem(
        read_prior(rho, C, normalize=normalize), k, d, loss, temperature, objective=get_objective(objective, WITH_POOL)
    )

    from theory.downstream import checked_weighting
    from verify.optimize.solution import in_groups

    if embeddings is not None or not in_groups(problem):
        limits.check_classes(problem.population, limits.DOWNSTREAM_CLASSES)
    if embeddings is None:
        result = _at_minimizer(problem, checked_weighting(weighting), certificate, progress)
    else:
        result = _at_embeddings(problem, weighting, embeddings, certificate)
    return replace(result, seconds=time.perf_counter() - begun)


def _at_minimizer(
    problem: Problem, weighting: str, certificate: Path | str | None, progress: Callable[[str], None] | None
) -> DownstreamResult:
    from verify.lemma.hypotheses import downstream_hypotheses
    from verify.supervised.accuracy import accuracy_numerical, proven_accuracy
    from verify.supervised.minimizer import Enclosing
    from verify.supervised.sequence import point

    listable = problem.population.C <= limits.CERTIFICATE_CLASSES
    rests = downstream_hypotheses(problem)
    enclosing = Enclosing(problem, by_class=certificate is not None and listable, progress=progress)
    many = len(problem.population.merged().masses) > limits.BARRIER_GROUPS
    width = _WIDTH_OF_MANY if many else _WIDTH
    best, mean = (point(enclosing, weighting, classifier, width) for classifier in ("optimal", "mean"))
    notes = []
    if best.bracket is not None and mean.bracket is not None:
        status = Status.PROVED
    else:
        notes += list(dict.fromkeys(f"not proved: {one.note}" for one in (best, mean) if one.note))
        notes += [rests.note] if rests.note else []
        status = Status.UNDECIDED if best.sup is None or mean.sup is None else Status.NUMERICAL
    exact = None
    if best.minimizer is not None and best.bracket is not None:
        exact = proven_accuracy(enclosing, best.minimizer, best.bracket, weighting)
    written = None
    if certificate is not None and best.bracket is not None and listable:
        from verify.certify.publish import publish
        from verify.supervised.certificate import loss_certificate

        written, status, refused = publish(loss_certificate(problem, weighting, best), certificate, status)
        notes += [refused] if refused else []
    elif certificate is not None:
        why = "nothing was proved" if listable else f"there are more than {limits.CERTIFICATE_CLASSES} classes"
        notes.append(f"no certificate: {why}")
    return DownstreamResult(
        claim="downstream-loss",
        status=status,
        problem=ProblemRecord.of(problem),
        weighting=weighting,
        at="minimizer",
        sup=_interval(best),
        mean_classifier=_interval(mean),
        accuracy=None if exact is None else float(exact),
        accuracy_numerical=accuracy_numerical(enclosing, best, weighting),
        structure=None if best.minimizer is None else best.minimizer.structure,
        note="; ".join(notes),
        certificate=written,
        seconds=0.0,
        versions=versions("numpy", "python-flint"),
    )


def _at_embeddings(
    problem: Problem, weighting: str, embeddings: np.ndarray, certificate: Path | str | None
) -> DownstreamResult:
    import numpy as np

    from theory.downstream import accuracy, class_weights, mean_classifier_loss
    from theory.geometry import gram
    from verify.lemma.hypotheses import downstream_hypotheses
    from verify.supervised.classifier import optimal_classifier
    from verify.supervised.representation import checked_embeddings

    loss, prior, beta = problem.loss, problem.population, float(problem.beta)
    weights, U = class_weights(prior, weighting), checked_embeddings(embeddings, prior.C, problem.d)
    head = optimal_classifier(loss, U, np.arange(prior.C), weights, beta=beta, d=problem.d)
    mean = float(mean_classifier_loss(loss, gram(U), weights, beta))
    rests = downstream_hypotheses(problem, minimizer=False)
    sup = _ends(head.lower, head.upper) if rests.convex else Interval(None, _ends(head.lower, head.upper).upper, None)
    notes = [rests.note] if rests.note else []
    notes += [] if certificate is None else ["no certificate: nothing was proved"]
    return DownstreamResult(
        claim="downstream-loss",
        status=_float_status(loss, head, notes),
        problem=ProblemRecord.of(problem),
        weighting=weighting,
        at="embeddings",
        sup=sup,
        mean_classifier=_ends(mean, mean),
        accuracy=None,
        accuracy_numerical=accuracy(head.scores, np.arange(prior.C), weights),
        structure=None,
        note="; ".join(notes),
        certificate=None,
        seconds=0.0,
        versions=versions("jax", "numpy"),
    )


def _float_status(loss: Loss, head: Classifier, notes: list[str]) -> Status:
    if not head.convex:
        notes.append("d < rank + 1: 'lower' is that of the unit ball")
    if not loss.convex:
        return Status.UNDECIDED
    closed = head.upper - head.lower <= GAP_TOLERANCE * max(1.0, abs(head.upper))
    return Status.NUMERICAL if closed and head.converged else Status.UNDECIDED


def _interval(at_k: Point) -> Interval | None:
    if at_k.bracket is not None:
        return _ends(at_k.bracket.lower, at_k.bracket.upper)
    if at_k.sup is None or at_k.error is None:
        return None
    return _ends(at_k.sup - at_k.error, at_k.sup + at_k.error)


def _ends(lower: Fraction | float, upper: Fraction | float) -> Interval:
    return Interval(*outward(lower, upper))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.downstream`."""
    parser = cli.parser(
        "verify.downstream",
        "The downstream loss of the NCE minimizer: best unit-norm classifier and mean classifier, bracketed.",
        "  python -m verify.downstream --rho 0.5,0.3,0.2 --k 16\n"
        "  python -m verify.downstream --rho uniform --C 10 --k 64 --weighting balanced --json",
    )
    cli.add_problem(parser, rho=True)
    cli.add_weighting(parser)
    cli.add_embeddings(parser)
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="seed of the starts (default: 0)")
    cli.add_certificate(parser)

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Any:
        from verify.files.arrays import read_array

        def one(k: int | float) -> DownstreamResult:
            return run(
                arguments.rho,
                k,
                weighting=arguments.weighting,
                embeddings=None if arguments.embeddings is None else read_array(arguments.embeddings, "embeddings"),
                **cli.problem_options(arguments),
                certificate=arguments.certificate,
                progress=progress,
            )

        return run_each(one, arguments.k, arguments.certificate)

    cli.main(parser, execute, reported(report), argv)


if __name__ == "__main__":
    main()
