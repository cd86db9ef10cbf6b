"""`python -m verify.embeddings`: trained embeddings beside the certified optimum.

The exact population loss of labelled points, how far it is above the certified minimum for their prior, and why: spread
within the classes, or the arrangement of the class means. With the geometry of the class means, neural collapse, what a
linear classifier makes of the points, and what another number of negatives or temperature would do.

`run` has everything; `measure` the numbers that are cheap enough for every epoch of a training run.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from theory.errors import InputError
from theory.priors import Prior
from theory.problem import Problem
from verify import cli, limits
from verify.results import ProblemRecord, Status, versions

if TYPE_CHECKING:
    import numpy as np

    from verify.trained.measures import Measures
    from verify.trained.points import Points
    from verify.trained.result import Compared, EmbeddingsResult


def measure(
    embeddings: np.ndarray,
    labels: np.ndarray,
    k: int | float,
    *,
    temperature: Fraction | int | float | str = 1,
    rho: Prior | str | None = None,
    normalize: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Measures:
    """What a training run wants to know at every epoch, from NumPy arrays (n x d, and n).

    The minimum is computed at the first call with a prior, `k` and temperature, and remembered.

    Args:
        embeddings: one point a row, of length 1 unless they are to be normalized.
        labels: integers from 0 to C-1, each of which occurs.
        k: number of negatives of the training loss, or `math.inf`.
        temperature: of the training loss, read exactly.
        rho: the class prior of training, if it is not that of the points.
        normalize: divide the rows by their lengths.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    from verify.trained.measures import measures
    from verify.trained.points import points

    given = points(embeddings, labels, rho=rho, normalize=normalize)
    return measures(given, Problem(given.prior, k, temperature=temperature), progress)


def run(
    embeddings: np.ndarray,
    labels: np.ndarray,
    k: int | float,
    *,
    temperature: Fraction | int | float | str = 1,
    rho: Prior | str | None = None,
    normalize: bool = False,
    progress: Callable[[str], None] | None = None,
) -> EmbeddingsResult:
    """Everything about embeddings; the arguments are those of `measure`.

    `proved`: the loss of up to 2000 points and the minimum are enclosed. `numerical`: they are known in double
    precision, the loss with an estimate of its error.

    Raises:
        InputError: for input outside of what is accepted.
    """
    from verify.trained.points import points

    given = points(embeddings, labels, rho=rho, normalize=normalize)
    return _run(given, Problem(given.prior, k, temperature=temperature), progress or (lambda _: None))


def _run(given: Points, problem: Problem, say: Callable[[str], None]) -> EmbeddingsResult:
    begun = time.perf_counter()
    from theory.augmentation.thresholds import collapse_thresholds
    from verify.trained.changes import changes
    from verify.trained.downstream import downstream, prior_bounds
    from verify.trained.geometry import class_means, collapse, cosines
    from verify.trained.loss import loss_of, moments
    from verify.trained.optimum import optimum
    from verify.trained.result import EmbeddingsResult, Ends

    k, beta, C = problem.k, float(problem.beta), problem.population.C
    say("the minimum")
    best = optimum(problem)
    enclose = given.n <= limits.ENCLOSED_POINTS and isinstance(k, int)
    rows = moments(given, k, beta, wide=enclose, progress=say)
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
    if loss.enclosed is None and isinstance(k, int):
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
        versions=versions("jax", "numpy", "python-flint"),
    )


def compare(
    files: Sequence[tuple[str, Points]],
    k: int | float,
    *,
    temperature: Fraction | int | float | str = 1,
    progress: Callable[[str], None] | None = None,
) -> Compared:
    """Several sets of points, checkpoints or runs, by what `measure` gives of each; the priors must be the same.

    Raises:
        InputError: if they are not, or there are none.
    """
    from verify.trained.measures import measures
    from verify.trained.result import Compared

    begun = time.perf_counter()
    if not files:
        raise InputError("compare", "no files", "accepted: one file or more")
    first = files[0][1]
    problem = Problem(first.prior, k, temperature=temperature)
    series, settled = [], []
    for name, given in files:
        if given.prior.rho != first.prior.rho:
            raise InputError("compare", name, "all files need the same class prior; or give --rho")
        entry = asdict(measures(given, problem, progress))
        settled.append(Status(entry.pop("status")))
        series.append({"file": name, "points": given.n, **entry})
    weakest = Status.UNDECIDED if Status.UNDECIDED in settled else Status.NUMERICAL
    note = "d < C-1: the minimum is that of the convex relaxation" if first.d < first.prior.C - 1 else ""
    return Compared(
        claim="embeddings",
        status=weakest,
        problem=replace(ProblemRecord.of(problem), d=first.d),
        series=tuple(series),
        note=note,
        seconds=time.perf_counter() - begun,
        versions=versions("jax", "numpy", "python-flint"),
    )


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.embeddings`."""
    parser = cli.parser(
        "verify.embeddings",
        "Trained embeddings (n x d) with labels: their exact population loss, how far it is above the certified\n"
        "minimum, and whether that is spread within the classes or the arrangement of the class means.",
        "  python -m verify.embeddings embeddings.npy --labels labels.npy --k 256 --temperature 0.5\n"
        "  python -m verify.embeddings run.npz --k 256 --temperature 0.5 --html run.html\n"
        "  python -m verify.embeddings epoch-*.npz --compare --k 256 --temperature 0.5",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help=".npy with one point a row, or .npz with 'embeddings' and 'labels'"
    )
    parser.add_argument("--labels", metavar="FILE", help=".npy with the class of each point, an integer from 0 to C-1")
    parser.add_argument(
        "--k", type=cli.one_k, required=True, metavar="K", help="number of negatives, an integer or inf"
    )
    parser.add_argument("--temperature", default="1", metavar="T", help="of the training loss, T > 0 (default: 1)")
    parser.add_argument("--rho", metavar="R", help="class prior of training (default: that of the points)")
    parser.add_argument("--normalize", action="store_true", help="divide the rows by their lengths")
    parser.add_argument("--compare", action="store_true", help="several files as one table: checkpoints, or runs")
    parser.add_argument("--save", type=cli.writable, metavar="FILE", help="write the arrays to FILE (.npz)")
    parser.add_argument("--html", type=cli.writable, metavar="FILE", help="write a page with pictures")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> EmbeddingsResult | Compared:
        from verify.trained.points import read_points

        if len(arguments.files) > 1 and not arguments.compare:
            raise InputError("compare", f"{len(arguments.files)} files", "give --compare for a table of several files")
        if arguments.compare and arguments.save is not None:
            raise InputError("save", arguments.save, "not with --compare, which --json has all numbers of")
        read = [
            (path, read_points(path, arguments.labels, rho=arguments.rho, normalize=arguments.normalize))
            for path in arguments.files
        ]
        result: EmbeddingsResult | Compared
        if arguments.compare:
            result = compare(read, arguments.k, temperature=arguments.temperature, progress=progress)
        else:
            given = read[0][1]
            result = _run(given, Problem(given.prior, arguments.k, temperature=arguments.temperature), progress)
        if arguments.save is not None:
            _save(result, arguments.save)
        if arguments.html is not None:
            from verify.files.delivery import deliver
            from verify.trained.page import page

            deliver(arguments.html, page(result).encode())
        return result

    def report(result: EmbeddingsResult | Compared) -> str:
        from verify.trained import result as results

        return results.report_compared(result) if isinstance(result, results.Compared) else results.report(result)

    cli.main(parser, execute, report, argv)


def _save(result: Any, path: Path) -> None:
    """The arrays of a result as .npz."""
    import numpy as np

    from verify.files.delivery import deliver

    cosines, stream = result.cosines, io.BytesIO()
    np.savez(
        stream,
        found=np.array(cosines.found, dtype=float),
        optimal=np.array(cosines.optimal),
        spread=np.array(result.collapse.spread),
        loss_by_class=np.array(result.loss.by_class),
        spectral_gaps=np.array(result.spectral_gaps),
        rho=np.array([float(Fraction(mass)) for mass in result.problem.rho]),
    )
    deliver(path, stream.getvalue())


if __name__ == "__main__":
    main()
