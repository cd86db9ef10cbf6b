"""`python -m verify.conjecture`: is the downstream loss of the minimizer non-increasing in the number of negatives?

[1] conjectures that it is for unbalanced classes. Prior by prior and for a finite list of `k` the question is
decided here, with proofs: the minimizer of `L_k` is enclosed by convex duality, and the downstream loss bracketed over
the whole enclosure.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from theory.errors import InputError
from theory.objectives import WITH_POOL, get_objective
from theory.problem import ExactNumber, Number, Problem, Whole, check_k
from verify import cli, limits
from verify.files.priors import PriorLike, read_prior
from verify.results import ProblemRecord, Result, Status, closing, shortened, versions
from verify.results.digits import outward, round_down, supported, within

if TYPE_CHECKING:
    from theory.losses import LossLike
    from theory.objectives import ObjectiveLike
    from verify.supervised.sequence import Point


@dataclass(frozen=True)
class Entry:
    """One `k`: proven bounds on the minimum of `L_k` and on the downstream loss (None where nothing is proved).

    Attributes:
        sup: the downstream loss in double precision; None where neither a proof nor an estimate supports its digits.
        sup_gap: the true width of the bracket.
        sup_error: without a bracket, how far from `sup` the downstream loss can be, estimated.
        structure: why the minimizer is known exactly, where it is: "uniform", "two-classes" or "total-collapse".
    """

    k: int | float | str
    nce_lower: float | None
    nce_upper: float | None
    sup_lower: float | None
    sup_upper: float | None
    sup: float | None
    sup_gap: float | None
    sup_error: float | None
    structure: str | None


@dataclass(frozen=True)
class Witness:
    """A proven rise: the downstream loss at `k2 > k1` exceeds that at `k1` by at least `increase_lower`."""

    k1: int
    k2: int
    increase_lower: float


@dataclass(frozen=True, repr=False)
class ConjectureResult(Result):
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        status: `proved` for these `k`; `refuted` with a `witness`; `numerical` if it holds in floats; else `undecided`.
        weighting: the test distribution over classes, "weighted" (the prior) or "balanced".
        classifier: "optimal" (unit-norm) or "mean".
    """

    claim: str
    status: Status
    problem: ProblemRecord
    weighting: str
    classifier: str
    series: tuple[Entry, ...]
    witness: Witness | None
    note: str
    certificate: str | None
    seconds: float
    versions: dict[str, str]


def run(
    rho: PriorLike,
    k: Sequence[Number],
    *,
    weighting: str = "weighted",
    classifier: str = "optimal",
    C: int | None = None,
    normalize: bool = False,
    d: Whole | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
    objective: ObjectiveLike = "nce",
    seed: int = 0,
    certificate: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> ConjectureResult:
    """Decide whether `L_sup` at the minimizer of `L_k` is non-increasing over these `k`.

    Args:
        rho: a prior, the text of one, masses, an array, or counts of labels (`verify.files.priors.read_prior`).
        k: the numbers of negatives, two or more (one decides nothing); nothing is proved at `math.inf` or a real
            number.
        weighting: "weighted" or "balanced".
        classifier: "optimal" or "mean".
        C: number of classes, for profiles such as "zipf:1".
        normalize: divide the masses of a text by their sum.
        d: dimension, at least `C - 1`, `C` by default.
        loss: name of the loss, `package.module:callable`, or the callable itself.
        temperature: read exactly.
        objective: which negatives an anchor meets, "nce", "no-collisions" or "pool:N" (`theory.objectives`).
        seed: accepted as by all commands; nothing is random here.
        certificate: file to write `conjecture-holds` or `conjecture-refuted` to.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    prior = read_prior(rho, C, normalize=normalize)
    ks = tuple(sorted({check_k(value) for value in k}))
    if not ks:
        raise InputError("k", "nothing", "at least one number of negatives is needed")
    problem = Problem(prior, ks[0], d, loss, temperature, objective=get_objective(objective, WITH_POOL))
    if problem.d < prior.C - 1:
        accepted = f"accepted: at least C-1 = {prior.C - 1}; below, the minimizer is not known to be found"
        raise InputError("d", problem.d, accepted)

    from theory.downstream import checked_weighting
    from verify.lemma.hypotheses import downstream_hypotheses
    from verify.optimize.solution import in_groups
    from verify.supervised.decision import decide, rise
    from verify.supervised.sequence import sequence

    problems, task = [replace(problem, k=one) for one in ks], (checked_weighting(weighting), classifier)
    rests = [downstream_hypotheses(one) for one in problems]
    if not in_groups(problem):
        limits.check_classes(prior, limits.CONJECTURE_CLASSES)
    # with more classes equal ones are taken together (`theory.groups`), which no certificate does
    listable = prior.C <= limits.CERTIFICATE_CLASSES
    points = sequence(problems, *task, by_class=certificate is not None and listable, progress=progress)
    witness, status, note = decide(problem.loss_name, points)
    if status is Status.NUMERICAL and not problem.loss.convex:  # nobody has proved that these are the minimizers
        status, note = Status.UNDECIDED, next((one.note for one in rests if not one.convex), rests[0].note)
    written = None
    if certificate is not None and not listable:
        note = f"{note}; no certificate: there are more than {limits.CERTIFICATE_CLASSES} classes".lstrip("; ")
    elif certificate is not None and status in (Status.PROVED, Status.REFUTED):
        from verify.certify.publish import publish

        if progress is not None:
            progress("the checker reads the certificate")
        written, status, note = publish(_certificate(problem, task, points, witness), certificate, status, note)
    elif certificate is not None:
        note = f"{note}; no certificate: nothing was decided".lstrip("; ")
    return ConjectureResult(
        claim="conjecture",
        status=status,
        problem=ProblemRecord.of(problem, ks),
        weighting=weighting,
        classifier=classifier,
        series=tuple(_entry(point) for point in points),
        witness=None if witness is None else Witness(witness[0].k, witness[1].k, round_down(rise(*witness))),  # type: ignore[arg-type]
        note=note,
        certificate=written,
        seconds=time.perf_counter() - begun,
        versions=versions("jax", "numpy", "python-flint"),
    )


def _entry(point: Point) -> Entry:
    nce_lower, nce_upper, _ = (None, None, None) if point.nce is None else outward(*point.nce)
    bracket = point.bracket
    lower, upper, gap = (None, None, None) if bracket is None else outward(bracket.lower, bracket.upper)
    return Entry(
        k="inf" if point.k == math.inf else point.k,
        nce_lower=nce_lower,
        nce_upper=nce_upper,
        sup_lower=lower,
        sup_upper=upper,
        sup=None if point.sup is None else within(point.sup, lower, upper),
        sup_gap=gap,
        sup_error=None if bracket is not None else point.error,
        structure=None if point.minimizer is None else point.minimizer.structure,
    )


def _certificate(
    problem: Problem, task: tuple[str, str], points: list[Point], witness: tuple[Point, Point] | None
) -> dict[str, Any]:
    """`conjecture-refuted` for the witness, else `conjecture-holds` for all points."""
    from verify.certify.document import document, ratio
    from verify.supervised.certificate import downstream_problem, point_claim, point_witness
    from verify.supervised.decision import rise

    chosen = points if witness is None else list(witness)
    kind = "conjecture-holds" if witness is None else "conjecture-refuted"
    statement = downstream_problem(kind, problem, *task) | {"points": [point_claim(point) for point in chosen]}
    if witness is not None:
        statement["increase"] = ratio(rise(*witness))
    return document(statement, {"points": [point_witness(point) for point in chosen]})


def report(result: ConjectureResult) -> str:
    """The readable report."""
    lines = [
        f"Prior {shortened(result.problem.rho)}, {result.problem.losses}, {result.weighting} downstream loss, "
        f"{result.classifier} classifier",
        f"  {'k':>10}  {'min L_k':>20}  {'L_sup':>20}  {'width':>8}",
    ]
    shown = result.series if len(result.series) <= 24 else (*result.series[:12], None, *result.series[-12:])
    for entry in shown:
        if entry is None:
            lines.append(f"  {'...':>10}")
            continue
        nce = "" if entry.nce_upper is None else f"{entry.nce_upper:.15g}"
        width = "" if entry.sup_gap is None else f"{entry.sup_gap:.0e}"
        known = entry.sup_gap if entry.sup_error is None else 2 * entry.sup_error
        sup = "-" if entry.sup is None else supported(entry.sup, known)
        lines.append(f"  {entry.k!s:>10}  {nce:>20}  {sup:>20}  {width:>8}  {entry.structure or ''}".rstrip())
    if result.witness is not None:
        w = result.witness
        lines.append(f"  from k = {w.k1} to k = {w.k2} the loss rises by at least {w.increase_lower:.6g}")
    elif result.status in (Status.PROVED, Status.NUMERICAL):
        lines.append("  non-increasing over these k")
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.conjecture`."""
    parser = cli.parser(
        "verify.conjecture",
        "Is the downstream loss of the NCE minimizer non-increasing over these numbers of negatives?\n"
        "Proved for a finite list, refuted with a witness, or undecided.",
        "  python -m verify.conjecture --rho 0.7,0.2,0.1 --k 1:64\n"
        "  python -m verify.conjecture --rho 0.863,0.135,0.002 --k 1,16,4096 --certificate rise.json",
    )
    cli.add_problem(parser, rho=True)
    cli.add_weighting(parser)
    cli.add_classifier(parser)
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="seed of the start (default: 0)")
    cli.add_certificate(parser)

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> ConjectureResult:
        return run(
            arguments.rho,
            arguments.k,
            weighting=arguments.weighting,
            classifier=arguments.classifier,
            **cli.problem_options(arguments),
            certificate=arguments.certificate,
            progress=progress,
        )

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
