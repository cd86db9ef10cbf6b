"""An evolutionary search over the simplex of priors for the largest rise of the downstream loss.

Every restart begins with uniform draws on the simplex; nothing that is known of earlier findings enters. The
best priors seen in the restart are then mutated in log-ratio coordinates, at many scales. A generation is a pure
function of the seed and of the generations before it, so a search that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from theory.losses import Loss
from verify.supervised.series import series

#: The numbers of negatives between which a rise is looked for.
KS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 256, 4096)
_TOLERANCE = 1e-9
BATCH = 64
GENERATIONS = 12
_UNIFORM_GENERATIONS = 4
_ELITE = 8
#: Rises below this are rounding.
NOISE = 1e-8


@dataclass(frozen=True)
class Problem:
    """What is searched: `classes` free masses, or that many groups of `sizes` equal classes each."""

    loss: Loss
    sizes: tuple[int, ...]
    weighting: str
    classifier: str
    beta: float = 1.0
    ks: tuple[int, ...] = KS

    @property
    def C(self) -> int:
        return sum(self.sizes)

    def class_masses(self, shares: Float[np.ndarray, "s g"]) -> Float[np.ndarray, "s C"]:
        """The class masses when group `i` has the total mass `shares[i]`."""
        return np.repeat(shares / np.array(self.sizes), self.sizes, axis=1)


def rises(problem: Problem, shares: Float[np.ndarray, "s g"]) -> tuple[Float[np.ndarray, " s"], Int[np.ndarray, "s 2"]]:
    """For each prior the largest `L_sup(k2) - L_sup(k1)` over `k1 < k2` in `problem.ks`, and that pair.

    Negative where the loss falls all the way; a start that did not converge counts as the smallest there is.
    """
    rho = problem.class_masses(shares)
    weights = rho if problem.weighting == "weighted" else np.full_like(rho, 1.0 / problem.C)
    result = series(
        problem.loss, rho, problem.ks, weights, classifier=problem.classifier, beta=problem.beta, tolerance=_TOLERANCE
    )
    best, pair = largest_rise(result.sup, problem.ks)
    best = np.where(result.converged.all(axis=1) & np.isfinite(best), best, -np.inf)
    return best, pair


def largest_rise(
    sup: Float[np.ndarray, "s K"], ks: Sequence[int]
) -> tuple[Float[np.ndarray, " s"], Int[np.ndarray, "s 2"]]:
    """`max_{i < j} sup_j - sup_i` in each row, and the `ks` where it is attained."""
    lowest = np.minimum.accumulate(sup, axis=1)[:, :-1]
    gains = sup[:, 1:] - lowest
    last = np.argmax(gains, axis=1)
    rows = np.arange(len(sup))
    first = np.array([int(np.argmin(sup[i, : last[i] + 1])) for i in rows])
    return gains[rows, last], np.stack([np.array(ks)[first], np.array(ks)[last + 1]], axis=1)


def propose(
    problem: Problem,
    key: tuple[int, int, int],
    shares: Float[np.ndarray, "m g"],
    found: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "s g"]:
    """The generation with the key (seed, restart, generation), from what its restart has seen so far."""
    generation = key[2]
    rng = np.random.default_rng(key)
    uniform = rng.dirichlet(np.ones(len(problem.sizes)), size=BATCH)
    elite = np.argsort(-found, kind="stable")[:_ELITE]
    elite = elite[found[elite] > NOISE]
    # as long as nothing rises there is nothing to improve on
    if generation < _UNIFORM_GENERATIONS or len(elite) == 0:
        return uniform
    parents = np.log(shares[rng.choice(elite, size=BATCH)])
    scale = np.exp(rng.uniform(np.log(0.003), np.log(0.5), size=(BATCH, 1)))
    children: Float[np.ndarray, "s g"] = np.exp(parents + scale * rng.normal(size=parents.shape))
    children = children / children.sum(axis=1, keepdims=True)
    # a few fresh draws keep the search from settling for its first hit
    children[: BATCH // 8] = uniform[: BATCH // 8]
    return children
