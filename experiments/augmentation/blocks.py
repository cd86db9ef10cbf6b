"""Block families: the block theorem over a grid, and certificates of the rises that it asserts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from experiments.augmentation.rows import resumed
from theory import priors
from theory.augmentation.block import downstream_loss, with_overlap
from theory.augmentation.families import block
from theory.augmentation.thresholds import uniform_threshold
from theory.losses import get_loss
from theory.problem import Problem
from verify.certify.document import ratio, text
from verify.checker import check
from verify.files.delivery import deliver
from verify.graphs.certificates import indistinguishability, refuted
from verify.graphs.series import Point, Setting, TaskLoss, proven_rise, settle

CLASSES = tuple(range(2, 11))
POINTS = (2, 8, 1000)
NEGATIVES = (1, 4, 16, 64, 256, 1024, 4096)
TEMPERATURES = (Fraction(1, 5), Fraction(1, 2), Fraction(1), Fraction(2))
OVERLAPS = (Fraction(1, 50), Fraction(1, 10), Fraction(3, 10), Fraction(6, 10), Fraction(9, 10))
TASK = "classes"
#: Differences of cosines and losses below this are rounding.
ROUNDING = 1e-13


def steps() -> dict[str, Any]:
    """Every step of k over the grid, in double precision: whether g falls and L_sup rises, strictly below threshold."""
    logistic = get_loss("logistic")
    counted = {"families": 0, "steps": 0, "strict": 0, "equal": 0, "falls_of_the_loss": 0, "disagreements": 0}
    for C in CLASSES:
        for m in POINTS:
            for temperature in TEMPERATURES:
                beta = float(1 / temperature)
                thresholds = [uniform_threshold(logistic, C, k, beta) for k in NEGATIVES]
                for overlap in OVERLAPS:
                    family = with_overlap(C, m, float(overlap))
                    g = np.array([family.cosine("logistic", k, beta) for k in NEGATIVES])
                    sup = np.array([downstream_loss(C, m, x, family.between(x), beta) for x in g])
                    counted["families"] += 1
                    counted["steps"] += len(g) - 1
                    counted["strict"] += int(np.sum(np.diff(g) < 0))
                    counted["equal"] += int(np.sum(np.diff(g) == 0))
                    counted["falls_of_the_loss"] += int(np.sum(np.diff(sup) < -ROUNDING))
                    expected = [float(overlap) >= a for a in thresholds]
                    counted["disagreements"] += sum(
                        (x == 1.0) != e and abs(float(overlap) - a) > 1e-9
                        for x, e, a in zip(g, expected, thresholds, strict=True)
                    )
    return counted


def certified(count: int, folder: Path | None, kept: Path, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Below the threshold each step of k raises the downstream loss, above it none changes it: proved and checked.

    `count` of the families of the grid, evenly chosen, one row of `kept` each; one certificate of each number of
    classes goes to `folder`.
    """
    cases = [(C, m, T) for C in CLASSES for m in POINTS for T in TEMPERATURES]
    chosen = [cases[i * len(cases) // count] for i in range(count)]

    def place(seed: int) -> Path | None:
        C, m, temperature = chosen[seed]
        return certificate_file(folder, C, m) if folder and temperature == 1 and m == POINTS[1] else None

    def make(seed: int) -> dict[str, Any]:
        return family(*chosen[seed], place(seed))

    def complete(row: dict[str, Any]) -> bool:
        file = place(row["seed"])
        described = (row["C"], row["points"], Fraction(row["temperature"]))
        return described == chosen[row["seed"]] and (file is None or file.exists())

    return resumed(count, make, kept, progress, complete=complete)


def certificate_file(folder: Path, C: int, m: int) -> Path:
    """Where the certificate of a family goes."""
    return folder / f"block-C{C}-points{m}.json"


def family(C: int, m: int, temperature: Fraction, file: Path | None) -> dict[str, Any]:
    """One block family: the steps of k at half its least threshold, and at an overlap between its last one and 1.

    The certificate of the rise from the first k to the last goes to `file`.
    """
    logistic, beta = get_loss("logistic"), float(1 / temperature)
    first, last = (uniform_threshold(logistic, C, k, beta) for k in (NEGATIVES[0], float("inf")))
    below, above = Fraction(first).limit_denominator(1000) / 2, (Fraction(last).limit_denominator(1000) + 1) / 2
    setting, points = series(C, m, temperature, below, NEGATIVES)
    verdicts = []
    for before, after in pairwise(points):
        certificate = refuted(setting, before, after, TASK)
        verdicts.append(check(certificate).verdict if isinstance(certificate, dict) else certificate)
    rises = [proven_rise(a.tasks[TASK], b.tasks[TASK]) for a, b in pairwise(points)]
    if file is not None:
        certificate = refuted(setting, points[0], points[-1], TASK)
        assert isinstance(certificate, dict)
        deliver(file, text(certificate).encode(), folders=True)
    flat, ends = series(C, m, temperature, above, (NEGATIVES[0], NEGATIVES[-1]))
    holds = [indistinguishability(flat, point) for point in ends]
    return {
        "C": C,
        "points": m,
        "temperature": ratio(temperature),
        "overlap": ratio(below),
        "increases_lower": [None if rise is None else float(rise) for rise in rises],
        "verdicts": verdicts,
        "overlap_above": ratio(above),
        "collapsed": [check(made).verdict if isinstance(made, dict) else made for made in holds],
        "change_above": [float(x) for x in change(ends[0].tasks[TASK], ends[1].tasks[TASK])],
    }


def series(C: int, m: int, temperature: Fraction, overlap: Fraction, ks: Sequence[int]) -> tuple[Setting, list[Point]]:
    """The family at each k."""
    graph = block(priors.uniform(C), m, overlap)
    setting = Setting(Problem(graph, ks[0], temperature=temperature), {TASK: graph.task(graph.labels)})
    return setting, [settle(setting.at(k)) for k in ks]


def change(first: TaskLoss, second: TaskLoss) -> tuple[Fraction, Fraction]:
    """Bounds on the change of the downstream loss."""
    assert first.bracket is not None
    assert second.bracket is not None
    return second.bracket.lower - first.bracket.upper, second.bracket.upper - first.bracket.lower


def threshold_table() -> list[dict[str, Any]]:
    """`alpha*(k)` for equal classes."""
    logistic = get_loss("logistic")
    ks: tuple[int | float, ...] = (*NEGATIVES, float("inf"))
    return [
        {"C": C, "temperature": ratio(T), "alpha": [uniform_threshold(logistic, C, k, float(1 / T)) for k in ks]}
        for C in (2, 3, 10)
        for T in TEMPERATURES
    ]


def run(certify: int, folder: Path | None, kept: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Grid, thresholds, and families with certificates."""
    families = certified(certify, folder, kept, progress)
    rises = [x for family in families for x in family["increases_lower"]]
    verdicts = Counter(verdict for family in families for verdict in family["verdicts"])
    collapsed = Counter(verdict for family in families for verdict in family["collapsed"])
    widest = max((max(map(abs, family["change_above"])) for family in families), default=None)
    return {
        "grid": steps(),
        "thresholds": threshold_table(),
        "certified": {
            "families": len(families),
            "steps": len(rises),
            "proven_rises": sum(x is not None and x > 0 for x in rises),
            "smallest_rise": min((x for x in rises if x is not None), default=None),
            "verdicts": dict(verdicts),
            "collapsed_above": dict(collapsed),
            "largest_change_above": widest,
        },
        "each": families,
    }
