"""`python -m verify.augmentation`: positives from an augmentation graph. Are classes collapsed at the optimum, and does
the downstream loss rise with `k`?

The theorem of `theory.augmentation.thresholds` decides collapse; where classes are not collapsed the optimum is that
of a convex program, enclosed in balls (`verify.graphs`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from theory import priors
from theory.errors import InputError
from theory.objectives import get_objective
from theory.priors import Prior
from theory.problem import Problem, check_k, check_temperature
from verify import cli, limits
from verify.results import ProblemRecord, Status, k_as_json, versions, weakest
from verify.results.augmentation import AugmentationResult, Enclosed, Entry, Witness, report
from verify.results.digits import round_down

if TYPE_CHECKING:
    from theory.augmentation.graph import Graph
    from theory.objectives import ObjectiveLike

KINDS = ("indistinguishability", "global-optimum", "downstream-loss", "conjecture-refuted")


def run(
    k: Sequence[int | float],
    *,
    rho: Prior | str | None = None,
    points: int | Sequence[int] | None = None,
    overlap: Fraction | str | None = None,
    across: Fraction | str = Fraction(0),
    graph: Graph | str | Path | None = None,
    labels: str | Path | None = None,
    tasks: str | Path | None = None,
    encoder: str | None = None,
    threshold: bool = False,
    C: int | None = None,
    normalize: bool = False,
    d: int | None = None,
    loss: str = "logistic",
    temperature: Fraction | int | float | str = 1,
    objective: ObjectiveLike = "nce",
    certificate: Path | str | None = None,
    kind: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> AugmentationResult:
    """Settle collapse, minimum and downstream loss at each `k`.

    Args:
        k: numbers of negatives; `math.inf` for the limit, of which nothing is proved.
        rho: with `points` and `overlap`, the block family (`theory.augmentation.families.block`) of this prior; or,
        with
            `threshold`, all that is needed.
        points: points of each class, or one number for each.
        overlap: the probability that the positive is drawn from the whole class.
        across: the share of positives that are drawn from all points instead.
        graph: a graph, or a file of one (`verify.graphs.files`), instead of the block family.
        labels: a .npy file of labels, instead of those in the graph's file.
        tasks: a .npz file of labelings of the points, each a downstream task beside the graph's own classes.
        encoder: "cells:FILE" (.npy, a cell number for each point: embeddings that are constant on cells) or
            "linear:FILE" (.npy, features n x p: embeddings that are linear in them).
        threshold: only `alpha*_c(k)`; no graph is needed.
        C: number of classes, for profiles such as "zipf:1".
        normalize: divide the masses of a text by their sum.
        d: dimension, the number of points by default.
        loss: name of the loss; any differentiable one with `threshold`.
        temperature: read exactly.
        objective: "nce", the one whose positives are drawn from a graph here.
        certificate: file to write the certificate to.
        kind: which certificate (`KINDS`): by default "conjecture-refuted" for several k, else "indistinguishability",
        or
            "global-optimum" where pairs cross classes.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    ks = tuple(sorted({check_k(one) for one in k}))
    exact_temperature = check_temperature(temperature)
    get_objective(objective, ("nce",))
    if kind is not None and kind not in KINDS:
        raise InputError("kind", kind, f"accepted: {', '.join(KINDS)}")
    prior = None if rho is None else rho if isinstance(rho, Prior) else priors.parse(rho, C, normalize=normalize)
    if prior is not None:
        limits.check_classes(prior, limits.GRAPH_CLASSES)
    if threshold:
        return _thresholds(prior, graph, labels, ks, loss, exact_temperature, begun)

    from verify.graphs.entries import described, entry
    from verify.graphs.series import best_rise, settle
    from verify.graphs.setting import check_kind, given_graph, given_setting

    given = given_graph(prior, points, overlap, across, graph, labels)
    setting, encoded = given_setting(given, tasks, encoder, k=ks[0], d=d, loss=loss, temperature=exact_temperature)
    if certificate is not None:
        check_kind(kind, ks, setting.graph, d)
    points_at_k = []
    for one in ks:
        if progress is not None:
            progress(f"k = {one}: solving and enclosing")
        points_at_k.append(settle(setting.at(one)))
    entries = tuple(entry(setting, point, d) for point in points_at_k)
    witness = {}
    for task in setting.tasks:
        rise = best_rise(points_at_k, task)
        witness[task] = None if rise is None else Witness(ks[rise[0]], ks[rise[1]], round_down(rise[2]))  # type: ignore[arg-type]
    status = weakest(one.status for one in entries)
    written, note = None, ""
    if certificate is not None:
        from verify.graphs.certificates import certify

        written, status, note = certify(setting, points_at_k, kind, certificate, status)
    problem = Problem(given.prior, ks[0], given.points if d is None else d, loss, exact_temperature)
    return AugmentationResult(
        claim="augmentation",
        status=status,
        problem=ProblemRecord.of(problem, ks if len(ks) > 1 else None),
        graph=described(setting.graph, given, encoded),
        series=entries,
        witness=witness,
        note=note,
        certificate=written,
        seconds=time.perf_counter() - begun,
        versions=versions("numpy", "scipy", "python-flint"),
    )


def _thresholds(
    prior: Prior | None,
    graph: Graph | str | Path | None,
    labels: str | Path | None,
    ks: tuple[int | float, ...],
    loss: str,
    temperature: Fraction,
    begun: float,
) -> AugmentationResult:
    """`alpha*_c(k)` alone, for a prior or for that of a graph."""
    from verify.graphs.collapse import class_level
    from verify.graphs.setting import given_graph

    if graph is not None:
        given = given_graph(None, None, None, Fraction(0), graph, labels)
        if given.crosses:
            raise InputError("graph", "pairs across classes", "thresholds need positives that stay in their class")
        prior = given.prior
    if prior is None:
        raise InputError("rho", "nothing", "a threshold needs --rho or --graph")
    problem, entries = Problem(prior, ks[0], loss=loss, temperature=temperature), []
    for k in ks:
        level = class_level(replace(problem, k=k))
        proved = level.enclosures is not None
        nothing = Enclosed(None, None, None)
        status = Status.PROVED if proved else Status.NUMERICAL
        note = f"not enclosed: {level.minimizer}" if isinstance(level.minimizer, str) else ""
        entries.append(Entry(k_as_json(k), level.thresholds, None, nothing, None, {}, None, status, note))
    return AugmentationResult(
        claim="collapse-threshold",
        status=weakest(one.status for one in entries),
        problem=ProblemRecord.of(problem, ks if len(ks) > 1 else None),
        graph=None,
        series=tuple(entries),
        witness={},
        note="",
        certificate=None,
        seconds=time.perf_counter() - begun,
        versions=versions("numpy", "scipy", "python-flint"),
    )


def _points(text: str) -> int | tuple[int, ...]:
    """Reads the points of a class, or one number for each class."""
    numbers = tuple(cli.integer(1)(part) for part in text.split(","))
    return numbers[0] if len(numbers) == 1 else numbers


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.augmentation`."""
    parser = cli.parser(
        "verify.augmentation",
        "Positives from an augmentation graph: are classes collapsed at the optimum, and does the downstream loss\n"
        "rise with the number of negatives? In the block family each class has M equal points, and the positive is\n"
        "the same point with probability 1 - A, else uniform in the class.",
        "  python -m verify.augmentation --rho 0.5,0.3,0.2 --points 8 --overlap 0.3 --k 1,16,256\n"
        "  python -m verify.augmentation --graph graph.npz --k 1,64 --json\n"
        "  python -m verify.augmentation --rho uniform --C 10 --k 1,16,inf --threshold",
    )
    parser.add_argument("--rho", metavar="R", help="class prior, as in verify.optimum; with --points and --overlap")
    parser.add_argument("--normalize", action="store_true", help="divide the masses of --rho by their sum")
    parser.add_argument("--C", type=cli.integer(2), metavar="C", help="number of classes, for profiles like zipf:1")
    parser.add_argument("--points", type=_points, metavar="M", help="points of each class: 8, or 4,8,2")
    parser.add_argument("--overlap", metavar="A", help="probability that the positive is any point of the class")
    parser.add_argument("--across", default="0", metavar="E", help="share of positives from all points (default: 0)")
    parser.add_argument("--graph", metavar="FILE", help=".npz with 'pairs' (n x n) and 'labels' (n), or as documented")
    parser.add_argument("--labels", metavar="FILE", help=".npy with the labels, instead of those in --graph")
    parser.add_argument("--tasks", metavar="FILE", help=".npz with further labelings of the points, one a task")
    parser.add_argument("--encoder", metavar="E", help="cells:FILE or linear:FILE: restricted encoders")
    parser.add_argument("--k", type=cli.k_list, required=True, metavar="K", help="numbers of negatives: 64, 1,16,inf")
    parser.add_argument("--d", type=cli.integer(2), metavar="D", help="dimension (default: that of points)")
    parser.add_argument("--loss", default="logistic", metavar="L", help="logistic, decoupled, exponential or separable")
    parser.add_argument("--temperature", default="1", metavar="T", help="the loss sees margins / T, T > 0 (default: 1)")
    cli.add_objective(parser)
    parser.add_argument("--threshold", action="store_true", help="only the overlap from which on classes collapse")
    cli.add_certificate(parser)
    parser.add_argument(
        "--kind", choices=KINDS, help="which certificate (default: a rise for several k, else collapse)"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> AugmentationResult:
        return run(
            arguments.k,
            rho=arguments.rho,
            points=arguments.points,
            overlap=arguments.overlap,
            across=arguments.across,
            graph=arguments.graph,
            labels=arguments.labels,
            tasks=arguments.tasks,
            encoder=arguments.encoder,
            threshold=arguments.threshold,
            C=arguments.C,
            normalize=arguments.normalize,
            d=arguments.d,
            loss=arguments.loss,
            temperature=arguments.temperature,
            objective=arguments.objective,
            certificate=arguments.certificate,
            kind=arguments.kind,
            progress=progress,
        )

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
