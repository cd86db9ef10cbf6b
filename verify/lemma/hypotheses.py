"""What the paper asks of a loss, tested on samples: a violation is a proof to the contrary, passing proves nothing.

A loss is tested at the margins that occur in the claim, in all their coordinates: `v = beta (x . (x+ - x-_i))`, k of
them, which lie in `[-2 beta, 2 beta]` for points on the sphere (`POINTS`), and in `[0, 2 beta]` for embeddings that are
constant on classes (`CLASSES`), since there `x . x+ = 1`. A loss may be convex on the one and not on the other: the
focal loss of Lin et al. 2017 is not convex at margins below about -2.8, and, of many negatives, not even on `CLASSES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.errors import InputError
from theory.losses import Loss, OfSum
from theory.population import sampled_loss
from theory.problem import Problem

PASSED = "no violation found"
HYPOTHESES = ("finite", "symmetric", "non-increasing", "convex")

#: Margins of points, and of embeddings that are constant on classes, in units of `beta`.
POINTS, CLASSES = (-2.0, 2.0), (0.0, 2.0)

_SAMPLES = 768
#: Numbers that are tested at once, so that any number of negatives fits in memory.
_ENTRIES = 1 << 18
_TOLERANCE = 1e-9

_TOLD = {
    "finite": "l(v) is not a finite number",
    "symmetric": "l changes when coordinates are permuted",
    "non-increasing": "l grows when margins grow",
    "convex": "l at a midpoint exceeds the mean of l at the ends",
}


@dataclass(frozen=True)
class Hypotheses:
    """A loss that has passed, but for convexity: whether that held too, and what a result has to say about it."""

    convex: bool
    note: str


def violation(
    loss: Loss, k: int, beta: int | float = 1.0, *, margins: tuple[float, float] = POINTS, seed: int = 0
) -> tuple[str, str] | None:
    """The first hypothesis that fails on sampled vectors of k margins, within `beta margins`, and how; None if none.

    Tried are permutations of a vector, increases of one or all coordinates, and midpoints of near and far pairs.
    """
    worst: dict[str, tuple[float, str]] = {}
    for v, w, higher, permuted in _samples(max(k, 2), beta * margins[0], beta * margins[1], seed):
        at_v, at_w, at_higher = _values(loss, v), _values(loss, w), _values(loss, higher)
        size = _TOLERANCE * (1 + np.abs(at_v) + np.abs(at_w) + np.abs(at_higher))
        excesses = {
            "finite": np.where(np.isfinite(at_v), 0.0, np.inf),
            "symmetric": np.abs(_values(loss, permuted) - at_v) - size,
            "non-increasing": at_higher - at_v - size,
            "convex": _values(loss, (v + w) / 2) - (at_v + at_w) / 2 - size,
        }
        for name, excess in excesses.items():
            n = int(np.argmax(np.where(np.isnan(excess), np.inf, excess)))
            if not excess[n] <= worst.get(name, (0.0, ""))[0]:
                where = ", ".join(f"{x:.3g}" for x in v[n][:4]) + (", ..." if v.shape[1] > 4 else "")
                worst[name] = (float(excess[n]), f"{_TOLD[name]}, by {excess[n]:.3g} near v = ({where})")
    return next(((name, worst[name][1]) for name in HYPOTHESES if name in worst), None)


def require(problem: Problem, *, margins: tuple[float, float] = POINTS, seed: int = 0) -> dict[str, str]:
    """What was tried, with the outcome `PASSED` for each hypothesis.

    Raises:
        InputError: naming the hypothesis that fails, or for a `k` that is not an integer.
    """
    failed = _failed(problem.loss, problem.k, float(problem.beta), margins, seed)
    if failed is not None:
        raise InputError("loss", problem.loss_name, failed[1])
    return dict.fromkeys(HYPOTHESES, PASSED)


def hypotheses(problem: Problem) -> Hypotheses:
    """Whether a bound that rests on convexity may be given for the minimum, and what is to be said of it.

    Raises:
        InputError: if the loss is not known to be convex, and on samples not finite, symmetric and non-increasing; or
            if it is a user's own and `k` not an integer.
    """
    return _hypotheses(problem, problem.k, CLASSES)


def downstream_hypotheses(problem: Problem, *, minimizer: bool = True) -> Hypotheses:
    """The same for the downstream loss of the minimizer, or of embeddings that are given.

    A classifier has C-1 margins `beta (x . (w_y - w_c))` of either sign: as those of points are.
    """
    first = _hypotheses(problem, problem.population.C - 1, POINTS)
    both = [first, hypotheses(problem)] if minimizer else [first]
    return next((one for one in both if not one.convex), first)


def _hypotheses(problem: Problem, n: int | float, margins: tuple[float, float]) -> Hypotheses:
    """Of the problem's loss with n margins."""
    if problem.loss.convex:
        return Hypotheses(True, "")
    beta = float(problem.beta)
    failed = _failed(problem.loss, n, beta, margins, 0)
    if failed is None:
        rests = "the bound rests on the loss being convex, symmetric and non-increasing"
        return Hypotheses(True, f"{rests} {_within(beta, margins)}: {PASSED} on {_SAMPLES} samples")
    if failed[0] != "convex":
        raise InputError("loss", problem.loss_name, failed[1])
    return Hypotheses(False, f"no lower bound: {failed[1]}")


def _failed(
    loss: Loss, k: int | float, beta: int | float, margins: tuple[float, float], seed: int
) -> tuple[str, str] | None:
    if not float(k).is_integer():
        raise InputError("k", k, "a user's own loss needs an integer k")
    found = violation(loss, int(k), beta, margins=margins, seed=seed)
    return found and (found[0], f"the loss is not {found[0]} {_within(beta, margins)}: {found[1]}")


def estimated(problem: Problem, gram: Float[np.ndarray, "C C"]) -> str:
    """How well the loss at `gram` is known where it is not summed over all negatives; empty where it is."""
    loss, prior, k, beta = problem.loss, problem.population, problem.k, float(problem.beta)
    if isinstance(loss, OfSum):
        error, size = loss.error(k, beta)
        return f"expectations are by a quadrature with an error of about {max(error, 1e-15 * size):.0e}"
    if loss.is_exact(prior.C, k):
        return ""
    low, high = sampled_loss(loss, gram, prior.as_array(), int(k), beta).interval()
    return f"the loss is a mean over sampled negatives (99.9% interval [{low:.6g}, {high:.6g}])"


def _within(beta: int | float, margins: tuple[float, float]) -> str:
    return f"at margins in [{beta * margins[0]:g}, {beta * margins[1]:g}]"


def _samples(k: int, low: float, high: float, seed: int) -> Iterator[tuple[Float[np.ndarray, "s k"], ...]]:
    """Vectors of margins; vectors near and far; vectors that are larger; and the first with their entries permuted.

    A third of the vectors have coordinates of their own, a third a few values as the margins of a few classes do,
    a third are nearly constant; half of the last two near `low`, where a rival is near. Directions are one coordinate,
    all of them alike, or any.
    """
    rng = np.random.default_rng(seed)
    step = max(1, _ENTRIES // k)
    for first in range(0, _SAMPLES, step):
        n = min(step, _SAMPLES - first)
        kind = (first + np.arange(n)[:, None]) % 3
        few = low + (high - low) * 10.0 ** rng.choice([-2.0, 0.0], size=(n, 1)) * rng.uniform(size=(n, 4))
        drawn = np.take_along_axis(few, rng.integers(4, size=(n, k)), axis=1)
        near = few[:, :1] * (1 + 0.1 * rng.normal(size=(n, k)))
        v = np.where(kind == 0, rng.uniform(low, high, size=(n, k)), np.where(kind == 1, drawn, near))
        v = np.clip(v, low, high)
        direction = rng.normal(size=(n, k))
        turn = rng.integers(3, size=(n, 1))
        one = np.arange(k) == rng.integers(k, size=(n, 1))
        direction = np.where(turn == 0, direction * one, np.where(turn == 1, direction[:, :1], direction))
        move = 10.0 ** rng.uniform(-2, 0, size=(n, 1)) * (high - low) / 2 * direction
        higher = np.clip(v + np.abs(move), low, high)
        yield v, np.clip(v + move, low, high), higher, rng.permuted(v, axis=1)


def _values(loss: Loss, v: Float[np.ndarray, "s k"]) -> Float[np.ndarray, " s"]:
    return np.asarray(loss(v), dtype=float)
