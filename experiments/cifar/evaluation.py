"""All metrics of one trained network, for training and test set side by side, against the theory's prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float, Int

from experiments.cifar.metrics import neighbours, probe
from experiments.cifar.metrics.cosines import Cosines, cosines
from experiments.cifar.metrics.distances import Distance, distance
from experiments.cifar.metrics.downstream import Downstream, at_gram, downstream
from experiments.cifar.metrics.population import TrainedLoss, trained_loss
from experiments.cifar.metrics.probe import Probe
from theory.augmentation import expectation
from theory.augmentation.block import downstream_loss, with_overlap
from theory.balanced import downstream_minimum, nce_minimum
from theory.class_means import class_means, cosine_matrix
from theory.downstream import accuracy
from theory.errors import InputError
from theory.geometry import gram, simplex_etf
from theory.losses import get_loss
from theory.neural_collapse import NeuralCollapse, neural_collapse
from theory.priors import Prior
from theory.problem import check_temperature

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
    """The minimizer of the population NCE loss for the prior, `k`, the temperature and the law of the positives.

    Attributes:
        source: "simplex ETF" for equal classes, else "verify.optimum"; "block family" for mixed positives.
        status: how far it is settled (`verify.results.Status`).
        radius: proven bound on the error of the entries of `gram` (before rounding to `DECIMALS`), or None.
        gram: cosines of the class means.
        within: cosine of two images of a class: 1 where classes collapse.
        nce: the least loss, as `(lower, upper)`; None where it is not bracketed.
        downstream: the downstream loss there, of the best classifier, images weighted alike; in double precision.
    """

    source: str
    status: str
    radius: float | None
    gram: tuple[tuple[float, ...], ...]
    within: float
    nce: tuple[float, float] | None
    downstream: float


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
        loss: how far training is from the optimum, in loss; None without an optimum.
        downstream: losses on the training set.
    """

    C: int
    d: int
    k: int
    rho: tuple[str, ...]
    temperature: str
    probe: Probe
    optimum: Optimum | None
    loss: TrainedLoss | None
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
    own_loss = None
    if optimum is not None and optimum.nce is not None:
        say("loss of the training set")
        share = None if overlap is None else float(overlap)
        own_loss = trained_loss(train_features, train_labels, C, k=k, beta=beta, optimum=optimum.nce, overlap=share)
    say("downstream loss")
    best = None if optimum is None else optimum.downstream
    own_downstream = downstream(train_features, train_labels, C, beta=beta, optimum=best)

    def measure(features: Float[np.ndarray, "m d"], labels: Int[np.ndarray, " m"], is_train: bool) -> SetMetrics:
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
            gram=_rounded(G),
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
        train=measure(train_features, train_labels, True),
        test=measure(test_features, test_labels, False),
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


@lru_cache(maxsize=64)
def predicted(
    prior: Prior, k: int, temperature: Fraction, d: int, overlap: Fraction | None = None, points: int | None = None
) -> Optimum:
    """The simplex ETF for equal classes and `d >= C-1`; else what `verify.optimum` computes, or, where python-flint is
    not installed, the same in double precision only.

    With an overlap the optimum of the block family of `points` images a class (`theory.augmentation.block`).
    """
    C, beta, loss = prior.C, float(1 / temperature), get_loss("logistic")
    if d < 2:
        raise InputError("features", f"dimension {d}", "accepted: at least 2")
    if overlap is not None:
        return _block_optimum(prior, k, beta, d, float(overlap), points or 0)
    if prior.is_uniform and d >= C - 1:
        least = nce_minimum(loss, C, k, beta)
        etf = _rounded(gram(simplex_etf(C)))
        return Optimum("simplex ETF", "proved", 0.0, etf, 1.0, (least, least), downstream_minimum(loss, C, beta))
    weights = prior.as_array()
    if find_spec("flint") is not None:
        from verify import optimum

        found = optimum.run(prior, k, d=d, temperature=temperature)
        G, status, radius = np.array(found.gram), found.status.value, found.gram_radius
        nce = None if found.nce.lower is None or found.nce.upper is None else (found.nce.lower, found.nce.upper)
    else:
        from verify.optimize.dual import dual_bound
        from verify.optimize.objective import gram_value_and_gradient
        from verify.optimize.search import minimum

        G = minimum(loss, weights, k, d, beta, starts=2).gram
        high, slope = gram_value_and_gradient(loss, G, weights, k, beta)
        low, radius = dual_bound(high, slope, G).lower, None
        nce = low, high
        status = "numerical" if high - low <= 1e-9 * max(1.0, abs(high)) else "undecided"
    return Optimum("verify.optimum", status, radius, _rounded(G), 1.0, nce, at_gram(G, weights, beta=beta))


def _block_optimum(prior: Prior, k: int, beta: float, d: int, overlap: float, points: int) -> Optimum:
    """The optimum for equal classes of equally many images, where it fits into `d` dimensions."""
    C = prior.C
    if not prior.is_uniform or points < 2:
        raise InputError("overlap", overlap, "the optimum is known for equal classes of at least 2 images")
    block = with_overlap(C, points, overlap)
    g = block.cosine("logistic", k, beta)
    b = block.between(g)
    z = np.array([[beta * (g - 1), beta * (b - 1), 0.0]])
    laws = (np.array([law]) for law in (block.negatives, block.positives))
    least = float(expectation.evaluate("logistic", k, z, *laws).value[0])
    fits = d >= (C - 1 if g == 1 else C * points - 1)
    return Optimum(
        "block family",
        "numerical" if fits else "undecided",
        None,
        _rounded(gram(simplex_etf(C))),
        g,
        (least, least),
        downstream_loss(C, points, g, b, beta),
    )


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
