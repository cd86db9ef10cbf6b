"""One problem, as every method sees it, and what every answer is measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.losses import Loss, get_loss
from theory.priors import Prior, parse


@dataclass(frozen=True)
class Problem:
    """The logistic loss of `k` negatives for a prior, over class embeddings in `d` dimensions."""

    prior: Prior
    k: int
    d: int

    @property
    def rho(self) -> Float[np.ndarray, " C"]:
        """The prior in double precision."""
        return self.prior.as_array()

    @property
    def loss(self) -> Loss:
        """The logistic loss."""
        return get_loss("logistic")


def read(rho: str, C: int, k: int, d: int) -> Problem:
    """The problem of a task."""
    return Problem(parse(rho, C), k, d)


def judge(problem: Problem, G: Float[np.ndarray, "C C"]) -> tuple[float, float]:
    """The exact loss at the feasible Gram matrix near G, and a lower bound on the minimum, the same for all methods.

    The bound is proven in ball arithmetic up to 20 classes; beyond, it is the dual bound at the best point that this
    project's own search finds, in double precision.
    """
    from theory.geometry import from_gram, gram
    from verify import optimum
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient
    from verify.optimize.search import minimum

    beta = 1.0
    value, _ = gram_value_and_gradient(problem.loss, gram(from_gram(G, len(G))), problem.rho, problem.k, beta)
    if problem.prior.C <= 20:
        lower = optimum.run(problem.prior, problem.k).nce.lower
        assert lower is not None
        return float(value), lower
    best = minimum(problem.loss, problem.rho, problem.k, problem.prior.C, beta, starts=1).gram
    bound = dual_bound(*gram_value_and_gradient(problem.loss, best, problem.rho, problem.k, beta), best)
    return float(value), bound.lower
