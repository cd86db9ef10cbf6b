"""The minimum of the population loss: from the convex program, or from random starts, each accounted for."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from theory.errors import InputError
from theory.geometry import from_gram, gram
from theory.losses import Logistic, Loss, SmoothedHinge
from theory.objectives import NCE, TrainingObjective
from verify.optimize import elliptope
from verify.optimize.objective import Objective, gram_value_and_gradient
from verify.optimize.spheres import Run, Stop, minimize, random_starts
from verify.optimize.threads import small_matrices

#: Up to this many classes all starts are evaluated at once; with more, one evaluation fills the processor as it is.
TOGETHER = 64

#: Up to this many classes what the convex program leaves open (seen at masses below 1e-4) is searched from starts too.
SEARCHED = 256

#: From this many classes on it is said how long an evaluation takes.
_LONG = 1000

#: The relative gap at which the convex program counts as solved.
GAP = 1e-9

#: The last step of the program, in entries of the Gram matrix, at which it has settled.
SETTLED = 1e-9

#: A value this close to the least, relative to max(1, |value|), is as good: rounding decides between them.
TIE = 1e-12


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        method: "random starts", "convex program", or both joined by "and".
        runs: that of the convex program, then one per start, in the order of the starts.
        best: the run of least value; among equal values the one with the least gradient.
        evaluations: how often the loss was evaluated, starts that were evaluated at once counted once.
        gram: the Gram matrix of the best run.
    """

    method: str
    runs: tuple[Run, ...]
    best: Run
    evaluations: int
    gram: Float[np.ndarray, "C C"]

    @property
    def converged(self) -> int:
        """The number of starts that ended at a critical point."""
        return sum(run.converged for run in self.runs)


def search(
    loss: Loss,
    rho: Float[np.ndarray, " C"],
    k: int | float,
    d: int,
    beta: int | float = 1.0,
    *,
    starts: int = 8,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    objective: TrainingObjective = NCE,
) -> Search:
    """Minimize `L_k` over `C` points on the sphere in `R^d`, from `starts` random starts.

    They are searched at once up to `TOGETHER` classes, beyond it one after the other: in the memory of one, and none
    is evaluated until the slowest has ended.

    A loss that is not smooth is searched through its smooth stand-in, whose minimizer also minimizes it in the balanced
    case; the values reported are those of the loss itself.

    Raises:
        InputError: if the batch cannot fit in memory.
    """
    C = len(rho)
    d = min(d, C)  # C points lie in C dimensions, whatever room there is around them
    if progress is not None and (effort := loss.effort(C, k)):
        progress(effort)
    together = _together(C, starts)
    check_memory(C, d, starts)
    # in the limit the hinge loss is 1 everywhere, and any embedding will do
    stand_in = Logistic() if math.isinf(k) else SmoothedHinge()
    surrogate = loss if loss.smooth else stand_in
    evaluate = Objective(surrogate, rho, k, beta, objective)

    runs: list[Run] = []

    def show(iteration: int, running: int) -> None:
        if progress is not None:
            waiting = starts - len(runs) - together
            progress(f"search: step {iteration}, {running + waiting} of {starts} starts to end")

    if progress is not None and C >= _LONG:
        progress(f"search: {starts} starts of some tens of evaluations, about {_seconds(C):.0f} s each")
    points = random_starts(starts, C, d, seed)
    for first in range(0, starts, together):
        runs += minimize(evaluate, points[first : first + together], rho, on_iteration=show)
    if surrogate is not loss:
        runs = [
            replace(run, value=gram_value_and_gradient(loss, gram(run.embeddings), rho, k, beta, objective)[0])
            for run in runs
        ]
    best = _best(runs)
    return Search("random starts", tuple(runs), best, evaluate.evaluations, gram(best.embeddings))


def minimum(
    loss: Loss,
    rho: Float[np.ndarray, " C"],
    k: int | float,
    d: int,
    beta: int | float = 1.0,
    *,
    starts: int = 2,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
    objective: TrainingObjective = NCE,
) -> Search:
    """The global minimum from the convex program, which needs no starts; by `search` where that does not apply.

    The program needs `C >= 3`, `d >= C - 1`, and a loss that is smooth and known to be convex. What it leaves open is
    searched from random starts as well, up to `SEARCHED` classes.

    Raises:
        InputError: if the problem cannot fit in memory.
    """
    C = len(rho)
    d = min(d, C)
    if C < 3 or d < C - 1 or not (loss.smooth and loss.convex):
        return search(loss, rho, k, d, beta, starts=starts, seed=seed, progress=progress, objective=objective)
    check_memory(C, d, 1)
    with small_matrices(C):
        found = _convex_program(loss, rho, k, d, beta, progress, objective)
        if found.best.stop is Stop.GAP or C > SEARCHED:
            return found
        searched = search(loss, rho, k, d, beta, starts=starts, seed=seed, progress=progress, objective=objective)
    runs = (*found.runs, *searched.runs)
    best = _best(runs)
    method, evaluations = f"{found.method} and {searched.method}", found.evaluations + searched.evaluations
    return Search(method, runs, best, evaluations, gram(best.embeddings))


def _convex_program(
    loss: Loss,
    rho: Float[np.ndarray, " C"],
    k: int | float,
    d: int,
    beta: int | float,
    progress: Callable[[str], None] | None,
    objective: TrainingObjective,
) -> Search:
    C = len(rho)

    def slope(G: Float[np.ndarray, "C C"]) -> tuple[float, Float[np.ndarray, "C C"]]:
        value, gradient = gram_value_and_gradient(loss, G, rho, k, beta, objective)
        return value, (gradient + gradient.T) / 2

    def show(step: elliptope.Step) -> None:
        if progress is not None:
            progress(f"convex program: {step.evaluations} evaluations, gap {step.value - step.lower:.1e}")

    found = elliptope.minimize(slope, np.ones(C), float(beta), settled=SETTLED, on_step=show)
    U = from_gram(found.gram, d)
    G = gram(U)
    value, A = slope(G)
    residual = A @ U - np.sum(A * G, axis=1)[:, None] * U
    run = Run(
        U,
        value,
        2 * float(np.max(np.linalg.norm(residual, axis=1) / rho)),
        len(found.steps),
        Stop.GAP if value - found.lower <= GAP * max(1.0, abs(value)) else Stop.PRECISION,
    )
    return Search("convex program", (run,), run, found.steps[-1].evaluations + 1, G)


def _seconds(C: int) -> float:
    """About how long an evaluation takes: five products of C x C matrices, from the time of a smaller one."""
    A = np.ones((_LONG // 2, _LONG // 2))
    begun = time.perf_counter()
    A @ A
    return 5 * (time.perf_counter() - begun) * (2 * C / _LONG) ** 3


def _best(runs: Sequence[Run]) -> Run:
    finite = [run for run in runs if np.isfinite(run.value)] or runs
    least = min(run.value for run in finite)
    tied = [run for run in finite if run.value <= least + TIE * max(1.0, abs(least))]
    return min(tied or finite, key=lambda run: run.gradient_norm)


def _together(C: int, starts: int) -> int:
    return starts if C <= TOGETHER else 1


def check_memory(C: int, d: int, starts: int) -> None:
    """Refuse what cannot fit, before anything of that size is made; more than `C` dimensions take no room (`search`).

    Raises:
        InputError: if the search needs more memory than this machine has.
    """
    d = min(d, C)
    # at work: Gram matrix, gradient, tangents, their temporaries, vectors of the inner solver; waiting or done: points
    needed = 8 * (_together(C, starts) * (24 * C * C + 24 * C * d) + 2 * starts * C * d) + (1 << 28)
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > available:
        raise InputError(
            "C",
            C,
            f"{starts} starts with d = {d} need about {needed / 2**30:.0f} GiB, this machine has "
            f"{available / 2**30:.0f}; lower C, d or the number of starts",
        )
