"""Many small problems at once: minimizer, duality gaps and downstream losses for every pair of a prior and a `k`.

The priors of a batch advance together, one `k` after another: the quadrature's nodes and polynomials depend on `k`
alone, so a batch at one `k` shares them, and each minimizer starts from the one before it. Almost all priors converge
in a few steps; the others go on in small slices, so that a few slow ones do not make the whole batch wait.

Every number comes with its duality gap: that of the population loss by `verify.optimize.dual`, those of the downstream
losses by the lower bound of `theory.downstream`, both in double precision. But a small gap does not fix the minimizer
where two classes are rare. So a cell is `converged` only if the distance to the minimizer, estimated with the curvature
between its rarest classes (`verify.optimize.graded`), leaves the downstream losses to within `GAP`. The others are
solved once more, each for itself, on the path that all commands take (`verify.optimize.solution`). Nothing is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from theory.arrays import Array, Scalar, array_module
from theory.compiled import runner
from theory.downstream import ScoresExpansion, mean_classifier_loss
from theory.geometry import gram, normalized
from theory.losses import Loss
from verify.optimize import solution
from verify.optimize.dual import dual_bound
from verify.optimize.graded import polish
from verify.optimize.means import GroupedLoss
from verify.optimize.objective import Objective, gram_values_and_gradients
from verify.optimize.spheres import Evaluate, Stop, minimize, random_starts
from verify.optimize.starts import Start
from verify.supervised.classifier import optimal_classifiers
from verify.supervised.estimate import slope_bound

#: A cell has converged if each of its gaps is at most this, relative to max(1, |loss|).
GAP = 1e-9
#: Classes whose cosine is above this count as one point.
COINCIDENT = 1 - 1e-6
WEIGHTINGS = ("weighted", "balanced")
_SHAKE = 0.01
_FIRST_STEPS = 4
_SLICE = 32
#: Classes from which on a slice may be compiled (`theory.compiled`).
_COMPILED = 16
_TOLERANCE = 1e-10
_RANK = 1e-6


class Cells(NamedTuple):
    """What is known of every cell; arrays of shape (priors, ks) and, in the last two axes, as said.

    Attributes:
        nce: the population loss of the minimizer found, an upper bound on the minimum.
        nce_gap: `nce` minus the dual lower bound.
        optimal: its downstream loss with the best unit-norm classifier, (priors, ks, 2): weighted, balanced.
        mean: the same for the mean classifier.
        sup_gap: the larger of the two gaps of `optimal`.
        error: how far the downstream losses can be from those of the minimizer, estimated; infinite where that is open.
        gram: its cosines, (priors, ks, C, C).
        points: how many of the class embeddings are distinct (`COINCIDENT`); 2 of C >= 3 is a total collapse.
        converged: whether the gaps and the error are within `GAP`.
    """

    nce: Float[np.ndarray, "s K"]
    nce_gap: Float[np.ndarray, "s K"]
    optimal: Float[np.ndarray, "s K 2"]
    mean: Float[np.ndarray, "s K 2"]
    sup_gap: Float[np.ndarray, "s K"]
    error: Float[np.ndarray, "s K"]
    gram: Float[np.ndarray, "s K C C"]
    points: Int[np.ndarray, "s K"]
    converged: Bool[np.ndarray, "s K"]


class _Column(NamedTuple):
    """The cells of one `k`, with the embeddings and classifiers that the next `k` starts from."""

    nce: Float[np.ndarray, " s"]
    nce_gap: Float[np.ndarray, " s"]
    optimal: Float[np.ndarray, "s 2"]
    mean: Float[np.ndarray, "s 2"]
    sup_gap: Float[np.ndarray, " s"]
    error: Float[np.ndarray, " s"]
    embeddings: Float[np.ndarray, "s C d"]
    classifiers: Float[np.ndarray, "2 s C d"]

    @property
    def converged(self) -> Bool[np.ndarray, " s"]:
        nce = self.nce_gap <= GAP * np.maximum(1.0, np.abs(self.nce))
        size = GAP * np.maximum(1.0, np.max(np.abs(self.optimal), axis=1))
        return nce & (self.sup_gap <= size) & (self.error <= size)


def solve(
    loss: Loss,
    rho: Float[np.ndarray, "s C"],
    ks: Sequence[int | float],
    *,
    beta: int | float = 1.0,
    seed: int = 0,
) -> Cells:
    """Minimize `L_k` in `d = C` dimensions and classify, for every prior and every `k`.

    The loss is one of `verify.certify.losses`. A cell that has not converged is solved once more for itself. The
    result depends on the arguments only.
    """
    s, C = rho.shape
    rng = np.random.default_rng(seed)
    weights = np.stack([rho, np.full_like(rho, 1.0 / C)])
    points = np.repeat(random_starts(1, C, C, seed), s, axis=0)
    heads: Float[np.ndarray, "2 s C d"] | None = None
    columns = []
    for k in ks:
        # where classes coincide the minimizer before is a critical point of every L_k: the shake moves off it
        start = normalized(points + _SHAKE * rng.normal(size=(C, C)))
        column = _column(loss, rho, k, weights, beta, start, heads, _TOLERANCE)
        for part in _slices(np.flatnonzero(~column.converged), C):
            solved = {i: _one(loss, rho[i], k, beta, column.embeddings[i]) for i in dict.fromkeys(part.tolist())}
            U = np.stack([solved[i] for i in part.tolist()])
            column = _replaced(column, part, _at(loss, rho[part], k, weights[:, part], beta, U, None))
        points, heads = column.embeddings, column.classifiers
        columns.append(column)
    stack = {name: np.stack([getattr(c, name) for c in columns], axis=1) for name in ("nce", "nce_gap", "optimal")}
    rest = ("mean", "sup_gap", "error", "converged")
    stack |= {name: np.stack([getattr(c, name) for c in columns], axis=1) for name in rest}
    grams = gram(np.stack([c.embeddings for c in columns], axis=1))
    return Cells(**stack, gram=grams, points=_distinct(grams))


def _column(
    loss: Loss,
    rho: Float[np.ndarray, "s C"],
    k: int | float,
    weights: Float[np.ndarray, "2 s C"],
    beta: int | float,
    start: Float[np.ndarray, "s C d"],
    heads: Float[np.ndarray, "2 s C d"] | None,
    tolerance: float,
) -> _Column:
    U = _minimizers(lambda rows: Objective(loss, rho[rows], k, beta), start, rho, tolerance)
    return _at(loss, rho, k, weights, beta, U, heads)


def _at(
    loss: Loss,
    rho: Float[np.ndarray, "s C"],
    k: int | float,
    weights: Float[np.ndarray, "2 s C"],
    beta: int | float,
    U: Float[np.ndarray, "s C d"],
    heads: Float[np.ndarray, "2 s C d"] | None,
) -> _Column:
    """What there is to know at these embeddings."""
    G = gram(U)
    values, gradients = gram_values_and_gradients(loss, G, rho, k, beta)
    lower = [dual_bound(float(v), g, G0).lower for v, g, G0 in zip(values, gradients, G, strict=True)]
    optimal, mean, gaps, found = [], [], [], []
    for i, w in enumerate(weights):
        value, W = optimal_classifiers(loss, U, w, beta, starts=None if heads is None else heads[i])
        run = runner(_bounds_and_means, U.shape[0] * U.shape[1] ** 2, 1)
        bound, of_means = run(U, W, w, float(beta), loss=loss)
        optimal.append(value)
        found.append(W)
        gaps.append(value - bound)
        mean.append(of_means)
    return _Column(
        values,
        values - np.array(lower),
        np.stack(optimal, axis=1),
        np.stack(mean, axis=1),
        np.max(gaps, axis=0),
        np.array([_error(loss, r, k, beta, u) for r, u in zip(rho, U, strict=True)]),
        U,
        np.stack(found),
    )


def _one(
    loss: Loss, rho: Float[np.ndarray, " C"], k: int | float, beta: int | float, U: Float[np.ndarray, "C d"]
) -> Float[np.ndarray, "C d"]:
    """The minimizer on the path that all commands take, which begins near these embeddings."""
    problem = GroupedLoss(rho, np.ones(len(rho)), loss.name, k, float(beta))
    U = solution.minimize(problem, _start(U)).ends[0].start.U
    return np.pad(U, ((0, 0), (0, len(U) - U.shape[1])))


def _start(U: Float[np.ndarray, "C d"]) -> Start | None:
    """The embeddings in as many columns as their rank; None if there are none of that rank near them."""
    left, singular, _ = np.linalg.svd(U)
    r = min(len(U) - 1, max(1, int(np.sum(singular > _RANK))))
    rows = left[:, :r] * singular[:r]
    if np.linalg.norm(rows, axis=1).min() < 0.5:
        return None
    return Start(rows, np.zeros(len(U), dtype=bool)).normalized()


def _error(
    loss: Loss, rho: Float[np.ndarray, " C"], k: int | float, beta: int | float, U: Float[np.ndarray, "C d"]
) -> float:
    """How far the downstream losses at U can be from the minimizer's, estimated (`verify.supervised.estimate`)."""
    start = _start(U)
    if start is None:
        return np.inf
    problem = GroupedLoss(rho, np.ones(len(rho)), loss.name, k, float(beta))
    at = polish(problem.derivatives, problem.totals, problem.counts > 1, start, steps=0)
    if not at.known:
        return np.inf
    cut = np.linalg.norm(start.U @ start.U.T - U @ U.T, axis=1)  # what the change of the rank has moved, or more
    return 2 * float(beta) * slope_bound(loss, len(rho), float(beta)) * float(np.max(at.errors + cut))


def _minimizers(
    evaluate: Callable[[Int[np.ndarray, " r"]], Evaluate],
    starts: Float[np.ndarray, "s C d"],
    weights: Float[np.ndarray, "s C"],
    tolerance: float,
) -> Float[np.ndarray, "s C d"]:
    """A few steps for all at once, then the rest in slices."""
    runs = minimize(evaluate(np.arange(len(starts))), starts, weights, tolerance=tolerance, max_iterations=_FIRST_STEPS)
    U = np.stack([run.embeddings for run in runs])
    late = np.array([i for i, run in enumerate(runs) if run.stop is Stop.ITERATIONS], dtype=int)
    for part in _slices(late, starts.shape[1]):
        runs = minimize(evaluate(part), U[part], weights[part], tolerance=tolerance, max_iterations=200)
        U[part] = np.stack([run.embeddings for run in runs])
    return U


def _slices(rows: Int[np.ndarray, " r"], C: int) -> list[Int[np.ndarray, " slice"]]:
    """The rows in slices. Where they may be compiled, all are of one size, so that one compiled function serves them:
    the last is filled by repetition."""
    parts = [rows[i : i + _SLICE] for i in range(0, len(rows), _SLICE)]
    return parts if C < _COMPILED else [np.resize(part, _SLICE) for part in parts]


def _replaced(column: _Column, rows: Int[np.ndarray, " r"], again: _Column) -> _Column:
    """The column with the rows of the second attempt wherever these have converged."""
    taken = again.converged
    changed = {}
    for name, old in column._asdict().items():
        new = old.copy()
        if name == "classifiers":
            new[:, rows[taken]] = again.classifiers[:, taken]
        else:
            new[rows[taken]] = getattr(again, name)[taken]
        changed[name] = new
    return _Column(**changed)


def _bounds_and_means(
    U: Float[Array, "s C d"],
    W: Float[Array, "s C d"],
    weights: Float[Array, "s C"],
    beta: Scalar,
    *,
    loss: Loss,
) -> tuple[Float[Array, " s"], Float[Array, " s"]]:
    """For a batch, `theory.downstream.lower_bound`, `L(S0) - sum_c (|U^T g_c| + <g_c, s0_c>)` at `S0 = U W^T`, and
    the losses of the mean classifier."""
    xp = array_module(U)
    scores = U @ xp.swapaxes(W, -1, -2)
    at = ScoresExpansion(loss, scores, np.arange(U.shape[1]), weights, beta)
    lengths = xp.sqrt(xp.sum((xp.swapaxes(U, -1, -2) @ at.slopes) ** 2, axis=-2))
    lower = at.value - xp.sum(lengths, axis=-1) - xp.sum(at.slopes * scores, axis=(-1, -2))
    return lower, mean_classifier_loss(loss, U @ xp.swapaxes(U, -1, -2), weights, beta)


def _distinct(grams: Float[np.ndarray, "*b C C"]) -> Int[np.ndarray, "*b"]:
    """The number of classes that coincide with no class before them."""
    before = np.tril(grams > COINCIDENT, -1).any(axis=-1)
    return np.sum(~before, axis=-1)
