"""All metrics of one trained network, for training and test set side by side, against the theory's prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

from experiments.cifar.metrics import neighbours, probe
from experiments.cifar.metrics.cosines import Cosines, cosines
from experiments.cifar.metrics.distances import Distance, distance
from experiments.cifar.metrics.probe import Probe
from theory.class_means import class_means, cosine_matrix
from theory.downstream import accuracy
from theory.errors import InputError
from theory.geometry import gram, simplex_etf
from theory.neural_collapse import NeuralCollapse, neural_collapse
from theory.priors import Prior
from verify.results import check_temperature

#: Decimals that are kept of the entries of Gram matrices.
DECIMALS = 6

#: Of more training images than these, so many are drawn as queries of the nearest-neighbour classifier.
MAX_QUERIES = 10_000


@dataclass(frozen=True)
class Accuracy:
    """The share of images whose own class scores strictly highest: of all images, and averaged over classes."""

    overall: float
    balanced: float


@dataclass(frozen=True)
class Optimum:
    """The Gram matrix that minimizes the population NCE loss for the prior, `k` and the temperature.

    Attributes:
        source: "simplex ETF" for equal classes, else "verify.optimum".
        status: how far it is settled (`verify.results.Status`).
        radius: proven bound on the error of its entries (before rounding to `DECIMALS`), or None.
    """

    source: str
    status: str
    radius: float | None
    gram: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class SetMetrics:
    """What is measured on the training set or on the test set.

    Attributes:
        images: their number.
        linear_probe, knn, mean_classifier: fitted on the training set; on the training set itself, `knn` leaves out the
            image asked for, and asks for at most `MAX_QUERIES` of them.
        gram: cosines between the class means, in label order.
        mean_norms: lengths of the class means; for unit features, 1 where a class has collapsed to a point.
        to_etf, to_optimum: how far `gram` is from the simplex ETF and from the `Optimum`.
        optimum_over_etf: `to_optimum.max / to_etf.max`: below 1 where the computed optimum predicts better.
    """

    images: int
    linear_probe: Accuracy
    knn: Accuracy
    mean_classifier: Accuracy
    gram: tuple[tuple[float, ...], ...]
    mean_norms: tuple[float, ...]
    cosines: Cosines
    neural_collapse: NeuralCollapse
    to_etf: Distance
    to_optimum: Distance
    optimum_over_etf: float


@dataclass(frozen=True)
class Metrics:
    """Everything that is measured of a network.

    Attributes:
        d: dimension of the features.
        rho: the prior, exact.
    """

    C: int
    d: int
    k: int
    rho: tuple[str, ...]
    temperature: str
    probe: Probe
    optimum: Optimum
    train: SetMetrics
    test: SetMetrics


def evaluate_features(
    train_features: Float[np.ndarray, "n d"],
    train_labels: Int[np.ndarray, " n"],
    test_features: Float[np.ndarray, "m d"],
    test_labels: Int[np.ndarray, " m"],
    *,
    prior: Prior,
    k: int,
    temperature: Fraction | int | float | str,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Metrics:
    """Measure the features of a frozen network.

    Args:
        prior: of the classes, in label order; that of the training set (`Dataset.prior`).
        k: negatives of the training loss.
        temperature: of the training loss.
        seed: of the images that are drawn where all are too many.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: if a set lacks a class, or a feature is not finite.
    """
    say = progress or (lambda text: None)
    C, d = prior.C, train_features.shape[1]
    means = class_means(train_features, train_labels, C)
    say("linear probe")
    fitted = probe.fit(train_features, train_labels, C)
    say("computed optimum")
    optimum = predicted(prior, k, check_temperature(temperature), d)

    def measure(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"], is_train: bool) -> SetMetrics:
        part = "training" if is_train else "test"
        own = class_means(features, labels, C)
        G, target = cosine_matrix(own), np.array(optimum.gram)
        to_etf, to_optimum = distance(G, gram(simplex_etf(C))), distance(G, target)
        say(f"{part} set: nearest neighbours")
        asked = _queries(len(labels), seed) if is_train else np.arange(len(labels))
        votes = neighbours.votes(train_features, train_labels, features[asked], C, own=asked if is_train else None)
        say(f"{part} set: cosines")
        return SetMetrics(
            images=len(labels),
            linear_probe=_accuracy(fitted.scores(features), labels),
            knn=_accuracy(votes, labels[asked]),
            mean_classifier=_accuracy(features @ means.T, labels),
            gram=_rounded(G),
            mean_norms=tuple(np.linalg.norm(own, axis=1).tolist()),
            cosines=cosines(features, labels, seed),
            neural_collapse=neural_collapse(features, labels, fitted.weights, fitted.bias, means),
            to_etf=to_etf,
            to_optimum=to_optimum,
            optimum_over_etf=to_optimum.max / to_etf.max if to_etf.max > 0 else float("nan"),
        )

    return Metrics(
        C=C,
        d=d,
        k=k,
        rho=tuple(prior.as_strings()),
        temperature=str(check_temperature(temperature)),
        probe=fitted,
        optimum=optimum,
        train=measure(train_features, train_labels, True),
        test=measure(test_features, test_labels, False),
    )


@lru_cache(maxsize=64)
def predicted(prior: Prior, k: int, temperature: Fraction, d: int) -> Optimum:
    """The simplex ETF for equal classes and `d >= C-1`; else what `verify.optimum` computes."""
    C = prior.C
    if prior.is_uniform and d >= C - 1:
        return Optimum("simplex ETF", "proved", 0.0, _rounded(gram(simplex_etf(C))))
    from verify import optimum

    if d < 2:
        raise InputError("features", f"dimension {d}", "accepted: at least 2")
    found = optimum.run(prior, k, d=d, temperature=temperature)
    return Optimum("verify.optimum", found.status.value, found.gram_radius, _rounded(np.array(found.gram)))


def _queries(n: int, seed: int) -> Int[np.ndarray, " m"]:
    if n <= MAX_QUERIES:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MAX_QUERIES, replace=False))


def _accuracy(scores: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"]) -> Accuracy:
    n, counts = len(labels), np.bincount(labels, minlength=scores.shape[1])
    occurring = int(np.sum(counts > 0))
    balanced = 1 / (occurring * counts[labels])
    return Accuracy(accuracy(scores, labels, np.full(n, 1 / n)), accuracy(scores, labels, balanced))


def _rounded(G: Float[np.ndarray, "C C"]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in np.round(G, DECIMALS).tolist())
