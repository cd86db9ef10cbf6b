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

from theory import priors
from theory.errors import InputError
from theory.priors import Prior
from verify import cli
from verify.digits import outward
from verify.downstream_result import DownstreamResult, Interval, report
from verify.results import (
    Status,
    check_d,
    check_k,
    check_masses,
    check_temperature,
    problem,
    versions,
)
from verify.supervised.options import add_embeddings, add_weighting

if TYPE_CHECKING:
    import numpy as np

    from theory.losses import Loss
    from verify.supervised.bracket import Bracket
    from verify.supervised.classifier import Classifier

#: The width of a float64 bracket up to which it is called `numerical`.
GAP_TOLERANCE = 1e-9
MAX_CLASSES = 1000
#: The width that a proven bracket is given where it can be.
_WIDTH = Fraction(1, 10**17)


def run(
    rho: Prior | str,
    k: int | float,
    *,
    weighting: str = "weighted",
    embeddings: np.ndarray | None = None,
    C: int | None = None,
    normalize: bool = False,
    d: int | None = None,
    loss: str = "logistic",
    temperature: Fraction | int | float | str = 1,
    seed: int = 0,
    certificate: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> DownstreamResult:
    """Bracket the downstream loss at the minimizer of `L_k`, or at class embeddings (C x d).

    Args:
        rho: a prior, or the text of one (`theory.priors.parse`).
        k: number of negatives; `math.inf` for the limit.
        weighting: "weighted" or "balanced".
        embeddings: class embeddings to take instead of the minimizer; rows are normalized.
        C: number of classes, for profiles such as "zipf:1".
        normalize: divide the masses of a text by their sum.
        d: dimension, `C` by default (that of `embeddings` where they are given).
        loss: name of the loss, or `package.module:callable`.
        temperature: read exactly.
        seed: seed of the optimizer's starts.
        certificate: file to write the certificate `downstream-loss` to.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    prior = check_masses(rho if isinstance(rho, Prior) else priors.parse(rho, C, normalize=normalize))
    if embeddings is not None and d is None:
        d = max(2, embeddings.shape[-1])
    k, d, exact_temperature = check_k(k), check_d(d, prior.C), check_temperature(temperature)

    grouped = None if embeddings is not None else _grouped(prior, k, d, loss, exact_temperature, weighting, certificate)
    if grouped is None and prior.C > MAX_CLASSES:
        raise InputError("rho", f"{prior.C} classes", f"accepted: at most {MAX_CLASSES} classes here")
    found = grouped or _by_class(
        prior, k, d, loss, exact_temperature, weighting, embeddings, seed, certificate, progress
    )
    return replace(found, seconds=time.perf_counter() - begun)


def _by_class(
    prior: Prior,
    k: int | float,
    d: int,
    loss: str,
    temperature: Fraction,
    weighting: str,
    embeddings: np.ndarray | None,
    seed: int,
    certificate: Path | str | None,
    progress: Callable[[str], None] | None,
) -> DownstreamResult:
    """The result over all classes, one by one."""
    import numpy as np

    from theory.downstream import accuracy, class_weights, mean_classifier_loss
    from theory.float64 import jnp
    from theory.geometry import gram
    from theory.losses import get_loss
    from verify.loss_hypotheses import downstream_hypotheses
    from verify.supervised.classifier import optimal_classifier
    from verify.supervised.representation import best_embeddings, checked_embeddings

    chosen, beta, weights = get_loss(loss), float(1 / temperature), class_weights(prior, weighting)
    notes: list[str] = []
    rests = downstream_hypotheses(chosen, loss, k if embeddings is None else None, prior.C, beta)
    if embeddings is None:
        U, found = best_embeddings(chosen, prior, k, d, beta, seed=seed, progress=progress)
        notes += [] if found else ["the optimizer did not converge"]
    else:
        U, found = checked_embeddings(embeddings, prior.C, d), True
    head = optimal_classifier(chosen, U, np.arange(prior.C), weights, beta=beta, d=d)
    mean = float(mean_classifier_loss(chosen, jnp.asarray(gram(U)), jnp.asarray(weights), beta))
    sup, mean_interval = _interval((head.lower, head.upper)), _interval((mean, mean))
    if not rests.convex:
        sup = Interval(None, sup.upper, None)
    notes += [rests.note] if rests.note else []
    status = _float_status(chosen, head, found, notes)

    proof = None
    if embeddings is None:
        proof, reason = _prove(prior, k, U, loss, temperature, d, weighting)
        notes += [f"not proved: {reason}"] if reason else []
        if d < prior.C - 1:
            status = Status.UNDECIDED
    written, structure, exact = None, None, None
    if proof is not None:
        from theory.downstream import exact_class_weights
        from verify.supervised.accuracy import proven_accuracy

        exact = proven_accuracy(
            proof["optimal"].minimizer,
            proof["optimal"].bracket,
            exact_class_weights(prior, weighting),
            loss=loss,
            temperature=temperature,
            d=d,
        )
        sup, mean_interval = (_interval(b) for b in (proof["optimal"].bracket, proof["mean"].bracket))
        structure, status = proof["optimal"].minimizer.structure, Status.PROVED
        if abs(head.upper - sup.upper) > GAP_TOLERANCE * max(1.0, abs(sup.upper)):
            notes.append(f"the optimizer ended {head.upper - sup.upper:.1e} off the proven value")
    if certificate is not None and proof is not None:
        from verify.certify.publish import publish
        from verify.supervised.certificate import loss_certificate
        from verify.supervised.sequence import Task

        task = Task(prior, chosen, temperature, d, weighting, "optimal")
        written, status, refused = publish(loss_certificate(task, proof["optimal"]), certificate, status)
        notes += [refused] if refused else []
    elif certificate is not None:
        notes.append("no certificate: nothing was proved")
    return DownstreamResult(
        claim="downstream-loss",
        status=status,
        problem=problem(prior, k, d, loss, temperature),
        weighting=weighting,
        at="minimizer" if embeddings is None else "embeddings",
        sup=sup,
        mean_classifier=mean_interval,
        accuracy=None if exact is None else float(exact),
        accuracy_numerical=accuracy(head.scores, np.arange(prior.C), weights),
        structure=structure,
        note="; ".join(notes),
        certificate=written,
        seconds=0.0,
        versions=versions("jax", "numpy", "python-flint"),
    )


def _grouped(
    prior: Prior,
    k: int | float,
    d: int,
    loss: str,
    temperature: Fraction,
    weighting: str,
    certificate: Path | str | None,
) -> DownstreamResult | None:
    """The result in the number of groups, where that is how it is found; certificates are about classes one by one."""
    from theory.downstream import checked_weighting
    from verify.groups.downstream_result import applies, fields

    one_by_one = prior.C <= MAX_CLASSES and (certificate is not None or d < prior.C - 1)
    if not applies(prior, loss, by_class=one_by_one):
        return None
    made = fields(prior, k, d, loss, temperature, checked_weighting(weighting), GAP_TOLERANCE)
    if certificate is not None:
        made["note"] = f"{made['note']}; no certificate: there are more than {MAX_CLASSES} classes".lstrip("; ")
    made |= {name: _interval(made[name]) for name in ("sup", "mean_classifier")}
    asked, used = problem(prior, k, d, loss, temperature), versions("numpy", "python-flint")
    return DownstreamResult(
        "downstream-loss",
        problem=asked,
        weighting=weighting,
        at="minimizer",
        certificate=None,
        seconds=0.0,
        versions=used,
        **made,
    )


def _float_status(loss: Loss, head: Classifier, found: bool, notes: list[str]) -> Status:
    if not head.convex:
        notes.append("d < rank + 1: 'lower' is that of the unit ball")
    if not loss.convex:
        return Status.UNDECIDED
    closed = head.upper - head.lower <= GAP_TOLERANCE * max(1.0, abs(head.upper))
    return Status.NUMERICAL if closed and found else Status.UNDECIDED


def _prove(
    prior: Prior, k: int | float, U: np.ndarray, loss: str, temperature: Fraction, d: int, weighting: str
) -> tuple[dict[str, Any] | None, str]:
    """Proven points for both classifiers, or the reason why there are none."""
    if not isinstance(k, int):
        return None, "k is not an integer"
    if d < prior.C - 1:
        return None, "d < C-1: the minimizer found is not known to be global"
    from theory.downstream import exact_class_weights
    from verify.supervised.bracket import bracket, enclose_loss
    from verify.supervised.sequence import Point

    optimal = enclose_loss(
        prior,
        k,
        U,
        weighting=weighting,
        loss=loss,
        temperature=temperature,
        classifier="optimal",
        d=d,
        width=_WIDTH,
    )
    if isinstance(optimal, str):
        return None, optimal
    enclosed, found = optimal
    weights = exact_class_weights(prior, weighting)
    mean = bracket(enclosed, weights, loss=loss, temperature=temperature, classifier="mean", d=d)
    if mean is None:
        return None, "the enclosure of the minimizer is too wide for the mean classifier's loss"
    points = {"optimal": found, "mean": mean}
    return {name: Point(k, float(b.upper), enclosed, b) for name, b in points.items()}, ""


def _interval(bracket: Bracket | tuple[float, float]) -> Interval:
    ends = bracket if isinstance(bracket, tuple) else (bracket.lower, bracket.upper)
    return Interval(*outward(*ends))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.downstream`."""
    made = cli.parser(
        "verify.downstream",
        "The downstream loss of the NCE minimizer: best unit-norm classifier and mean classifier, bracketed.",
        "  python -m verify.downstream --rho 0.5,0.3,0.2 --k 16\n"
        "  python -m verify.downstream --rho uniform --C 10 --k 64 --weighting balanced --json",
    )
    cli.add_problem(made, rho=True)
    add_weighting(made)
    add_embeddings(made)
    made.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="seed of the starts (default: 0)")
    cli.add_certificate(made)

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> DownstreamResult:
        from verify.array_files import read_array

        return run(
            arguments.rho,
            arguments.k,
            weighting=arguments.weighting,
            embeddings=None if arguments.embeddings is None else read_array(arguments.embeddings, "embeddings"),
            C=arguments.C,
            normalize=arguments.normalize,
            d=arguments.d,
            loss=arguments.loss,
            temperature=arguments.temperature,
            seed=arguments.seed,
            certificate=arguments.certificate,
            progress=progress,
        )

    cli.main(made, execute, report, argv)


if __name__ == "__main__":
    main()
