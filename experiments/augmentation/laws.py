"""Where more negatives hurt, help, or do nothing: the sign rule on laws with pairs across classes."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from theory.augmentation.block import Block, downstream_loss, effect, with_overlap

NEGATIVES = (1, 2, 4, 16, 64, 256, 1024, 4096)
ROUNDING = 1e-12


def random_laws(trials: int) -> dict[str, Any]:
    """Random laws: what happens at each step of k, against what the sign rule says."""
    rng = np.random.default_rng(19)
    counted: Counter[str] = Counter()
    contradictions = 0
    largest: dict[str, tuple[float, dict[str, Any]]] = {"rise": (0.0, {}), "fall": (0.0, {})}
    for _ in range(trials):
        C, m = int(rng.integers(2, 9)), int(rng.integers(2, 13))
        beta = float(np.exp(rng.uniform(-1.6, 2.0)))
        q = rng.dirichlet([1, *rng.choice([0.1, 0.5, 1.0], size=2)])
        law = Block(C, m, float(q[0]), float(q[1]))
        found = [law.minimizer(k, beta) for k in NEGATIVES]
        losses = [downstream_loss(C, m, g, b, beta) for g, b, _ in found]
        described = {"C": C, "points": m, "beta": beta, "same": float(q[0]), "within": float(q[1])}
        for (first, second), change in zip(pairwise(found), np.diff(losses).tolist(), strict=True):
            if first[2] != second[2]:
                counted[f"{first[2]} to {second[2]}"] += 1
                continue
            said = effect(law, first[2])
            counted[f"{first[2]}: {said}"] += 1
            seen = "nothing" if abs(change) <= ROUNDING else "hurt" if change > 0 else "help"
            contradictions += seen != said and not (said != "nothing" and seen == "nothing")
        total = losses[-1] - losses[0]
        key = "rise" if total > 0 else "fall"
        if abs(total) > largest[key][0]:
            largest[key] = (abs(total), described)
    return {
        "laws": trials,
        "steps": dict(counted),
        "contradictions": contradictions,
        "largest_rise": {"change": largest["rise"][0], **largest["rise"][1]},
        "largest_fall": {"change": largest["fall"][0], **largest["fall"][1]},
    }


def overlap_map() -> dict[str, Any]:
    """The effect for overlap and share across classes (C = 4, 8 points, T = 1/5 and 1)."""
    overlaps = [Fraction(n, 20) for n in range(1, 21)]
    shares = [
        Fraction(0),
        *(Fraction(1, 10**n) for n in (6, 5, 4, 3, 2)),
        Fraction(1, 20),
        Fraction(1, 10),
        Fraction(3, 10),
    ]
    table = {}
    for beta in (1.0, 5.0):
        rows = []
        for share in shares:
            places = []
            for overlap in overlaps:
                law = with_overlap(4, 8, float(overlap), float(share))
                place = law.minimizer(64, beta)[2]
                places.append(f"{place}: {effect(law, place)}")
            rows.append({"across": str(share), "places": places})
        table[f"beta = {beta:g}"] = rows
    return {"C": 4, "points": 8, "k": 64, "overlaps": [str(a) for a in overlaps], "rows": table}


def run(trials: int) -> dict[str, Any]:
    """Random laws, and the map."""
    return {"random": random_laws(trials), "map": overlap_map()}
