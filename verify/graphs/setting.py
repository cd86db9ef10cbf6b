"""The problem that the options of `verify.augmentation` describe: a graph, its tasks, and the kind of encoder."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from theory.augmentation.expectation import LOSSES
from theory.augmentation.families import block, mixed_across
from theory.augmentation.graph import Graph, cell_task, quotient
from theory.errors import InputError
from theory.priors import Prior, number
from theory.problem import Problem
from verify import limits
from verify.graphs.files import read_features, read_graph, read_labels, read_tasks
from verify.graphs.proof import dimensions
from verify.graphs.series import Setting


def given_graph(
    prior: Prior | None,
    points: int | Sequence[int] | None,
    overlap: Fraction | str | None,
    across: Fraction | str,
    graph: Graph | str | Path | None,
    labels: str | Path | None,
) -> Graph:
    """The graph that is given, or of the block family of a prior; with a share of positives from all points.

    Raises:
        InputError: if it is described twice or not at all, or has too many classes.
    """
    if graph is None:
        if prior is None or points is None or overlap is None:
            raise InputError("graph", "nothing", "accepted: --graph FILE, or --rho with --points and --overlap")
        if labels is not None:
            raise InputError("labels", labels, "labels belong to --graph")
        share = number(overlap, "overlap") if isinstance(overlap, str) else overlap
        described = block(prior, points, share)
    else:
        if prior is not None or points is not None or overlap is not None:
            raise InputError("graph", graph, "a graph has its own classes: leave out --rho, --points and --overlap")
        described = graph if isinstance(graph, Graph) else read_graph(graph, labels)
    mixed = number(across, "across") if isinstance(across, str) else across
    if mixed:
        described = mixed_across(described, mixed)
    if described.C > limits.GRAPH_CLASSES:
        raise InputError("graph", f"{described.C} classes", f"accepted: at most {limits.GRAPH_CLASSES} classes here")
    return described


def given_setting(
    graph: Graph,
    tasks: str | Path | None,
    encoder: str | None,
    *,
    k: int | float,
    d: int | None,
    loss: str,
    temperature: Fraction,
) -> tuple[Setting, str | None]:
    """The problem to be solved, for the encoder, and what the encoder is.

    Raises:
        InputError: for files and numbers that are not accepted, or a loss without an expectation here.
    """
    if loss not in LOSSES:
        raise InputError("loss", loss, f"accepted for graphs: {', '.join(LOSSES)}")

    def on(solved: Graph) -> Problem[Graph]:
        return Problem(solved, k, d, loss, temperature)

    assert graph.labels is not None
    labelings: dict[str, tuple[int, ...]] = {}
    if tasks is not None:
        labelings = read_tasks(tasks, graph.points)
        if "classes" in labelings:
            raise InputError("tasks", "classes", "that is the name of the graph's own labels: choose another one")
    if encoder is None and not labelings:
        return Setting(on(graph), {"classes": graph.task(graph.labels)}), None
    if graph.points > limits.GRAPH_POINTS:
        raise InputError("points", graph.points, f"tasks and encoders are for at most {limits.GRAPH_POINTS} points")
    points = graph if max(graph.counts) == 1 else graph.expanded()
    assert points.labels is not None
    by_point = {"classes": points.labels} | labelings
    if encoder is None:
        return Setting(on(points), {name: points.task(own) for name, own in by_point.items()}), None
    how, colon, file = encoder.partition(":")
    if how == "cells" and colon:
        cells = read_labels(file, "encoder").tolist()
        if len(set(cells)) == 1:
            raise InputError("encoder", f"{file}: 1 cell", "at least 2 cells are needed")
        solved = quotient(points, cells)
        named = {name: cell_task(points, cells, own) for name, own in by_point.items()}
        return Setting(on(solved), named), f"constant on {solved.points} cells"
    if how == "linear" and colon:
        features = read_features(file, points.points)
        named = {name: points.task(own) for name, own in by_point.items()}
        described = f"linear in {features.shape[1]} features, of unit length"
        return Setting(on(points), named, features), described
    raise InputError("encoder", encoder, "accepted: cells:FILE or linear:FILE")


def check_kind(kind: str | None, ks: tuple[int | float, ...], graph: Graph, d: int | None) -> None:
    """Refuse a certificate that this problem has none of.

    Raises:
        InputError: for a kind that is about several k, or about one, or about pairs within classes; for fewer
            dimensions than a certificate is about.
    """
    if d is not None and d < dimensions(graph):
        raise InputError("d", d, f"certificates here are about {dimensions(graph)} dimensions or more")
    several = kind == "conjecture-refuted" or (kind is None and len(ks) > 1)
    if several and len(ks) < 2:
        raise InputError("kind", kind, "a rise needs two k or more")
    if not several and len(ks) > 1:
        raise InputError("kind", kind, "accepted for several k: conjecture-refuted")
    if kind == "indistinguishability" and graph.crosses:
        raise InputError("kind", kind, "no positive pair may cross classes")
