"""The downstream loss of the minimizer as `k` grows, in double precision, for a batch of priors at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.downstream import mean_classifier_loss
from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.geometry import normalized
from theory.losses import Loss
from verify.optimize.objective import Objective
from verify.optimize.spheres import minimize, random_starts
from verify.supervised.classifier import optimal_classifiers

CLASSIFIERS = ("optimal", "mean")
_SHAKE = 0.01


class Series(NamedTuple):
    """For each prior and each `k`: the minimizer of `L_k` found, its loss, and its downstream loss.

    nce, sup: s x K; embeddings, classifiers: s x K x C x d (the mean classifier is the embeddings themselves);
    converged: s x K, whether the optimizer stopped at a critical point.
    """

    nce: Float[np.ndarray, "s K"]
    sup: Float[np.ndarray, "s K"]
    embeddings: Float[np.ndarray, "s K C d"]
    classifiers: Float[np.ndarray, "s K C d"]
    converged: np.ndarray


def series(
    loss: Loss,
    rho: Float[np.ndarray, "s C"],
    ks: Sequence[int | float],
    weights: Float[np.ndarray, "s C"],
    *,
    classifier: str = "optimal",
    beta: int | float = 1.0,
    seed: int = 0,
    tolerance: float = 1e-13,
    progress: Callable[[int], None] | None = None,
) -> Series:
    """Minimize `L_k` in `d = C` for each `k` in turn, each from the minimizer before it, and classify.

    Every start is shaken: where classes coincide the minimizer before is a critical point for every `k`, at which an
    optimizer would stay when it has turned into a saddle.

    `tolerance` bounds the gradients, those of the minimizer relative to each class's mass. `progress` is called with
    the number of `k` that are done.

    Raises:
        InputError: if `classifier` is not one of `CLASSIFIERS`.
    """
    if classifier not in CLASSIFIERS:
        raise InputError("classifier", classifier, f"accepted: {' or '.join(CLASSIFIERS)}")
    s, C = rho.shape
    rng = np.random.default_rng(seed)
    points = np.repeat(random_starts(1, C, C, seed), s, axis=0)
    heads: Float[np.ndarray, "s C d"] | None = None
    nce, sup, embeddings, classifiers, converged = [], [], [], [], []
    for k in ks:
        start = normalized(points + _SHAKE * rng.normal(size=(C, C)))
        runs = minimize(Objective(loss, rho, k, beta), start, rho, tolerance=tolerance)
        points = np.stack([run.embeddings for run in runs])
        if classifier == "mean":
            values, heads = mean_losses(loss, points, weights, beta), points
        else:
            values, heads = optimal_classifiers(loss, points, weights, beta, starts=heads, tolerance=tolerance)
        nce.append([run.value for run in runs])
        sup.append(values)
        embeddings.append(points)
        classifiers.append(heads)
        converged.append([run.converged for run in runs])
        if progress is not None:
            progress(len(nce))
    return Series(
        np.array(nce).T,
        np.array(sup).T,
        np.stack(embeddings, axis=1),
        np.stack(classifiers, axis=1),
        np.array(converged).T,
    )


def mean_losses(
    loss: Loss, U: Float[np.ndarray, "s C d"], weights: Float[np.ndarray, "s C"], beta: int | float
) -> Float[np.ndarray, " s"]:
    """The losses of the mean classifier for a batch of class embeddings."""
    gram = jnp.asarray(np.einsum("scd,sed->sce", U, U))
    return np.asarray(jax.vmap(lambda g, w: mean_classifier_loss(loss, g, w, beta))(gram, jnp.asarray(weights)))
