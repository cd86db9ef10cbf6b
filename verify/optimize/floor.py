"""What value a training loss can have: the numbers to lay beside a training log."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from theory.problem import Problem


@dataclass(frozen=True)
class Floor:
    """Values beside the minimum, in double precision; for `k = inf` normalized like it.

    Attributes:
        chance: the loss where all embeddings coincide; logistic: `log(1 + k)`.
        etf: the loss of the simplex ETF for this prior, which is the minimum for equal classes only; None for fewer
            dimensions than it needs.
    """

    chance: float
    etf: float | None


@cache
def _compiled(k_is_static: bool) -> Callable[..., Any]:
    from theory.float64 import jax
    from theory.groups import grouped_loss

    compiled: Callable[..., Any] = jax.jit(grouped_loss, static_argnums=(0, 4, 6) if k_is_static else (0, 6))
    return compiled


def floor(problem: Problem) -> Floor:
    """The values for this problem, in the number of groups of equal classes."""
    import numpy as np

    from theory.float64 import jnp

    prior, k, loss, beta = problem.population, problem.k, problem.loss, float(problem.beta)
    groups = prior.merged()
    margins, one = jnp.zeros(1), jnp.ones(1)
    chance = loss.limit(margins, one) if math.isinf(k) else loss.expected(margins, one, k)
    etf = None
    if problem.d >= prior.C - 1:
        m = len(groups.masses)
        cosines = np.full((m, m), -1.0 / (prior.C - 1))
        # of a group of one class the cosine within counts as 1
        np.fill_diagonal(cosines, [1.0 if count == 1 else -1.0 / (prior.C - 1) for count in groups.counts])
        rho, counts = (np.array([float(x) for x in xs]) for xs in (groups.masses, groups.counts))
        # a user's own loss and the limit need to know k before compilation
        evaluate = _compiled(math.isinf(k) or not loss.convex)
        etf = float(
            evaluate(loss, jnp.asarray(cosines), jnp.asarray(rho), jnp.asarray(counts), k, beta, problem.objective)
        )
    return Floor(float(chance), etf)
