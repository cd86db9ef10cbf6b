"""The optimal unit-norm classifier in double precision.

Where `d >= rank(U) + 1` the unit sphere may be replaced by the unit ball, in the span of the embeddings, and the
problem is convex. The ball of dimension `r` is the shadow of the sphere of dimension `r + 1`: with one coordinate
added that no embedding sees, the problem is smooth on a product of spheres, and every second-order critical point
is a minimum of the convex problem (derived: with that coordinate 0 for class `c`, the multiplier of `|w_c| = 1`
has the right sign, or the added coordinate is a direction of descent; otherwise the gradient in `w_c` is 0). So the
trust-region method of `verify.optimize` solves it, from any start with that coordinate not 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array, Scalar, array_module
from theory.compiled import runner
from theory.downstream import ScoresExpansion, loss_of_scores, lower_bound
from theory.geometry import normalized
from theory.losses import Loss, SmoothedHinge
from verify.optimize.spheres import Run, minimize, random_starts

_RANK_TOLERANCE = 1e-7
#: How far from the sphere the best of the ball may be to be its best, too.
_ON_THE_SPHERE = 1e-10
_HINGE_WIDTHS = (0.25, 0.01, 4e-4, 2e-5)
#: Evaluations of a search for a classifier, Hessian-vector products included (typical).
_EVALUATIONS = 100


@dataclass(frozen=True)
class Classifier:
    """The best classifier found, and floating-point bounds on the infimum.

    Attributes:
        scores: `<u_i, w_c>`, n x C.
        weights: `w_c` in the coordinates of the embeddings, C x d, `|w_c| <= 1` (the missing length lies where no
            embedding sees it; none is missing if `convex` is false).
        upper: the loss at `weights`.
        lower: the dual bound of `theory.downstream` there.
        convex: whether `d >= rank + 1`, so that the two should meet.
        converged: whether the optimizer stopped at a critical point.
    """

    scores: Float[np.ndarray, "n C"]
    weights: Float[np.ndarray, "C d"]
    upper: float
    lower: float
    convex: bool
    converged: bool


def optimal_classifier(
    loss: Loss,
    U: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, " n"],
    *,
    C: int | None = None,
    beta: int | float = 1.0,
    d: int | None = None,
    start: Float[np.ndarray, "C d"] | None = None,
    seed: int = 0,
) -> Classifier:
    """Minimize the downstream loss over unit-norm classifiers in dimension `d` (default: that of `U`), for `C` classes
    (default: those in `labels`).

    For `d < rank + 1` the sphere is a non-convex constraint: the ball's dual bound stands below, and above, where the
    best of the ball is not on the sphere, the best of several local searches. The hinge loss is minimized through
    smoothed hinges of falling width.
    """
    d = U.shape[1] if d is None else d
    C = int(labels.max()) + 1 if C is None else C
    singular = np.linalg.svd(U, compute_uv=False)
    convex = d >= int(np.sum(singular > _RANK_TOLERANCE * singular[0])) + 1
    lifted = np.hstack([U, np.zeros((len(U), 1))])
    guess = np.array([U[labels == c].sum(axis=0) for c in range(C)]) if start is None else start
    runs, smooth = _minimize(loss, lifted[None], labels, weights[None], _lift(guess)[None], beta=beta)
    run = runs[0]
    ball = run.embeddings[:, :-1]
    lower = lower_bound(smooth, U, U @ ball.T, labels, weights, beta=beta)
    if isinstance(smooth, SmoothedHinge):  # it lies above the hinge by at most this
        lower -= smooth.width * float(np.log(C))
    if not convex and np.min(np.linalg.norm(ball, axis=1)) < 1 - _ON_THE_SPHERE:
        starts = random_starts(8, C, U.shape[1], seed)
        norms = np.linalg.norm(ball, axis=1, keepdims=True)
        starts[0] = np.where(norms > 1e-6, ball / np.maximum(norms, 1e-300), starts[0])
        runs, _ = _minimize(loss, U[None], labels, weights[None], starts, beta=beta)
        run = min(runs, key=lambda run: run.value if np.isfinite(run.value) else np.inf)
        ball = run.embeddings
    elif not convex:
        ball = normalized(ball)
    scores = U @ ball.T
    upper = float(loss_of_scores(loss, scores, labels, weights, beta))
    return Classifier(scores, ball, upper, min(lower, upper), convex, run.converged)


def _lift(guess: Float[np.ndarray, "C d"]) -> Float[np.ndarray, "C d+1"]:
    """Points of the sphere whose shadow is near `guess`, scaled into the ball, and whose added coordinate is > 0."""
    norms = np.linalg.norm(guess, axis=1, keepdims=True)
    ball = guess / np.maximum(norms, 1.0)
    lifted = np.hstack([ball, np.sqrt(np.maximum(1 - np.sum(ball**2, axis=1, keepdims=True), 1e-2))])
    return normalized(lifted)


def optimal_classifiers(
    loss: Loss,
    U: Float[np.ndarray, "s C d"],
    weights: Float[np.ndarray, "s C"],
    beta: int | float = 1.0,
    *,
    starts: Float[np.ndarray, "s C d"] | None = None,
    tolerance: float = 1e-14,
) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C d"]]:
    """The downstream losses and classifiers of a batch of class embeddings, in `d >= rank + 1` dimensions."""
    lifted = np.concatenate([U, np.zeros((*U.shape[:2], 1))], axis=2)
    begin = np.stack([_lift(guess) for guess in (U if starts is None else starts)])
    runs, _ = _minimize(loss, lifted, np.arange(U.shape[1]), weights, begin, beta=beta, tolerance=tolerance)
    return np.array([run.value for run in runs]), np.stack([run.embeddings[:, :-1] for run in runs])


def _minimize(
    loss: Loss,
    coordinates: Float[np.ndarray, "#s n r"],
    labels: Int[np.ndarray, " n"],
    weights: Float[np.ndarray, "#s n"],
    starts: Float[np.ndarray, "s C r"],
    *,
    beta: int | float,
    tolerance: float = 1e-14,
) -> tuple[list[Run], Loss]:
    """One run a start, and the smooth loss that was minimized: a loss with kinks is approached through smooth ones."""
    s = len(starts)
    coordinates = np.broadcast_to(coordinates, (s, *coordinates.shape[1:]))
    weights = np.broadcast_to(weights, (s, weights.shape[1]))
    ladder: list[Loss] = [loss] if loss.smooth else [SmoothedHinge(width=w) for w in _HINGE_WIDTHS]
    runs: list[Run] = []
    for rung in ladder:

        def evaluate(
            W: Float[np.ndarray, "s C r"], V: Float[np.ndarray, "s C r"] | None, rung: Loss = rung
        ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C r"], Float[np.ndarray, "s C r"]]:
            run = runner(_evaluate, s * coordinates.shape[1] * W.shape[1], _EVALUATIONS, traced=rung.traced)
            return run(W, np.zeros_like(W) if V is None else V, coordinates, labels, weights, float(beta), loss=rung)

        runs = minimize(evaluate, starts, np.ones(starts.shape[1]), tolerance=tolerance, max_iterations=300)
        starts = np.stack([run.embeddings for run in runs])
    return runs, ladder[-1]


def _evaluate(
    W: Float[Array, "s C r"],
    V: Float[Array, "s C r"],
    coordinates: Float[Array, "s n r"],
    labels: Int[Array, " n"],
    weights: Float[Array, "s n"],
    beta: Scalar,
    *,
    loss: Loss,
) -> tuple[Float[Array, " s"], Float[Array, "s C r"], Float[Array, "s C r"]]:
    """Losses at the scores `U W^T`, their gradients in `W`, and their Hessians times `V`."""
    xp = array_module(W)
    at = ScoresExpansion(loss, coordinates @ xp.swapaxes(W, -1, -2), labels, weights, beta)
    curved = at.along(coordinates @ xp.swapaxes(V, -1, -2))
    return at.value, xp.swapaxes(at.slopes, -1, -2) @ coordinates, xp.swapaxes(curved, -1, -2) @ coordinates
