"""`python -m verify.augmentation`: positives from an augmentation graph. Are classes collapsed at the optimum, and does
the downstream loss rise with `k`?

The theorem of `theory.augmentation.thresholds` decides collapse; where classes are not collapsed the optimum is that
of a convex program, enclosed in balls (`verify.graphs`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from theory import priors
from theory.errors import InputError
from theory.priors import Prior, number
from verify import cli
from verify.results import Problem, Status, check_k, check_temperature, k_as_json, listed, versions
from verify.results.augmentation import AugmentationResult, Enclosed, Entry, GraphReport, Sup, Witness, report
from verify.results.digits import round_down, round_up

if TYPE_CHECKING:
    from theory.augmentation.graph import Graph
    from verify.graphs.series import Point, Setting

#: The most classes of a graph or a prior.
MAX_CLASSES = 256
#: The most points that are looked at one by one.
MAX_EXPANDED = 2000
#: The widest proven bracket of a downstream loss, relative to max(1, loss), that is called proved.
SUP_TOLERANCE = 0.01
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
    if kind is not None and kind not in KINDS:
        raise InputError("kind", kind, f"accepted: {', '.join(KINDS)}")
    prior = None if rho is None else rho if isinstance(rho, Prior) else priors.parse(rho, C, normalize=normalize)
    if prior is not None and prior.C > MAX_CLASSES:
        raise InputError("rho", f"{prior.C} classes", f"accepted: at most {MAX_CLASSES} classes here")
    if threshold:
        return _thresholds(prior, graph, labels, ks, loss, exact_temperature, begun)
    made = _graph(prior, points, overlap, across, graph, labels)
    setting, described = _setting(made, tasks, encoder, loss, exact_temperature)
    check_dimension(d, setting.graph.points)
    if certificate is not None:
        _check_certificate(kind, ks, setting.graph)

    from verify.graphs.series import best_rise, settle

    found = []
    for one in ks:
        if progress is not None:
            progress(f"k = {one}: solving and enclosing")
        found.append(settle(setting, one))
    entries = tuple(_entry(setting, point, d) for point in found)
    witness = {}
    for task in setting.tasks:
        rise = best_rise(found, task)
        witness[task] = None if rise is None else Witness(ks[rise[0]], ks[rise[1]], round_down(rise[2]))  # type: ignore[arg-type]
    status = min((entry.status for entry in entries), key=[Status.UNDECIDED, Status.NUMERICAL, Status.PROVED].index)
    written, note = None, ""
    if certificate is not None:
        from verify.graphs.certificates import certify

        written, status, note = certify(setting, found, kind, certificate, status)
    graph_prior = made.prior
    return AugmentationResult(
        claim="augmentation",
        status=status,
        problem=Problem(
            graph_prior.C,
            ks if len(ks) > 1 else ks[0],
            made.points if d is None else d,
            listed(graph_prior),
            loss,
            f"{exact_temperature.numerator}/{exact_temperature.denominator}",
        ),
        graph=_graph_report(setting.graph, made, described),
        series=entries,
        witness=witness,
        note=note,
        certificate=written,
        seconds=time.perf_counter() - begun,
        versions=versions("numpy", "scipy", "python-flint"),
    )


def check_dimension(d: int | None, points: int) -> None:
    """Refuse a dimension below 2.

    Raises:
        InputError: for such a dimension.
    """
    if d is not None and d < 2:
        raise InputError("d", d, f"accepted: an integer >= 2 (default: the number of points, {points})")


def _graph(
    prior: Prior | None,
    points: int | Sequence[int] | None,
    overlap: Fraction | str | None,
    across: Fraction | str,
    graph: Graph | str | Path | None,
    labels: str | Path | None,
) -> Graph:
    from theory.augmentation.families import block, mixed_across
    from theory.augmentation.graph import Graph

    if graph is None:
        if prior is None or points is None or overlap is None:
            raise InputError("graph", "nothing", "accepted: --graph FILE, or --rho with --points and --overlap")
        if labels is not None:
            raise InputError("labels", labels, "labels belong to --graph")
        share = number(overlap, "overlap") if isinstance(overlap, str) else overlap
        made = block(prior, points, share)
    else:
        if prior is not None or points is not None or overlap is not None:
            raise InputError("graph", graph, "a graph has its own classes: leave out --rho, --points and --overlap")
        if isinstance(graph, Graph):
            made = graph
        else:
            from verify.graphs.files import read_graph

            made = read_graph(graph, labels)
    mixed = number(across, "across") if isinstance(across, str) else across
    if mixed:
        made = mixed_across(made, mixed)
    if made.C > MAX_CLASSES:
        raise InputError("graph", f"{made.C} classes", f"accepted: at most {MAX_CLASSES} classes here")
    return made


def _setting(
    graph: Graph, tasks: str | Path | None, encoder: str | None, loss: str, temperature: Fraction
) -> tuple[Setting, str | None]:
    """The problem to be solved, for the encoder, and what the encoder is."""
    from theory.augmentation.expectation import LOSSES
    from theory.augmentation.graph import cell_task, quotient
    from verify.graphs.files import read_labels, read_tasks
    from verify.graphs.series import Setting

    if loss not in LOSSES:
        raise InputError("loss", loss, f"accepted for graphs: {', '.join(LOSSES)}")
    assert graph.labels is not None
    labelings: dict[str, tuple[int, ...]] = {}
    if tasks is not None:
        labelings = read_tasks(tasks, graph.points)
        if "classes" in labelings:
            raise InputError("tasks", "classes", "that is the name of the graph's own labels: choose another one")
    if encoder is None and not labelings:
        return Setting(graph, {"classes": graph.task(graph.labels)}, loss, temperature), None
    if graph.points > MAX_EXPANDED:
        raise InputError("points", graph.points, f"tasks and encoders are for at most {MAX_EXPANDED} points")
    points = graph if max(graph.counts) == 1 else graph.expanded()
    assert points.labels is not None
    by_point = {"classes": points.labels} | labelings
    if encoder is None:
        return Setting(points, {name: points.task(own) for name, own in by_point.items()}, loss, temperature), None
    how, colon, file = encoder.partition(":")
    if how == "cells" and colon:
        cells = read_labels(file, "encoder").tolist()
        solved = quotient(points, cells)
        named = {name: cell_task(points, cells, own) for name, own in by_point.items()}
        return Setting(solved, named, loss, temperature), f"constant on {solved.points} cells"
    if how == "linear" and colon:
        from verify.graphs.files import read_features

        features = read_features(file, points.points)
        named = {name: points.task(own) for name, own in by_point.items()}
        described = f"linear in {features.shape[1]} features, of unit length"
        return Setting(points, named, loss, temperature, features), described
    raise InputError("encoder", encoder, "accepted: cells:FILE or linear:FILE")


def _graph_report(solved: Graph, graph: Graph, encoder: str | None) -> GraphReport:
    from theory.augmentation.chains import components, spectral_gaps

    if solved.labels is None:
        return GraphReport(solved.points, graph.C, None, None, True, encoder)
    gaps, parts = tuple(spectral_gaps(solved)), tuple(components(solved))
    return GraphReport(solved.points, graph.C, gaps, parts, solved.crosses, encoder)


def _entry(setting: Setting, point: Point, d: int | None) -> Entry:
    from verify.graphs.series import GAP_TOLERANCE, within_class_cosines

    notes = [point.note] if point.note else []
    sup = {}
    # an encoder that joins classes leaves nothing to be asked about collapse
    decided = point.collapsed in ("proved", "refuted") or setting.graph.labels is None
    proved = point.nce is not None and decided
    closed = point.found[0] - point.found[1] <= GAP_TOLERANCE * max(1.0, abs(point.found[0]))
    for name, task in point.tasks.items():
        head, found = task.head, task.bracket
        accuracy = None if head is None else head.accuracy
        if found is not None:
            width = found.upper - found.lower
            sup[name] = Sup(round_down(found.lower), round_up(found.upper), float(width), accuracy)
            proved = proved and width <= Fraction(SUP_TOLERANCE) * max(Fraction(1), found.upper)
        elif head is not None:
            sup[name] = Sup(head.lower, head.upper, head.upper - head.lower, accuracy)
            proved = False
        else:
            sup[name] = Sup(None, None, None, None)
    if point.nce is not None:
        low, high = point.nce
        nce = Enclosed(round_down(low), round_up(high), float(high - low))
    else:
        nce = Enclosed(point.found[1], point.found[0], point.found[0] - point.found[1])
    status = Status.PROVED if proved else Status.NUMERICAL if closed else Status.UNDECIDED
    rank = point.representation.rank
    if d is not None and d <= rank:
        # the optimum is attained in its rank; its best classifier needs room beside it
        status = Status.UNDECIDED
        if d < rank:
            nce = Enclosed(nce.lower, None, None)
            notes.append(f"d is less than the rank of the optimum found, {rank}: 'lower' is the convex relaxation's")
        else:
            notes.append("d is the rank of the optimum: 'sup' is that of classifiers in the unit ball")
    cosines = tuple(within_class_cosines(setting, point)) if setting.graph.labels is not None else None
    first = next(iter(sup.values()))
    return Entry(
        k_as_json(point.k),
        None if point.level is None else point.level.thresholds,
        point.collapsed,
        nce,
        cosines,
        sup,
        first.accuracy,
        status,
        "; ".join(notes),
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

    if graph is not None:
        made = _graph(None, None, None, Fraction(0), graph, labels)
        if made.crosses:
            raise InputError("graph", "pairs across classes", "thresholds need positives that stay in their class")
        prior = made.prior
    if prior is None:
        raise InputError("rho", "nothing", "a threshold needs --rho or --graph")
    entries = []
    for k in ks:
        level = class_level(prior, loss, k, temperature)
        proved = level.enclosures is not None
        nothing = Enclosed(None, None, None)
        status = Status.PROVED if proved else Status.NUMERICAL
        note = f"not enclosed: {level.minimizer}" if isinstance(level.minimizer, str) else ""
        entries.append(Entry(k_as_json(k), level.thresholds, None, nothing, None, {}, None, status, note))
    weakest = Status.PROVED if all(entry.status is Status.PROVED for entry in entries) else Status.NUMERICAL
    return AugmentationResult(
        claim="collapse-threshold",
        status=weakest,
        problem=Problem(
            prior.C,
            ks if len(ks) > 1 else ks[0],
            prior.C,
            listed(prior),
            loss,
            f"{temperature.numerator}/{temperature.denominator}",
        ),
        graph=None,
        series=tuple(entries),
        witness={},
        note="",
        certificate=None,
        seconds=time.perf_counter() - begun,
        versions=versions("numpy", "scipy", "python-flint"),
    )


def _check_certificate(kind: str | None, ks: tuple[int | float, ...], graph: Graph) -> None:
    several = kind == "conjecture-refuted" or (kind is None and len(ks) > 1)
    if several and len(ks) < 2:
        raise InputError("kind", kind, "a rise needs two k or more")
    if not several and len(ks) > 1:
        raise InputError("kind", kind, "accepted for several k: conjecture-refuted")
    if kind == "indistinguishability" and graph.crosses:
        raise InputError("kind", kind, "no positive pair may cross classes")


def _points(text: str) -> int | tuple[int, ...]:
    """Reads the points of a class, or one number for each class."""
    numbers = tuple(cli.integer(1)(part) for part in text.split(","))
    return numbers[0] if len(numbers) == 1 else numbers


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.augmentation`."""
    made = cli.parser(
        "verify.augmentation",
        "Positives from an augmentation graph: are classes collapsed at the optimum, and does the downstream loss\n"
        "rise with the number of negatives? In the block family each class has M equal points, and the positive is\n"
        "the same point with probability 1 - A, else uniform in the class.",
        "  python -m verify.augmentation --rho 0.5,0.3,0.2 --points 8 --overlap 0.3 --k 1,16,256\n"
        "  python -m verify.augmentation --graph graph.npz --k 1,64 --json\n"
        "  python -m verify.augmentation --rho uniform --C 10 --k 1,16,inf --threshold",
    )
    made.add_argument("--rho", metavar="R", help="class prior, as in verify.optimum; with --points and --overlap")
    made.add_argument("--normalize", action="store_true", help="divide the masses of --rho by their sum")
    made.add_argument("--C", type=cli.integer(2), metavar="C", help="number of classes, for profiles like zipf:1")
    made.add_argument("--points", type=_points, metavar="M", help="points of each class: 8, or 4,8,2")
    made.add_argument("--overlap", metavar="A", help="probability that the positive is any point of the class")
    made.add_argument("--across", default="0", metavar="E", help="share of positives from all points (default: 0)")
    made.add_argument("--graph", metavar="FILE", help=".npz with 'pairs' (n x n) and 'labels' (n), or as documented")
    made.add_argument("--labels", metavar="FILE", help=".npy with the labels, instead of those in --graph")
    made.add_argument("--tasks", metavar="FILE", help=".npz with further labelings of the points, one a task")
    made.add_argument("--encoder", metavar="E", help="cells:FILE or linear:FILE: restricted encoders")
    made.add_argument("--k", type=cli.k_list, required=True, metavar="K", help="numbers of negatives: 64, 1,16,inf")
    made.add_argument("--d", type=cli.integer(2), metavar="D", help="dimension (default: that of points)")
    made.add_argument("--loss", default="logistic", metavar="L", help="logistic, decoupled, exponential or separable")
    made.add_argument("--temperature", default="1", metavar="T", help="the loss sees margins / T, T > 0 (default: 1)")
    made.add_argument("--threshold", action="store_true", help="only the overlap from which on classes collapse")
    cli.add_certificate(made)
    made.add_argument("--kind", choices=KINDS, help="which certificate (default: a rise for several k, else collapse)")

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
            certificate=arguments.certificate,
            kind=arguments.kind,
            progress=progress,
        )

    cli.main(made, execute, report, argv)


if __name__ == "__main__":
    main()
