"""The downstream loss of trained embeddings on their own training set, beside that of the optimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.geometry import from_gram
from theory.losses import get_loss
from verify.trained.downstream import downstream as of_points
from verify.trained.geometry import class_means
from verify.trained.points import Points


@dataclass(frozen=True)
class Downstream:
    """Every image of a class counts alike, and the classes by their prior.

    Attributes:
        lower, upper: of the best classifier of unit norms, bracketed in double precision.
        mean_classifier: of the mean classifier `w_c = E[f | c]`.
        optimum: of the best classifier on the minimizer of the population NCE loss, or None where it is not known.
    """

    lower: float
    upper: float
    mean_classifier: float
    optimum: float | None


def downstream(given: Points, *, beta: float, optimum: float | None) -> Downstream:
    """The `Downstream` losses of embeddings."""
    found = of_points(given, class_means(given), beta)
    return Downstream(*found.sup, found.mean_classifier, optimum)


def at_gram(gram: Float[np.ndarray, "C C"], weights: Float[np.ndarray, " C"], *, beta: float) -> float:
    """The downstream loss of class embeddings with this Gram matrix, in double precision."""
    from verify.supervised.classifier import optimal_classifier

    U = from_gram(gram, len(gram))
    return optimal_classifier(get_loss("logistic"), U, np.arange(len(gram)), weights, beta=beta, d=len(gram) + 1).upper
