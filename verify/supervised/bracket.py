r"""The downstream loss of an enclosed minimizer, bracketed rigorously.

All that is used of the minimizer is an interval matrix that holds its Gram matrix `G`. A classifier is given by
coefficients: `w_c = sum_i a_ic u_i`, so that the scores are `S = G A` and `|w_c|^2 = a_c^T G a_c`; dividing by
`max(1, |w_c|)` puts it in the unit ball (by `|w_c|`: on the unit sphere, which is needed where `d` leaves no room
beside the embeddings). Evaluated in balls this is an upper bound on `L_sup`; the bound of `theory.downstream`,

    L_sup >= L(S) - sum_c ( sqrt(g_c^T G g_c) + <g_c, s_c> ),        g = dL/dS,

is the lower one, for any `G` in the enclosure (derived there). Both are of first order in the radius of the
enclosure, and of second order in the error of the classifier where `|w_c| = 1`.

For the mean classifier (`w_c = u_c`) the scores are `G` itself, and the loss is evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx
from jaxtyping import Float

from theory.downstream import exact_class_weights, loss_slope
from theory.losses import get_loss
from theory.priors import Prior
from verify.certify.balls import ball, bounds
from verify.certify.document import down, ratio, up
from verify.supervised.classifier import optimal_classifier
from verify.supervised.minimizer import Minimizer, ball_gram, enclose_minimizer

Ball = Any
_ROOM = Fraction(1, 10**28)
#: A bracket is this much wider than the enclosure of the Gram matrix, or less, in all but degenerate cases.
_SPREAD = 400


@dataclass(frozen=True)
class Bracket:
    """`lower <= L_sup <= upper`, proven, and what a checker needs to see it (empty for the mean classifier)."""

    lower: Fraction
    upper: Fraction
    witness: dict[str, Any]


def bracket(
    minimizer: Minimizer,
    weights: tuple[Fraction, ...],
    *,
    loss: str,
    temperature: Fraction,
    classifier: str,
    d: int,
) -> Bracket | None:
    """Bracket the downstream loss at the minimizer; None if the enclosure is too wide to say anything."""
    beta = 1 / temperature
    scale = minimizer.radius or Fraction(1, 1 << 200)
    bits = 64 + (scale.denominator // scale.numerator).bit_length()
    with ctx.workprec(bits):
        gram = ball_gram(minimizer)
        if classifier == "mean":
            value, _ = _loss(loss, gram, weights, beta)
            return outward(*bounds(value), {}) if value.is_finite() else None
        coefficients = _coefficients(minimizer, weights, loss, float(beta))
        result = _optimal(gram, coefficients, weights, loss, beta, ball_suffices=d >= minimizer.rank + 1)
        if result is None:
            return None
        return outward(*result, {"classifier": [[ratio(a) for a in row] for row in coefficients]})


def enclose_loss(
    prior: Prior,
    k: int,
    embeddings: Float[np.ndarray, "C d"] | None,
    *,
    weighting: str,
    loss: str,
    temperature: Fraction,
    classifier: str,
    d: int,
    width: Fraction,
) -> tuple[Minimizer, Bracket] | str:
    """Enclose the minimizer until its downstream loss is known to `width`; else the best bracket, or why there is none.

    A bracket is usually a few times as wide as the enclosure of the Gram matrix. Where some classes coincide and the
    best classifier of another does not touch the unit sphere, it goes with the root of it: hence the second attempt.
    """
    best: tuple[Minimizer, Bracket] | str = "the enclosure of the minimizer is too wide for the downstream loss"
    radius, weights = width / _SPREAD, exact_class_weights(prior, weighting)
    for _ in range(2):
        minimizer = enclose_minimizer(prior, k, embeddings, loss=loss, temperature=temperature, d=d, radius=radius)
        if isinstance(minimizer, str):
            return minimizer if isinstance(best, str) else best
        found = bracket(minimizer, weights, loss=loss, temperature=temperature, classifier=classifier, d=d)
        if found is not None:
            best = minimizer, found
            if found.upper - found.lower <= width or minimizer.radius == 0:
                break
        radius *= radius
    return best


def _optimal(
    gram: list[list[Ball]],
    coefficients: list[list[Fraction]],
    weights: tuple[Fraction, ...],
    loss: str,
    beta: Fraction,
    *,
    ball_suffices: bool,
) -> tuple[Fraction, Fraction] | None:
    classes = range(len(gram))
    scores = unit_scores(gram, coefficients, ball_suffices=ball_suffices)
    columns = [list(column) for column in zip(*scores, strict=True)]
    value, slope = _loss(loss, scores, weights, beta)
    below = value
    for c in classes:
        g = [slope[i][c] for i in classes]
        length = _dot(g, [_dot(row, g) for row in gram]).upper()
        below -= (arb(length).sqrt() if length > 0 else arb(0)) + _dot(g, columns[c])
    if not (value.is_finite() and below.is_finite()):
        return None
    return bounds(below)[0], bounds(value)[1]


def unit_scores(gram: list[list[Ball]], coefficients: list[list[Fraction]], *, ball_suffices: bool) -> list[list[Ball]]:
    """The scores `<u_i, w_c>` of the classifier with these coefficients, cut to length."""
    columns = []
    for column in zip(*coefficients, strict=True):
        a = [ball(x) for x in column]
        scores = [_dot(row, a) for row in gram]
        squared = _dot(a, scores)
        if ball_suffices:
            norm = arb(1) if squared < 1 else squared.sqrt() if squared > 1 else arb(1).union(squared.upper().sqrt())
        else:
            norm = squared.sqrt()
        columns.append([s / norm for s in scores])
    return [list(row) for row in zip(*columns, strict=True)]


def _loss(
    loss: str, scores: list[list[Ball]], weights: tuple[Fraction, ...], beta: Fraction
) -> tuple[Ball, list[list[Ball]]]:
    """The loss of the scores (one row a class) and its slopes, in balls; a convex loss of `STRICT`."""
    classes, total = range(len(scores)), arb(0)
    slopes = [[arb(0)] * len(scores) for _ in classes]
    for c in classes:
        terms = {j: (ball(beta) * (scores[c][j] - scores[c][c])).exp() for j in classes if j != c}
        weight = ball(weights[c])
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
            slopes[c][j] = ball(beta) * weight * step
            slopes[c][c] -= slopes[c][j]
    return total, slopes


def _coefficients(
    minimizer: Minimizer, weights: tuple[Fraction, ...], loss: str, beta: int | float
) -> list[list[Fraction]]:
    """A good classifier as rational coefficients on the embeddings.

    At the optimum `w_c` is parallel to `-U^T g_c` wherever that is not 0 (then `|w_c| = 1`): so `-g_c`, a little too
    long, serves as coefficients and is cut to unit length exactly. Elsewhere the least coefficients are taken.
    """
    gram = np.array([[float(g) for g in row] for row in minimizer.gram])
    eigenvalues, vectors = np.linalg.eigh(gram)
    keep = eigenvalues > max(1e-12, 100 * float(minimizer.radius))
    U: Float[np.ndarray, "C C"] = vectors * np.sqrt(np.where(keep, eigenvalues, 0.0))
    C, mass = len(gram), np.array([float(w) for w in weights])
    object_ = get_loss(loss)
    found = optimal_classifier(object_, U, np.arange(C), mass, beta=beta, d=C + 1)
    slope = loss_slope(object_, found.scores, np.arange(C), mass, beta=beta)
    pull = U.T @ slope
    least = np.linalg.lstsq(U.T, found.weights.T, rcond=None)[0]
    columns = []
    for c in range(C):
        strength = float(np.linalg.norm(pull[:, c]))
        active = strength > 1e-6 * float(np.abs(slope[:, c]).max()) and np.linalg.norm(found.weights[c]) > 1 - 1e-6
        column = -slope[:, c] * (1.001 / strength) if active else least[:, c]
        columns.append([Fraction(round(x * 2.0**60), 1 << 60) for x in column])
    return [list(row) for row in zip(*columns, strict=True)]


def outward(low: Fraction, high: Fraction, witness: dict[str, Any]) -> Bracket:
    """Rounded outward, with room for a checker's own errors."""
    room = max((high - low) / 8, _ROOM)
    digits = len(str((4 / room).__ceil__()))
    return Bracket(down(low - room, digits), up(high + room, digits), witness)


def _dot(x: list[Ball], y: list[Ball]) -> Ball:
    return sum((a * b for a, b in zip(x, y, strict=True)), arb(0))
