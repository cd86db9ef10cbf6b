"""What a linear classifier makes of the points: the best one bracketed, the class means, and the prior bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.bounds import all_bounds
from theory.downstream import accuracy, loss_of_scores, lower_bound
from theory.losses import get_loss
from verify.supervised.classifier import optimal_classifier
from verify.trained.points import Points

#: Scores up to which the best classifier is looked for; beyond, the class means are what brackets it.
MAX_SCORES = 2_000_000


@dataclass(frozen=True)
class Downstream:
    """Losses of classifiers on the points, with the training prior as test distribution.

    Attributes:
        sup: bounds on the loss of the best unit-norm classifier, in double precision.
        mean_classifier: the loss of `w_c = mu_c`.
        accuracy: of the classifier that the upper bound is that of.
        classifier: its rows, of length 1.
    """

    sup: tuple[float, float]
    mean_classifier: float
    accuracy: float
    classifier: Float[np.ndarray, "C d"]


@dataclass(frozen=True)
class PriorBound:
    """A prior bound on the loss of the mean classifier, or why it has no value."""

    value: float | None
    reason: str | None


def downstream(points: Points, means: Float[np.ndarray, "C d"], beta: float) -> Downstream:
    """The classifiers; the best one as `verify.supervised.classifier` brackets it."""
    loss, F, labels, masses, C = get_loss("logistic"), points.embeddings, points.labels, points.masses, len(means)

    def value(scores: Float[np.ndarray, "n C"]) -> float:
        return float(loss_of_scores(loss, scores, labels, masses, beta))

    of_means = value(F @ means.T)
    if points.n * C <= MAX_SCORES:
        head = optimal_classifier(loss, F, labels, masses, C=C, beta=beta)
        return Downstream((head.lower, head.upper), of_means, accuracy(head.scores, labels, masses), head.weights)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    unit = np.where(lengths > 1e-12, means / np.maximum(lengths, 1e-12), np.eye(C, points.d))
    scores = F @ unit.T
    upper = value(scores)
    lower = min(upper, lower_bound(loss, F, scores, labels, masses, beta=beta))
    return Downstream((lower, upper), of_means, accuracy(scores, labels, masses), unit)


def prior_bounds(points: Points, k: int | float, value: float, beta: float) -> dict[str, PriorBound]:
    """Every bound of `theory.bounds` at the loss of these points."""
    found = all_bounds(points.prior, k, value, beta)
    return {name: PriorBound(bound.value, bound.reason) for name, bound in found.items()}
