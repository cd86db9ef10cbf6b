"""The minimum that trained embeddings are measured against; computed once for each problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
from jaxtyping import Float

from theory.groups import class_gram
from theory.problem import Problem
from verify.results import Status


@dataclass(frozen=True)
class Optimum:
    """The minimum of `L_k` over all Gram matrices, which no representation is below, and where it is attained.

    Attributes:
        status: how far it is settled.
        lower, upper: bounds on the minimum.
        gram: the minimizer, C x C.
        radius: proven bound on the error of its entries, or None.
    """

    status: Status
    lower: float
    upper: float
    gram: Float[np.ndarray, "C C"]
    radius: float | None


@lru_cache(maxsize=64)
def optimum(problem: Problem) -> Optimum:
    """What `verify.optimum` computes. For `d >= C-1` the minimum is that of the convex program; in fewer dimensions
    the lower bound is, and the upper one is the best that was found.

    Where python-flint is not installed nothing is proved, and the same is computed in double precision.
    """
    if find_spec("flint") is None:
        return _in_double_precision(problem)
    from verify.optimum import run

    prior = problem.population
    found = run(prior, problem.k, d=problem.d, loss=problem.loss, temperature=problem.temperature)
    assert found.nce.lower is not None and found.nce.upper is not None
    gram = np.array(found.gram)
    if found.groups is not None:
        gram = class_gram(gram, prior.merged(), prior)
    return Optimum(found.status, found.nce.lower, found.nce.upper, gram, found.gram_radius)


def _in_double_precision(problem: Problem) -> Optimum:
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient
    from verify.optimize.search import minimum

    loss, rho, k, _, beta = problem.numbers
    G = minimum(*problem.numbers, starts=2).gram
    upper, slope = gram_value_and_gradient(loss, G, rho, k, beta)
    lower = min(upper, dual_bound(upper, slope, G).lower)
    settled = upper - lower <= 1e-9 * max(1.0, abs(upper))
    return Optimum(Status.NUMERICAL if settled else Status.UNDECIDED, lower, upper, G, None)
