r"""The downstream loss of an enclosed representation, for any labeling, bracketed.

A representation is given by the Gram matrix B of row vectors (means of groups of points, or classes) and by the mass
that each class of a task has on each row. Averaging a classifier over permutations of exchangeable points does not
raise a convex loss, so that the mean of a group stands for its points (derived). With `w_c = sum_g a_gc u_g` the
scores are `B a` and `|w_c|^2 = a_c^T B a_c`; the two bounds are those of `verify.supervised.bracket`, the lower one
being of `theory.downstream`. The dimension is taken to leave room beside the embeddings, so that unit ball and unit
sphere have one infimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from theory.downstream import ScoresExpansion
from theory.geometry import normalized
from theory.losses import get_loss
from verify.certify.balls import Ball, ball, bounds
from verify.certify.document import down, ratio, up
from verify.certify.losses import get
from verify.optimize.spheres import minimize

_ROOM = Fraction(1, 10**25)

Masses = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Head:
    """A classifier in double precision, and what it attains.

    Attributes:
        coefficients: a, one row for each row of B, one column a class.
        upper: its loss.
        lower: the dual bound there.
        accuracy: the mass whose own class has the strictly largest score (ties to 1e-9 are errors).
    """

    coefficients: Float[np.ndarray, "m C"]
    upper: float
    lower: float
    accuracy: float


@dataclass(frozen=True)
class Bracket:
    """`lower <= L_sup <= upper`, proven, with the classifier that shows it."""

    lower: Fraction
    upper: Fraction
    coefficients: tuple[tuple[Fraction, ...], ...]

    def witness(self) -> list[list[str]]:
        """The classifier as exact numbers."""
        return [[ratio(a) for a in row] for row in self.coefficients]


def loss_and_slopes(
    loss: str,
    scores: Float[np.ndarray, "m C"],
    masses: Float[np.ndarray, "m C"],
    beta: int | float,
    direction: Float[np.ndarray, "m C"] | None = None,
) -> tuple[float, Float[np.ndarray, "m C"], Float[np.ndarray, "m C"]]:
    """`sum_gc masses_gc l((beta (s_gc - s_gj))_(j != c))`, its derivative in the scores, and the derivative of that
    along a direction (0 if there is none).
    """
    rows, labels = np.nonzero(masses)  # a row of scores for each class that has mass on it

    def summed(of_rows: Float[np.ndarray, "n C"]) -> Float[np.ndarray, "m C"]:
        total = np.zeros_like(scores)
        np.add.at(total, rows, of_rows)
        return total

    at = ScoresExpansion(get_loss(loss), scores[rows], labels, masses[rows, labels], beta)
    change = np.zeros_like(scores) if direction is None else summed(np.asarray(at.along(direction[rows])))
    return float(at.value), summed(np.asarray(at.slopes)), change


def best_head(loss: str, B: Float[np.ndarray, "m m"], masses: Float[np.ndarray, "m C"], beta: int | float) -> Head:
    """Minimize the downstream loss over classifiers in the unit ball.

    The ball is the shadow of a sphere with one coordinate more, on which the problem is smooth and every second-order
    critical point is a minimum (`verify.supervised.classifier`).
    """
    eigenvalues, vectors = np.linalg.eigh(B)
    keep = eigenvalues > 1e-12 * max(1.0, float(eigenvalues[-1]))
    roots = np.sqrt(eigenvalues[keep])
    U = vectors[:, keep] * roots
    lifted = np.hstack([U, np.zeros((len(U), 1))])

    def evaluate(
        W: Float[np.ndarray, "s C r"], V: Float[np.ndarray, "s C r"] | None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C r"], Float[np.ndarray, "s C r"]]:
        direction = None if V is None else lifted @ V[0].T
        value, slopes, change = loss_and_slopes(loss, lifted @ W[0].T, masses, beta, direction)
        return np.array([value]), (slopes.T @ lifted)[None], (change.T @ lifted)[None]

    means = (U.T @ masses).T
    guess = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    start = normalized(np.hstack([guess, np.full((len(guess), 1), 0.1)]))
    run = minimize(evaluate, start[None], np.ones(len(start)), tolerance=1e-14, max_iterations=300)[0]
    W = run.embeddings[:, :-1].T
    scores = U @ W
    upper, slopes, _ = loss_and_slopes(loss, scores, masses, beta)
    pull = U.T @ slopes
    lower = upper - float(np.sum(np.linalg.norm(pull, axis=0)) + np.sum(slopes * scores))
    own = np.where(np.eye(masses.shape[1], dtype=bool), -np.inf, scores[:, None, :]).max(axis=2)
    right = scores > own + 1e-9
    # a class that touches the sphere has w parallel to the pull, and then the coefficients -slope are good ones
    length = np.linalg.norm(pull, axis=0)
    active = (np.linalg.norm(W, axis=0) > 1 - 1e-7) & (length > 1e-9)
    least = vectors[:, keep] / roots @ W
    coefficients = np.where(active, -slopes * (1 + 1e-12) / np.maximum(length, 1e-300), least)
    return Head(coefficients, upper, min(lower, upper), float(np.sum(masses * right)))


def bracket(
    loss: str,
    gram: list[list[Ball]],
    masses: Masses,
    beta: Fraction,
    coefficients: Float[np.ndarray, "m C"],
    bits: int,
) -> Bracket | None:
    """The two bounds in balls, for every B in `gram`; None if the balls are too wide to say anything."""
    a = [[Fraction(round(x * 2.0**60), 1 << 60) for x in row] for row in coefficients.tolist()]
    rows, classes = range(len(gram)), range(len(masses[0]))
    with ctx.workprec(bits):
        columns = []
        for c in classes:
            column = [ball(a[g][c]) for g in rows]
            scores = [_dot(row, column) for row in gram]
            squared = _dot(column, scores)
            if squared > 1:
                norm = squared.sqrt()
            elif squared < 1:
                norm = arb(1)
            else:
                norm = arb(1).union(squared.upper().sqrt())
            columns.append([s / norm for s in scores])
        value, slopes = _ball_loss(loss, [list(row) for row in zip(*columns, strict=True)], masses, beta)
        below = value
        for c in classes:
            g = [slopes[i][c] for i in rows]
            length = _dot(g, [_dot(row, g) for row in gram]).upper()
            below -= (arb(length).sqrt() if length > 0 else arb(0)) + _dot(g, columns[c])
        if not (value.is_finite() and below.is_finite()):
            return None
        low, high = bounds(below)[0], bounds(value)[1]
    room = max((high - low) / 8, _ROOM)
    digits = len(str((4 / room).__ceil__()))
    return Bracket(down(low - room, digits), up(high + room, digits), tuple(tuple(row) for row in a))


def _ball_loss(loss: str, scores: list[list[Ball]], masses: Masses, beta: Fraction) -> tuple[Ball, list[list[Ball]]]:
    known, total, classes = get(loss), arb(0), range(len(masses[0]))
    slopes = [[arb(0)] * len(classes) for _ in scores]
    for g, row in enumerate(scores):
        for c in classes:
            if not masses[g][c]:
                continue
            weight = ball(masses[g][c])
            rivals = [j for j in classes if j != c]
            terms = [(ball(beta) * (row[j] - row[c])).exp() for j in rivals]
            value, steps = known.at(terms, [1] * len(rivals))
            total += weight * value
            for j, step in zip(rivals, steps, strict=True):
                slopes[g][j] += ball(beta) * weight * step
                slopes[g][c] -= ball(beta) * weight * step
    return total, slopes


def _dot(x: list[Ball], y: list[Ball]) -> Ball:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
