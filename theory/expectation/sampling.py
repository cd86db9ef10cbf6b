"""E g(v_{J_1}, ..., v_{J_k}) by Monte Carlo, with a confidence interval: the reference that knows no formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, array_module, promoting


@dataclass(frozen=True)
class Estimate:
    """A sample mean and its standard error."""

    mean: float
    standard_error: float
    samples: int

    def interval(self, confidence: float = 0.999) -> tuple[float, float]:
        """The normal confidence interval `mean -+ z standard_error`."""
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        return self.mean - z * self.standard_error, self.mean + z * self.standard_error


@promoting
def sampled(
    function: Callable[[Float[Array, "*c k"]], Float[Array, "*c"]],
    margins: Float[Array, "*b n"],
    weights: Float[Array, " n"],
    k: int,
    *,
    samples: int,
    seed: int,
) -> Float[Array, "*b samples"]:
    """`samples` values of `g(v_{J_1}, ..., v_{J_k})`, `J` iid with these weights.

    The uniforms are drawn once from `seed`, and inverted through the law: the result is a deterministic function of
    margins and weights, so that its mean can be optimized.
    """
    uniforms = np.random.default_rng(seed).random((samples, k))
    xp = array_module(margins, weights)
    cumulative = xp.cumsum(weights, axis=-1)
    draws = xp.searchsorted(cumulative / cumulative[-1], uniforms, side="right")
    return function(margins[..., xp.minimum(draws, margins.shape[-1] - 1)])
