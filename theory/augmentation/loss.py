r"""The population loss of embeddings of an augmentation graph, exact for any `k`, with gradient and Hessian.

    L_k(G) = sum_ip W_ip E l( (beta (G_ip - G_(i J_m)))_(m <= k) ),   J iid ~ pi = W 1

It is convex in `G` for integer `k` (an expectation of convex functions of linear ones). So is the logistic loss for
real `k >= 1` (derived): by parts, `int E_u F = int t E_u (X_u F - F') dt`, the second derivative of the V of
`theory.augmentation.expectation` along delta is

    sum_uv X_u X_v (delta_u - delta_v)^2 int t E_u E_v ( k q_u m_v phi^(k-1) + k (k-1) m_u m_v phi^(k-2) psi / 2 ) dt.

It is strictly convex in the entries off the diagonal, for every W with positive marginal (derived): at an anchor i with
positive p, the second derivative along delta is a variance under softmax weights of 0 (a negative that is i itself),
delta_ij, and delta_ip. For p = i it vanishes only if delta_ij = 0. For p != i and k = 1 the negative i forces
delta_ip = 0, and then the negative j forces delta_ij = delta_ip = 0; more negatives only add terms.

Cosines are those of groups of exchangeable points: `cosines[g, h]` between groups and, on the diagonal, between two
points of one group (ignored for a group of one).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.augmentation.expectation import expected
from theory.augmentation.graph import Graph, GraphArrays
from theory.expectation.enumeration import enumerated
from theory.expectation.expansion import Expansion
from theory.expectation.sampling import Estimate, sampled
from theory.losses import Loss


def atoms(law: GraphArrays) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "m n"]]:
    """The laws of a negative and of the positive given the anchor's group: m groups, other points only, and last the
    anchor itself (n = m + 1)."""
    m = len(law.counts)
    own = law.marginal / law.counts
    negatives = np.hstack([np.tile(law.marginal, (m, 1)), own[:, None]])
    negatives[np.arange(m), np.arange(m)] *= (law.counts - 1) / law.counts
    return negatives, np.hstack([law.others, law.same[:, None]])


def anchors(
    loss: str, law: GraphArrays, cosines: Float[np.ndarray, "m m"], k: int | float, beta: int | float = 1.0
) -> Expansion:
    """`theory.augmentation.expectation.expected` for an anchor of every group; the last atom is the anchor itself."""
    m = len(law.counts)
    z = np.hstack([beta * np.minimum(cosines - 1, 0.0), np.zeros((m, 1))])
    single = law.counts == 1
    z[np.arange(m)[single], np.arange(m)[single]] = 0.0
    return expected(loss, k, z, *atoms(law))


class GraphLoss:
    """`L_k` at these cosines, with derivatives in each, row g those of the anchors of group g.

    The derivative is 0 where there is no such cosine, between the points of a group of one.

    Attributes:
        value: the loss.
        gradient: its derivative in each cosine.
    """

    def __init__(
        self, loss: str, law: GraphArrays, cosines: Float[np.ndarray, "m m"], k: int | float, beta: int | float = 1.0
    ) -> None:
        self._law, self._beta = law, beta
        self._rows = anchors(loss, law, cosines, k, beta)
        self.value = float(law.marginal @ self._rows.value)
        self.gradient = self._of_cosines(np.asarray(self._rows.slopes))

    def along(self, direction: Float[np.ndarray, "m m"]) -> Float[np.ndarray, "m m"]:
        """The Hessian applied to a direction: the derivative of the gradient along it."""
        moved = self._beta * direction
        moved[np.diag_indices(len(moved))] *= self._law.counts > 1
        wide = np.hstack([moved, np.zeros((len(moved), 1))])
        return self._of_cosines(np.asarray(self._rows.along(wide)))

    def _of_cosines(self, rows: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "m m"]:
        change = self._beta * self._law.marginal[:, None] * rows[:, :-1]
        change[np.diag_indices(len(change))] *= self._law.counts > 1
        return change


def pair_loss(loss: Loss, graph: Graph, gram: Float[Array, "n n"], k: Scalar, beta: Scalar = 1.0) -> Float[Array, ""]:
    """`L_k` pair by pair, for every loss with an expectation, in JAX; the Gram matrix is that of the points.

    One expectation for each positive pair: for few points, and for losses that have no row in `expectation`.
    """
    weights, margins, pi = _pairs(graph, gram, beta)
    if isinstance(k, float) and math.isinf(k):
        return weights @ loss.limit(margins, pi)
    return weights @ loss.expected(margins, pi, k)


def enumerated_pair_loss(
    loss: Loss, graph: Graph, gram: Float[Array, "n n"], k: int, beta: Scalar = 1.0
) -> Float[Array, ""]:
    """`L_k` by summing `l` over all multisets of negatives: the reference for few points and small `k`."""
    weights, margins, pi = _pairs(graph, gram, beta)
    return weights @ enumerated(loss, margins, pi, k)


def sampled_pair_loss(
    loss: Loss,
    graph: Graph,
    gram: Float[Array, "n n"],
    k: int,
    beta: Scalar = 1.0,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """`L_k` by Monte Carlo over the negatives, with all positive pairs summed exactly."""
    weights, margins, pi = _pairs(graph, gram, beta)
    totals = np.asarray(weights @ sampled(loss, margins, pi, k, samples=samples, seed=seed))
    return Estimate(float(totals.mean()), float(totals.std(ddof=1) / samples**0.5), samples)


def _pairs(
    graph: Graph, gram: Float[Array, "n n"], beta: Scalar
) -> tuple[Float[Array, " e"], Float[Array, "e n"], Float[Array, " n"]]:
    """The masses of ordered pairs, the margins of every negative for each, and the marginal."""
    from theory.float64 import jnp

    law = graph.expanded().arrays
    W = law.marginal[:, None] * (law.others + np.diag(law.same))
    first, second = np.nonzero(W)
    G = jnp.where(jnp.eye(len(W), dtype=bool), 1.0, jnp.asarray(gram))
    return jnp.asarray(W[first, second]), beta * (G[first, second][:, None] - G[first]), jnp.asarray(law.marginal)
