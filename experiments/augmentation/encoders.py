"""Restricted encoders, several tasks, unequal classes, pairs across classes: collapse and the downstream loss."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from theory import priors
from theory.augmentation.families import block, hierarchy, mixed_across
from theory.augmentation.graph import Graph, cell_task, quotient
from theory.problem import Problem
from verify.graphs.series import Setting, best_rise, settle, within_class_cosines

NEGATIVES = (1, 16, 256)


def described(setting: Setting, ks: tuple[int, ...] = NEGATIVES) -> dict[str, Any]:
    """Collapse, cosines and downstream losses at each k, and the proven rises."""
    points = [settle(setting.at(k)) for k in ks]
    series = []
    for point in points:
        sup = {}
        for name, task in point.tasks.items():
            bracket, head = task.bracket, task.head
            ends = [float(bracket.lower), float(bracket.upper)] if bracket is not None else None
            assert head is not None
            sup[name] = {"proved": ends, "found": head.upper, "accuracy": head.accuracy}
        cosines = within_class_cosines(setting, point) if setting.graph.labels is not None else None
        series.append({"k": point.k, "collapsed": point.collapsed, "cosines_within": cosines, "sup": sup})
    rises = {task: best_rise(points, task) for task in setting.tasks}
    return {
        "series": series,
        "proven_rise": {name: None if rise is None else float(rise[2]) for name, rise in rises.items()},
    }


def _plain(graph: Graph) -> Setting:
    return Setting(Problem(graph, 1), {"classes": graph.task(graph.labels)})


def encoders() -> dict[str, Any]:
    """Three equal classes of 3 points, overlap 1/20: all encoders; cells that are classes; cells that join classes;
    features that see the class and little else."""
    graph = block(priors.uniform(3), 3, Fraction(1, 20)).expanded()
    assert graph.labels is not None
    own, joined = [0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 2, 3, 4, 5, 6, 7]
    found = {"all": described(_plain(graph))}
    for name, cells in (("cells are the classes", own), ("a cell joins two classes", joined)):
        setting = Setting(Problem(quotient(graph, cells), 1), {"classes": cell_task(graph, cells, graph.labels)})
        found[name] = described(setting)
    # linear encoders of the class alone, of the class and two features that tell its points apart, of all points
    indicator = np.eye(3)[own]
    apart = np.random.default_rng(3).normal(size=(9, 2))
    for name, features in (
        ("linear in the class", indicator),
        ("linear in the class and two features", np.hstack([indicator, apart])),
        ("linear in all points", np.eye(9)),
    ):
        found[name] = described(Setting(Problem(graph, 1), {"classes": graph.task(graph.labels)}, features))
    return found


def tasks() -> dict[str, Any]:
    """2 coarse classes of 2 fine ones of 3 points: positives within fine classes, or leaking into coarse ones."""
    found = {}
    for name, overlap, leak in (
        ("fine positives", Fraction(3, 10), Fraction(0)),
        ("a tenth leaks", Fraction(3, 10), Fraction(1, 10)),
        ("coarse positives", Fraction(0), Fraction(3, 10)),
        ("coarse collapse", Fraction(0), Fraction(9, 10)),
    ):
        graph, coarse, fine = hierarchy(2, 2, 3, overlap, leak)
        named = {"coarse": graph.task(coarse), "fine": graph.task(fine)}
        found[name] = described(Setting(Problem(graph, 1), named))
    return found


def unequal() -> dict[str, Any]:
    """Unequal classes on both sides of their thresholds, and pairs across classes."""
    prior = priors.parse("0.5,0.3,0.2")
    cases = {
        "below all": block(prior, 4, Fraction(1, 10)),
        "between": block(prior, 4, Fraction(4, 10)),
        "above all": block(prior, 4, Fraction(8, 10)),
        "across 1/20": mixed_across(block(prior, 4, Fraction(4, 10)), Fraction(1, 20)),
        "across 1/5": mixed_across(block(prior, 4, Fraction(8, 10)), Fraction(1, 5)),
    }
    return {name: described(_plain(graph)) for name, graph in cases.items()}


def run() -> dict[str, Any]:
    """All three."""
    return {"encoders": encoders(), "tasks": tasks(), "unequal": unequal()}
