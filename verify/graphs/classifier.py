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

from theory.errors import InputError
from verify.certify.balls import Ball, ball, bounds
from verify.certify.document import down, ratio, up

#: The losses whose downstream loss is bracketed.
LOSSES = ("logistic", "exponential", "separable")
_ITERATIONS = 5_000
_GAP = 1e-13
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
    loss: str, scores: Float[np.ndarray, "m C"], masses: Float[np.ndarray, "m C"], beta: int | float
) -> tuple[float, Float[np.ndarray, "m C"]]:
    """`sum_gc masses_gc l((beta (s_gc - s_gj))_(j != c))` and its derivative in the scores.

    Raises:
        InputError: for a loss that is not one of `LOSSES`.
    """
    if loss not in LOSSES:
        raise InputError("loss", loss, f"accepted here: {', '.join(LOSSES)}")
    C = scores.shape[1]
    v = beta * (scores[:, None, :] - scores[:, :, None])  # row, own class, other class
    own = np.eye(C, dtype=bool)
    if loss == "logistic":
        largest = v.max(axis=2, keepdims=True)
        e = np.exp(v - largest)
        total = e.sum(axis=2, keepdims=True)
        value, steps = (largest + np.log(total))[:, :, 0], e / total
    elif loss == "exponential":
        e = np.where(own, 0.0, np.exp(v))
        value, steps = e.sum(axis=2), e
    else:
        value = np.where(own, 0.0, np.logaddexp(0.0, v)).sum(axis=2)
        steps = np.where(own, 0.0, 1 / (1 + np.exp(-v)))
    steps = np.where(own, 0.0, steps)
    weighted = beta * masses[:, :, None] * steps
    return float(np.sum(masses * value)), weighted.sum(axis=1) - weighted.sum(axis=2)


def best_head(loss: str, B: Float[np.ndarray, "m m"], masses: Float[np.ndarray, "m C"], beta: int | float) -> Head:
    """Minimize the downstream loss over classifiers in the unit ball: accelerated projected gradients with restarts."""
    eigenvalues, vectors = np.linalg.eigh(B)
    keep = eigenvalues > 1e-12 * max(1.0, float(eigenvalues[-1]))
    roots = np.sqrt(eigenvalues[keep])
    U = vectors[:, keep] * roots
    W = _into_ball(U.T @ masses)
    Z, momentum, step, best = W.copy(), 1.0, 1.0 / beta**2, np.inf
    value, slopes = loss_and_slopes(loss, U @ Z, masses, beta)
    for _ in range(_ITERATIONS):
        gradient = U.T @ slopes
        while True:  # the exponential loss has no bound on its curvature: the step adapts
            trial = _into_ball(Z - step * gradient)
            moved = trial - Z
            trial_value, trial_slopes = loss_and_slopes(loss, U @ trial, masses, beta)
            model = value + float(np.sum(gradient * moved)) + float(np.sum(moved**2)) / (2 * step)
            if trial_value <= model + 1e-15 * max(1.0, abs(value)) or step < 1e-12:
                break
            step /= 2
        if trial_value > best and momentum > 1:
            momentum, Z = 1.0, W.copy()
        else:
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            Z = trial + (momentum - 1) / following * (trial - W)
            W, momentum, best = trial, following, trial_value
            if trial_value - _lower(U, trial, trial_value, trial_slopes) <= _GAP * max(1.0, abs(trial_value)):
                break
        step *= 1.1
        value, slopes = loss_and_slopes(loss, U @ Z, masses, beta)
    scores = U @ W
    upper, slopes = loss_and_slopes(loss, scores, masses, beta)
    pull = U.T @ slopes
    lower = _lower(U, W, upper, slopes)
    own = np.where(np.eye(masses.shape[1], dtype=bool), -np.inf, scores[:, None, :]).max(axis=2)
    right = scores > own + 1e-9
    # a class that touches the sphere has w parallel to the pull, and then the coefficients -slope are good ones
    length = np.linalg.norm(pull, axis=0)
    active = (np.linalg.norm(W, axis=0) > 1 - 1e-7) & (length > 1e-9)
    least = vectors[:, keep] / roots @ W
    coefficients = np.where(active, -slopes * (1 + 1e-12) / np.maximum(length, 1e-300), least)
    return Head(coefficients, upper, min(lower, upper), float(np.sum(masses * right)))


def _lower(
    U: Float[np.ndarray, "m r"], W: Float[np.ndarray, "r C"], value: float, slopes: Float[np.ndarray, "m C"]
) -> float:
    """The dual bound of `theory.downstream` at the classifier W."""
    return value - float(np.sum(np.linalg.norm(U.T @ slopes, axis=0)) + np.sum(slopes * (U @ W)))


def _into_ball(W: Float[np.ndarray, "r C"]) -> Float[np.ndarray, "r C"]:
    return W / np.maximum(1.0, np.linalg.norm(W, axis=0))


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
    total, classes = arb(0), range(len(masses[0]))
    slopes = [[arb(0)] * len(classes) for _ in scores]
    for g, row in enumerate(scores):
        for c in classes:
            if not masses[g][c]:
                continue
            weight = ball(masses[g][c])
            terms = {j: (ball(beta) * (row[j] - row[c])).exp() for j in classes if j != c}
            everything = 1 + sum(terms.values(), arb(0))
            if loss == "logistic":
                total += weight * everything.log()
                steps = {j: e / everything for j, e in terms.items()}
            elif loss == "exponential":
                total += weight * (everything - 1)
                steps = terms
            else:
                total += weight * sum(((1 + e).log() for e in terms.values()), arb(0))
                steps = {j: e / (1 + e) for j, e in terms.items()}
            for j, step in steps.items():
                slopes[g][j] += ball(beta) * weight * step
                slopes[g][c] -= ball(beta) * weight * step
    return total, slopes


def _dot(x: list[Ball], y: list[Ball]) -> Ball:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
