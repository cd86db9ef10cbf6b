"""All metrics of one trained network, for training and test set side by side, against the theory's prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments.cifar.metrics import neighbours, probe
from experiments.cifar.metrics.cosines import Cosines, cosines
from experiments.cifar.metrics.distances import Distance, distance
from experiments.cifar.metrics.downstream import Downstream, downstream
from experiments.cifar.metrics.population import MixedLoss, mixed_loss
from experiments.cifar.metrics.probe import Probe
from experiments.cifar.prediction import Optimum, predicted, rounded
from theory.class_means import class_means, cosine_matrix
from theory.downstream import accuracy
from theory.float64 import jax, jnp
from theory.geometry import gram, simplex_etf
from theory.neural_collapse import NeuralCollapse, neural_collapse
from theory.priors import Prior
from theory.problem import check_temperature
from verify.embeddings import measure
from verify.trained.measures import Measures
from verify.trained.points import points as labelled

#: Of more training images than these, so many are drawn as queries of the nearest-neighbour classifier.
MAX_QUERIES = 10_000


@dataclass(frozen=True)
class Accuracy:
    """The share of images whose own class scores strictly highest: of all images, and averaged over classes."""

    overall: float
    balanced: float


@dataclass(frozen=True)
class SetMetrics:
    """What is measured on the training set or on the test set.

    Attributes:
        images: their number.
        linear_probe, knn, mean_classifier: fitted on the training set; on the training set itself, `knn` leaves out the
            image asked for, and asks for at most `MAX_QUERIES` of them.
        gram: cosines between the class means, in label order.
        mean_norms: lengths of the class means; for unit features, 1 where a class has collapsed to a point.
        to_etf, to_optimum: how far `gram` is from the simplex ETF and from the `Optimum`; the latter None without one.
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
    to_optimum: Distance | None
    optimum_over_etf: float | None


@dataclass(frozen=True)
class Metrics:
    """Everything that is measured of a network.

    Attributes:
        d: dimension of the features.
        rho: the prior, exact.
        optimum: None for positives by augmentation: what they have in common is not known, and the simplex ETF of the
            classes is then no prediction.
        loss: how far training is from the optimum, in loss, as `verify.embeddings` measures it; None without an
            optimum.
        downstream: losses on the training set.
    """

    C: int
    d: int
    k: int
    rho: tuple[str, ...]
    temperature: str
    probe: Probe
    optimum: Optimum | None
    loss: Measures | MixedLoss | None
    downstream: Downstream
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
    positives: str = "class",
    overlap: Fraction | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Metrics:
    """Measure the features of a frozen network.

    Args:
        prior: of the classes, in label order; that of the training set (`Dataset.prior`).
        k: negatives of the training loss.
        temperature: of the training loss.
        positives, overlap: of the training loss (`configuration.Configuration`).
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
    exact = check_temperature(temperature)
    beta = float(1 / exact)
    points = len(train_labels) // C if overlap is not None else None
    optimum = None if positives == "augment" else predicted(prior, k, exact, d, overlap, points)
    given = labelled(train_features, train_labels, rho=prior, normalize=True)
    xp: Any = np if jax.default_backend() == "cpu" else jnp
    own_loss: Measures | MixedLoss | None = None
    if optimum is not None:
        say("loss of the training set")
        if overlap is None:
            own_loss = measure(train_features, train_labels, k, rho=prior, normalize=True, temperature=exact, xp=xp)
        else:
            own_loss = mixed_loss(given, k, beta, overlap=float(overlap), optimum=optimum.nce, xp=xp)
    say("downstream loss")
    own_downstream = downstream(given, beta=beta, optimum=None if optimum is None else optimum.downstream)

    def of_set(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"], is_train: bool) -> SetMetrics:
        part = "training" if is_train else "test"
        own = class_means(features, labels, C)
        G = cosine_matrix(own)
        to_etf = distance(G, gram(simplex_etf(C)))
        to_optimum = None if optimum is None else distance(G, np.array(optimum.gram))
        say(f"{part} set: nearest neighbours")
        asked = _queries(len(labels), seed) if is_train else np.arange(len(labels))
        votes = neighbours.votes(train_features, train_labels, features[asked], C, own=asked if is_train else None)
        say(f"{part} set: cosines")
        return SetMetrics(
            images=len(labels),
            linear_probe=_accuracy(fitted.scores(features), labels),
            knn=_accuracy(votes, labels[asked]),
            mean_classifier=_accuracy(features @ means.T, labels),
            gram=rounded(G),
            mean_norms=tuple(np.linalg.norm(own, axis=1).tolist()),
            cosines=cosines(features, labels, seed),
            neural_collapse=neural_collapse(features, labels, fitted.weights, fitted.bias, means),
            to_etf=to_etf,
            to_optimum=to_optimum,
            optimum_over_etf=to_optimum.max / to_etf.max if to_optimum is not None and to_etf.max > 0 else None,
        )

    return Metrics(
        C=C,
        d=d,
        k=k,
        rho=tuple(prior.as_strings()),
        temperature=str(exact),
        probe=fitted,
        optimum=optimum,
        loss=own_loss,
        downstream=own_downstream,
        train=of_set(train_features, train_labels, True),
        test=of_set(test_features, test_labels, False),
    )


def evaluate_accuracies(
    train_features: Float[np.ndarray, "n d"],
    train_labels: Int[np.ndarray, " n"],
    test_features: Float[np.ndarray, "m d"],
    test_labels: Int[np.ndarray, " m"],
    C: int,
    *,
    seed: int = 0,
) -> dict[str, dict[str, Accuracy]]:
    """Linear probe and nearest neighbours only, for "train" and "test", as `evaluate_features` measures them."""
    fitted = probe.fit(train_features, train_labels, C)
    found = {}
    for part, features, labels in (("train", train_features, train_labels), ("test", test_features, test_labels)):
        own = _queries(len(labels), seed) if part == "train" else None
        asked = np.arange(len(labels)) if own is None else own
        votes = neighbours.votes(train_features, train_labels, features[asked], C, own=own)
        found[part] = {
            "linear_probe": _accuracy(fitted.scores(features), labels),
            "knn": _accuracy(votes, labels[asked]),
        }
    return found


def _queries(n: int, seed: int) -> Int[np.ndarray, " m"]:
    if n <= MAX_QUERIES:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, MAX_QUERIES, replace=False))


def _accuracy(scores: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"]) -> Accuracy:
    n, counts = len(labels), np.bincount(labels, minlength=scores.shape[1])
    occurring = int(np.sum(counts > 0))
    balanced = 1 / (occurring * counts[labels])
    return Accuracy(accuracy(scores, labels, np.full(n, 1 / n)), accuracy(scores, labels, balanced))
