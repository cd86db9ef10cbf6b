"""The downstream loss of trained embeddings on their own training set, beside that of the optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from theory.downstream import loss_of_scores, mean_classifier
from theory.float64 import jnp
from theory.geometry import from_gram, normalized
from theory.losses import get_loss


@dataclass(frozen=True)
class Downstream:
    """Every image counts alike.

    Attributes:
        lower, upper: of the best classifier of unit norms, bracketed in double precision.
        mean_classifier: of the mean classifier `w_c = E[f | c]`.
        optimum: of the best classifier on the minimizer of the population NCE loss, or None where it is not known.
    """

    lower: float
    upper: float
    mean_classifier: float
    optimum: float | None


def downstream(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    C: int,
    *,
    beta: float,
    optimum: float | None,
) -> Downstream:
    """The `Downstream` losses of embeddings, scaled to unit length."""
    from verify.supervised.classifier import optimal_classifier

    loss, U, n = get_loss("logistic"), normalized(features.astype(np.float64)), len(labels)
    weights = np.full(n, 1 / n)
    best = optimal_classifier(loss, U, labels, weights, C=C, beta=beta)
    scores = U @ mean_classifier(U, labels, weights, C).T
    of_means = loss_of_scores(loss, jnp.asarray(scores), labels, jnp.asarray(weights), beta)
    return Downstream(best.lower, best.upper, float(of_means), optimum)


def at_gram(gram: Float[np.ndarray, "C C"], weights: Float[np.ndarray, " C"], *, beta: float) -> float:
    """The downstream loss of class embeddings with this Gram matrix, in double precision."""
    from verify.supervised.classifier import optimal_classifier

    U = from_gram(gram, len(gram))
    return optimal_classifier(get_loss("logistic"), U, np.arange(len(gram)), weights, beta=beta, d=len(gram) + 1).upper
