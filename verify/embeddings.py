"""`python -m verify.embeddings`: trained embeddings beside the certified optimum.

The exact population loss of labelled points, how far it is above the certified minimum for their prior, and why: spread
within the classes, or the arrangement of the class means. With the geometry of the class means, neural collapse, what a
linear classifier makes of the points, and what another number of negatives or temperature would do.

`run` has everything; `measure` the numbers that are cheap enough for every epoch of a training run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, NoReturn

from theory.errors import InputError
from theory.objectives import get_objective
from theory.problem import ExactNumber, Number, Problem, Whole, check_temperature
from verify import cli
from verify.files.priors import PriorLike

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from theory.objectives import ObjectiveLike
    from verify.trained.measures import Measures
    from verify.trained.result import Compared, EmbeddingsResult

    Progress = Callable[[str], None]


def measure(
    embeddings: ArrayLike,
    labels: ArrayLike,
    k: Number,
    *,
    rho: PriorLike | None = None,
    normalize: bool = False,
    temperature: ExactNumber = 1,
    anchors: Whole | None = None,
    seed: int = 0,
    xp: Any = None,
    progress: Progress | None = None,
) -> Measures:
    """What a training run wants to know at every epoch, from NumPy arrays (n x d, and n).

    The minimum is computed at the first call with a prior, `k` and temperature, and remembered.

    Args:
        embeddings: one point a row, of length 1 unless they are to be normalized.
        labels: integers from 0 to C-1, each of which occurs.
        k: number of negatives of the training loss, or `math.inf`.
        rho: the class prior of training, if it is not that of the points (as in `verify.optimum.run`).
        normalize: divide the rows by their lengths.
        temperature: of the training loss, read exactly.
        anchors: how many points are taken as anchors, drawn in each class; by default all, or as many as some minutes
            allow. Positives and negatives are all points in any case.
        seed: of the anchors that are drawn.
        xp: the array module that computes the rows of the Gram matrix: `numpy`, or `jax.numpy` on an accelerator.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    from verify.trained.compute import measured
    from verify.trained.points import points

    given = points(embeddings, labels, rho=rho, normalize=normalize)
    problem = Problem(given.prior, k, temperature=temperature)
    return measured(given, problem, _anchors(anchors), seed, progress or (lambda _: None), xp)


def run(
    embeddings: ArrayLike,
    labels: ArrayLike,
    k: Number,
    *,
    rho: PriorLike | None = None,
    normalize: bool = False,
    temperature: ExactNumber = 1,
    objective: ObjectiveLike = "nce",
    anchors: Whole | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> EmbeddingsResult:
    """Everything about embeddings; the arguments are those of `measure`, and `objective`: "nce" is the only one here.

    `proved`: the loss of up to 2000 points and the minimum are enclosed. `numerical`: they are known in double
    precision, the loss with an estimate of its error.

    Raises:
        InputError: for input outside of what is accepted.
    """
    from verify.trained.compute import examined
    from verify.trained.points import points

    get_objective(objective, ("nce",))
    given = points(embeddings, labels, rho=rho, normalize=normalize)
    problem = Problem(given.prior, k, temperature=temperature)
    return examined(given, problem, _anchors(anchors), seed, progress or (lambda _: None))


def compare(
    sets: Iterable[tuple[str, ArrayLike, ArrayLike]],
    k: Number,
    *,
    rho: PriorLike | None = None,
    normalize: bool = False,
    temperature: ExactNumber = 1,
    anchors: Whole | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Compared:
    """Several sets of embeddings, checkpoints or runs, by what `measure` gives of each; the priors must be the same.

    Args:
        sets: a name, embeddings and labels of each; asked for one after the other, so that a generator will do.

    Raises:
        InputError: if the priors differ, or there are no sets.
    """
    from verify.trained.compute import compared
    from verify.trained.points import points

    given = ((name, points(F, labels, rho=rho, normalize=normalize)) for name, F, labels in sets)
    return compared(given, k, temperature, _anchors(anchors), seed, progress or (lambda _: None))


def _anchors(anchors: Any) -> int | None:
    """Checked.

    Raises:
        InputError: if they are no positive number.
    """
    if anchors is None:
        return None
    if isinstance(anchors, bool) or not isinstance(anchors, Integral) or anchors < 1:
        raise InputError("anchors", anchors, "accepted: an integer >= 1")
    return int(anchors)


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
        "embeddings",
        nargs="+",
        metavar="FILE",
        help=".npy with one point a row, or .npz with 'embeddings' and 'labels'",
    )
    parser.add_argument("--labels", metavar="FILE", help=".npy with the class of each point, an integer from 0 to C-1")
    parser.add_argument(
        "--k", type=cli.one_k, required=True, metavar="K", help="number of negatives, an integer or inf"
    )
    parser.add_argument("--temperature", default="1", metavar="T", help="of the training loss, T > 0 (default: 1)")
    cli.add_objective(parser)
    parser.add_argument("--rho", metavar="R", help="class prior of training (default: that of the points)")
    parser.add_argument("--normalize", action="store_true", help="divide the rows by their lengths")
    parser.add_argument(
        "--anchors",
        type=cli.integer(1),
        metavar="N",
        help="anchors, drawn in each class; positives and negatives are all points (default: all, or as many as some "
        "minutes allow)",
    )
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="of these draws (default: 0)")
    parser.add_argument("--compare", action="store_true", help="several files as one table: checkpoints, or runs")
    parser.add_argument("--save", type=cli.writable, metavar="FILE", help="write the arrays to FILE (.npz)")
    parser.add_argument("--html", type=cli.writable, metavar="FILE", help="write a page with pictures")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> EmbeddingsResult | Compared:
        from verify.files.saving import save
        from verify.trained.compute import compared, examined
        from verify.trained.points import read_points

        if len(arguments.embeddings) > 1 and not arguments.compare:
            raise InputError(
                "compare", f"{len(arguments.embeddings)} files", "give --compare for a table of several files"
            )
        if arguments.compare and arguments.save is not None:
            raise InputError("save", arguments.save, "not with --compare, which --json has all numbers of")
        if arguments.save is not None and arguments.save.suffix != ".npz":
            raise InputError("save", arguments.save, "accepted: a file named .npz")
        read = partial(read_points, labels=arguments.labels, rho=arguments.rho, normalize=arguments.normalize)
        get_objective(arguments.objective, ("nce",))
        temperature = check_temperature(arguments.temperature)
        result: EmbeddingsResult | Compared
        if arguments.compare:
            # a bad file is refused before any work, and no two are held at once
            for path in arguments.embeddings:
                read(path)
            sets = ((path, read(path)) for path in arguments.embeddings)
            result = compared(sets, arguments.k, temperature, arguments.anchors, arguments.seed, progress)
        else:
            given = read(arguments.embeddings[0])
            problem = Problem(given.prior, arguments.k, temperature=temperature)
            result = examined(given, problem, arguments.anchors, arguments.seed, progress)
            if arguments.save is not None:
                save(arguments.save, result.arrays())
        if arguments.html is not None:
            from verify.files.delivery import deliver
            from verify.trained.page import page

            deliver(arguments.html, page(result).encode())
        return result

    def report(result: EmbeddingsResult | Compared) -> str:
        from verify.trained import result as results

        return results.report_compared(result) if isinstance(result, results.Compared) else results.report(result)

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
