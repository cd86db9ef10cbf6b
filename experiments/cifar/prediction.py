"""The optimum that trained networks are measured against: what the theory predicts for their training loss."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from experiments.cifar.metrics.downstream import at_gram
from theory.augmentation import expectation
from theory.augmentation.block import downstream_loss, with_overlap
from theory.balanced import downstream_minimum, nce_minimum
from theory.errors import InputError
from theory.geometry import gram, simplex_etf
from theory.priors import Prior
from theory.problem import Problem
from verify.trained.optimum import optimum

#: Decimals that are kept of the entries of Gram matrices.
DECIMALS = 6


@dataclass(frozen=True)
class Optimum:
    """The minimizer of the population NCE loss for the prior, `k`, the temperature and the law of the positives.

    Attributes:
        source: "simplex ETF" for equal classes, else "verify.optimum"; "block family" for mixed positives.
        status: how far it is settled (`verify.results.Status`).
        radius: proven bound on the error of the entries of `gram` (before rounding to `DECIMALS`), or None.
        gram: cosines of the class means.
        within: cosine of two images of a class: 1 where classes collapse.
        nce: the least loss, as `(lower, upper)`.
        downstream: the downstream loss there, of the best classifier, images weighted alike; in double precision.
    """

    source: str
    status: str
    radius: float | None
    gram: tuple[tuple[float, ...], ...]
    within: float
    nce: tuple[float, float]
    downstream: float


@lru_cache(maxsize=64)
def predicted(
    prior: Prior, k: int, temperature: Fraction, d: int, overlap: Fraction | None = None, points: int | None = None
) -> Optimum:
    """The simplex ETF for equal classes and `d >= C-1`; else what `verify.trained.optimum` has.

    With an overlap the optimum of the block family of `points` images a class (`theory.augmentation.block`).
    """
    if d < 2:
        raise InputError("features", f"dimension {d}", "accepted: at least 2")
    problem = Problem(prior, k, d, temperature=temperature)
    C, beta, loss = prior.C, float(problem.beta), problem.loss
    if overlap is not None:
        return _block_optimum(prior, k, beta, d, float(overlap), points or 0)
    if prior.is_uniform and d >= C - 1:
        least = nce_minimum(loss, C, k, beta)
        etf = rounded(gram(simplex_etf(C)))
        return Optimum("simplex ETF", "proved", 0.0, etf, 1.0, (least, least), downstream_minimum(loss, C, beta))
    found = optimum(problem)
    at_optimum = at_gram(found.gram, prior.as_array(), beta=beta)
    bracket = found.lower, found.upper
    return Optimum("verify.optimum", found.status.value, found.radius, rounded(found.gram), 1.0, bracket, at_optimum)


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
    least = float(expectation.expected("logistic", k, z, *laws).value[0])
    fits = d >= (C - 1 if g == 1 else C * points - 1)
    return Optimum(
        "block family",
        "numerical" if fits else "undecided",
        None,
        rounded(gram(simplex_etf(C))),
        g,
        (least, least),
        downstream_loss(C, points, g, b, beta),
    )


def rounded(G: Float[np.ndarray, "C C"]) -> tuple[tuple[float, ...], ...]:
    """A Gram matrix to `DECIMALS`."""
    return tuple(tuple(row) for row in np.round(G, DECIMALS).tolist())
