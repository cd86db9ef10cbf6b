"""E max_i z_{J_i} over `k` iid draws, exact for any `k` and also where values tie.

The law of a maximum is a k-th power: with `F(z) = sum_j w_j [z_j <= z]`, the maximum equals `z` with probability
`F(z)^k - F(z-)^k` (derived). Tied values share that probability in proportion to their weights, so that the derivative
with respect to the values is the subgradient that treats ties alike.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, promoting, running_maximum, sort_with
from theory.expectation.expansion import Expansion


@promoting
def expected_maximum(values: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar) -> Float[Array, "*b"]:
    """`E max_{i<=k} z_{J_i}`, `J_i` iid with these weights."""
    ascending, chances, _ = _law_of_the_maximum(values, weights, k)
    return array_module(ascending, chances).sum(chances * ascending, axis=-1)


class Hinged(Expansion):
    """`E max(0, 1 + max_{i<=k}(-v_{J_i}))`; for `k = None` every value is drawn, whatever the weights are.

    It is linear in the margins wherever none of them tie or are 1: the Hessian is 0 there, and the slopes are
    subgradients elsewhere.
    """

    def __init__(self, margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar | None) -> None:
        xp = array_module(margins, weights, k)
        self._margins, self._terms = margins, xp.where(margins < 1.0, 1.0 - margins, 0.0)
        self._weights, self._k = weights, k

    @property
    def value(self) -> Float[Array, "*b"]:
        if self._k is None:
            return array_module(self._terms).max(self._terms, axis=-1)
        return expected_maximum(self._terms, self._weights, self._k)

    @property
    def slopes(self) -> Float[Array, "*b n"]:
        xp = array_module(self._terms, self._weights, self._k)
        if self._k is None:
            largest = self._terms == xp.max(self._terms, axis=-1, keepdims=True)
            chances: Any = largest / xp.sum(largest, axis=-1, keepdims=True)
        else:
            _, sorted_chances, order = _law_of_the_maximum(self._terms, self._weights, self._k)
            chances = xp.take_along_axis(sorted_chances, xp.argsort(order, axis=-1), axis=-1)
        return xp.where(self._margins < 1.0, -chances, 0.0)

    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        return 0.0 * direction

    def hessian(self) -> Float[Array, "*b n n"]:
        n = self._terms.shape[-1]
        return array_module(self._terms).zeros((*self._terms.shape, n))


def _law_of_the_maximum(
    values: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
) -> tuple[Float[Array, "*b n"], Float[Array, "*b n"], Array]:
    """The values in ascending order, the probability that each is the maximum, and where each came from."""
    xp = array_module(values, weights, k)
    values = xp.asarray(values)
    ascending, w, order = sort_with(values, xp.broadcast_to(xp.asarray(weights), values.shape))
    cumulative = xp.cumsum(w, axis=-1)
    total = cumulative[..., -1:]
    up_to = cumulative / total
    change = ascending[..., 1:] != ascending[..., :-1]
    edge = xp.ones((*change.shape[:-1], 1), dtype=bool)
    ends, starts = xp.concatenate([change, edge], axis=-1), xp.concatenate([edge, change], axis=-1)
    # the distribution function at the end of each run of ties, and before its start
    at_most = -running_maximum(xp.where(ends, -up_to, -1.0)[..., ::-1])[..., ::-1]
    before = xp.concatenate([0.0 * total, up_to[..., :-1]], axis=-1)
    below = running_maximum(xp.where(starts, before, 0.0))
    mass = at_most - below
    # values of no weight are no maximum
    share = xp.where(mass > 0, _power(at_most, k) - _power(below, k), 0.0) / xp.where(mass > 0, mass, 1.0)
    return ascending, w / total * share, order


def _power(base: Float[Array, "*b n"], k: Scalar) -> Float[Array, "*b n"]:
    xp = array_module(base, k)
    positive = base > 0
    return xp.where(positive, xp.exp(k * xp.log(xp.where(positive, base, 1.0))), 0.0)
