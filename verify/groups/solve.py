"""The optimum for a prior with groups of equal classes, found and proven in the number of groups."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

import numpy as np
from jaxtyping import Float

from theory.groups import cosines
from theory.priors import Prior
from verify.certify.optimum import OptimumProof, prove_grouped
from verify.certify.rows import LOSSES
from verify.certify.starts import Start
from verify.groups.barrier import MAX_GROUPS, Barrier, Optimum

#: Proofs are tried to this width, relative to max(1, value); the last for optima that are degenerate or nearly so.
_WIDTHS = (Fraction(1, 10**20), Fraction(1, 10**12))


@dataclass(frozen=True)
class Solution:
    """The optimum over Gram matrices of any rank.

    Attributes:
        groups: the prior with classes of equal mass in one group each; all matrices are in its order.
        found: the barrier method's end.
        cosines: between groups and, on the diagonal, within them (1 for a group of one class), in double precision.
        rank: that of the optimal C x C Gram matrix, as far as it was identified.
        starts: candidates from which a proof may begin.
        proof: the enclosure; None for a `k` that is not an integer.
    """

    groups: Prior
    found: Optimum
    cosines: Float[np.ndarray, "m m"]
    rank: int
    starts: list[Start]
    proof: OptimumProof | None

    @property
    def proved(self) -> bool:
        """Whether the minimum is enclosed."""
        return self.proof is not None and self.proof.status == "proved"


def pays(prior: Prior, loss: str) -> bool:
    """Whether the problem is smaller in groups, and of a kind that is solved so."""
    return loss in LOSSES and len(prior.merged().masses) <= min(prior.C - 1, MAX_GROUPS)


def solve(prior: Prior, k: int | float, *, loss: str, temperature: Fraction, d: int) -> Solution:
    """Find the optimum by the barrier method; enclose it if `k` is an integer and `d` holds it.

    The classes of the optimum found need `d >= rank` dimensions: where there are fewer there is no proof.
    """
    groups = prior.merged()
    barrier = Barrier(groups, loss, k, float(1 / temperature))
    found = barrier.solve()
    starts = barrier.starts(found)
    proof, found_rank = None, rank(groups, starts)
    if isinstance(k, int):
        for width in _WIDTHS:
            relative = width * max(1, int(found.value)) if isfinite(found.value) else width
            proof = prove_grouped(groups, k, starts, loss=loss, temperature=temperature, d=d, width=relative)
            found_rank = proof.rank or found_rank
            if proof.status == "proved" or proof.rank:
                break
    return Solution(groups, found, cosines(found.means, groups), found_rank, starts, proof)


def rank(groups: Prior, starts: list[Start]) -> int:
    """The rank of the optimal C x C Gram matrix that the first start stands for; without one, that of all classes."""
    if not starts:
        return groups.C - 1
    free = zip(groups.counts, starts[0].free.tolist(), strict=True)
    return min(groups.C - 1, starts[0].U.shape[1] + sum(n - 1 for n, is_free in free if is_free))
