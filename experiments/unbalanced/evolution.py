"""An evolutionary search over the simplex of priors for the largest rise of the downstream loss.

Every restart begins with uniform draws on the simplex; nothing that is known of earlier findings enters. The
best priors seen in the restart are then mutated in log-ratio coordinates, at many scales. A generation is a pure
function of the seed and of the generations before it, so a search that was stopped goes on as if it had not been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from theory.losses import Loss
from verify.supervised.batched import WEIGHTINGS, solve

#: The numbers of negatives between which a rise is looked for.
KS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 256, 4096)
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


class Evaluation(NamedTuple):
    """What a generation is worth.

    Attributes:
        rises: the largest `L_sup(k2) - L_sup(k1)` over `k1 < k2` in `problem.ks`; negative where the loss falls all the
            way, -inf where some minimizer is not known to within `verify.supervised.batched.GAP`.
        pairs: the `k1, k2` where it is attained.
        guides: the same rise for the mean classifier, which the search climbs as long as nothing rises: that loss
            rises more often, and where it rises most the other is not far from it.
    """

    rises: Float[np.ndarray, " s"]
    pairs: Int[np.ndarray, "s 2"]
    guides: Float[np.ndarray, " s"]


def evaluate(problem: Problem, shares: Float[np.ndarray, "s g"]) -> Evaluation:
    """Minimize and classify at every prior of a generation and every `k`."""
    cells = solve(problem.loss, problem.class_masses(shares), problem.ks, beta=problem.beta)
    w = WEIGHTINGS.index(problem.weighting)
    mean = cells.mean[..., w]
    best, pairs = largest_rise(mean if problem.classifier == "mean" else cells.optimal[..., w], problem.ks)
    guides, _ = largest_rise(mean, problem.ks)
    sure = cells.converged.all(axis=1) & np.isfinite(best)
    return Evaluation(np.where(sure, best, -np.inf), pairs, np.where(sure, guides, -np.inf))


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
    rises: Float[np.ndarray, " m"],
    guides: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "s g"]:
    """The generation with the key (seed, restart, generation), from what its restart has seen so far."""
    generation = key[2]
    rng = np.random.default_rng(key)
    uniform = rng.dirichlet(np.ones(len(problem.sizes)), size=BATCH)
    if generation < _UNIFORM_GENERATIONS:
        return uniform
    # what rises comes first, by its rise; of the others, by the guide
    order = np.lexsort((guides, np.where(rises > NOISE, rises, 0.0)))
    elite = order[::-1][:_ELITE]
    parents = np.log(shares[rng.choice(elite, size=BATCH)])
    scale = np.exp(rng.uniform(np.log(0.003), 0.0, size=(BATCH, 1)))
    children: Float[np.ndarray, "s g"] = np.exp(parents + scale * rng.normal(size=parents.shape))
    children = children / children.sum(axis=1, keepdims=True)
    # a few fresh draws keep the search from settling for its first hit
    children[: BATCH // 8] = uniform[: BATCH // 8]
    return children
