"""Proven brackets of the downstream loss along a list of `k`, as narrow as the neighbours ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from theory.downstream import exact_class_weights
from theory.losses import Loss
from theory.priors import Prior
from verify.supervised.bracket import Bracket, enclose_loss
from verify.supervised.minimizer import Minimizer, exact_structure
from verify.supervised.series import series

_ROUNDS = 5
#: Losses that are sums over the negatives: `L_k = k L_1`, so that the minimizer does not depend on `k`.
K_FREE = ("exponential", "separable")


@dataclass(frozen=True)
class Task:
    """One prior, one loss, one downstream problem; `d >= C - 1`."""

    prior: Prior
    loss: Loss
    temperature: Fraction
    d: int
    weighting: str
    classifier: str


@dataclass(frozen=True)
class Point:
    """What is known at one `k`: the downstream loss in floats, and the proofs (None where there is none)."""

    k: int | float
    sup: float
    minimizer: Minimizer | None
    bracket: Bracket | None
    note: str = ""


def sequence(
    task: Task, ks: Sequence[int | float], *, seed: int = 0, progress: Callable[[str], None] | None = None
) -> list[Point]:
    """Bracket the downstream loss of the minimizer at each `k`, raising precision until neighbours are apart.

    The floats say how close neighbours are, hence how narrow a bracket must be; where they turn out to overlap the
    enclosures are refined, a few times. Neighbours whose minimizers are the same by structure need not be apart.
    Nothing is proved at a `k` that is not an integer.
    """
    say = progress or (lambda _: None)
    exact = [
        exact_structure(task.prior, k, task.loss.name, task.temperature) if isinstance(k, int) else None for k in ks
    ]
    points: list[Point | None] = [None] * len(ks)
    known: dict[str, Point] = {}
    for i, structure in enumerate(exact):
        if structure is None:
            continue
        say(f"k = {ks[i]}: known by structure")
        if structure not in known:
            known[structure] = _prove(task, ks[i], float("nan"), None, Fraction(1, 2))
        shared = known[structure]
        points[i] = Point(ks[i], shared.sup, shared.minimizer, shared.bracket, shared.note)
    rest = [i for i, structure in enumerate(exact) if structure is None]
    if rest:
        say(f"optimizing for {len(rest)} values of k")
        rho = task.prior.as_array()[None]
        weights = np.array([[float(w) for w in exact_class_weights(task.prior, task.weighting)]])
        found = series(
            task.loss,
            rho,
            [float(ks[i]) for i in rest],
            weights,
            classifier=task.classifier,
            beta=float(1 / task.temperature),
            seed=seed,
            progress=lambda n: say(f"optimizing: {n} of {len(rest)} values of k"),
        )
        sup = np.array([p.sup if p is not None else np.nan for p in points])
        sup[rest] = found.sup[0]
        for n, i in enumerate(rest):
            say(f"k = {ks[i]}: proving")
            points[i] = _prove(task, ks[i], float(found.sup[0, n]), found.embeddings[0, n], _needed(sup, i))
    done = [point for point in points if point is not None]
    embeddings = {ks[i]: found.embeddings[0, n] for n, i in enumerate(rest)}
    for round_ in range(1, _ROUNDS):
        close = {i for i, pair in enumerate(pairwise(done)) if not apart(task, *pair)}
        for i in sorted(close | {i + 1 for i in close}):
            point = done[i]
            if point.minimizer is not None and point.bracket is not None and point.minimizer.radius > 0:
                say(f"k = {point.k}: refining, round {round_}")
                finer = (point.bracket.upper - point.bracket.lower) / 10 ** (6 * round_)
                done[i] = _prove(task, point.k, point.sup, embeddings[point.k], finer)
    return done


def same(task: Task, first: Point, second: Point) -> bool:
    """Whether the two minimizers are exactly the same: by structure, or as `L_k = k L_1`."""
    a, b = first.minimizer, second.minimizer
    if task.loss.name in K_FREE:
        return a is not None and b is not None
    return a is not None and b is not None and a.structure is not None and a.structure == b.structure


def apart(task: Task, first: Point, second: Point) -> bool:
    """Whether nothing is left to decide between these two, or nothing can be."""
    a, b = first.bracket, second.bracket
    if a is None or b is None or same(task, first, second):
        return True
    return b.upper <= a.lower or a.upper < b.lower


def _needed(sup: np.ndarray, i: int) -> Fraction:
    """A quarter of the distance to the nearer neighbour, within 1e-14 and 1e-8."""
    gaps = [abs(sup[i] - sup[j]) for j in (i - 1, i + 1) if 0 <= j < len(sup)]
    finite = [gap for gap in gaps if np.isfinite(gap)]
    return Fraction(min(max(min(finite, default=1.0) / 4, 1e-14), 1e-8))


def _prove(task: Task, k: int | float, sup: float, embeddings: np.ndarray | None, width: Fraction) -> Point:
    if not isinstance(k, int):
        return Point(k, sup, None, None, "nothing is proved at a k that is not an integer")
    proof = enclose_loss(
        task.prior,
        k,
        embeddings,
        weighting=task.weighting,
        loss=task.loss.name,
        temperature=task.temperature,
        classifier=task.classifier,
        d=task.d,
        width=width,
    )
    if isinstance(proof, str):
        return Point(k, sup, None, None, proof)
    minimizer, found = proof
    return Point(k, float((found.lower + found.upper) / 2) if np.isnan(sup) else sup, minimizer, found)
