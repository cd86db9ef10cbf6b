"""Block families: the block theorem over a grid, and certificates of the rises that it asserts."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from theory import priors
from theory.augmentation.block import downstream_loss, with_overlap
from theory.augmentation.families import block
from theory.augmentation.thresholds import uniform_threshold
from theory.losses import get_loss
from verify.certify.document import ratio
from verify.checker import check
from verify.graphs.certificates import refuted
from verify.graphs.series import Setting, best_rise, settle

CLASSES = tuple(range(2, 11))
POINTS = (2, 8, 1000)
NEGATIVES = (1, 4, 16, 64, 256, 1024, 4096)
TEMPERATURES = (Fraction(1, 5), Fraction(1, 2), Fraction(1), Fraction(2))
OVERLAPS = (Fraction(1, 50), Fraction(1, 10), Fraction(3, 10), Fraction(6, 10), Fraction(9, 10))
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


def certified(count: int) -> list[dict[str, Any]]:
    """Rises of the downstream loss from k = 1 to 4096 (or the largest seen), each proved and checked."""
    cases = [(C, m, T) for T in TEMPERATURES for C in CLASSES for m in POINTS]
    chosen = cases[:: max(1, len(cases) // count)] if count else []
    found = []
    for C, m, temperature in chosen:
        alpha = uniform_threshold(get_loss("logistic"), C, 1, float(1 / temperature))
        overlap = Fraction(alpha).limit_denominator(1000) / 2
        graph = block(priors.uniform(C), m, overlap)
        setting = Setting(graph, {"classes": graph.task(graph.labels)}, "logistic", temperature)
        points = [settle(setting, k) for k in (1, 4096)]
        rise = best_rise(points, "classes")
        verdict = "no rise"
        if rise is not None:
            certificate = refuted(setting, points[0], points[1], "classes")
            verdict = check(certificate).verdict if isinstance(certificate, dict) else certificate
        found.append(
            {
                "C": C,
                "points": m,
                "temperature": ratio(temperature),
                "overlap": ratio(overlap),
                "increase_lower": None if rise is None else float(rise[2]),
                "verdict": verdict,
            }
        )
    return found


def threshold_table() -> list[dict[str, Any]]:
    """`alpha*(k)` for equal classes."""
    logistic = get_loss("logistic")
    ks: tuple[int | float, ...] = (*NEGATIVES, float("inf"))
    return [
        {"C": C, "temperature": ratio(T), "alpha": [uniform_threshold(logistic, C, k, float(1 / T)) for k in ks]}
        for C in (2, 3, 10)
        for T in TEMPERATURES
    ]


def run(certify: int) -> dict[str, Any]:
    """Grid, certificates, thresholds."""
    return {"grid": steps(), "thresholds": threshold_table(), "certified": certified(certify)}
