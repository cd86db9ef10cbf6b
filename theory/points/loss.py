"""The exact population loss of a representation on points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.enumeration import enumerated
from theory.expectation.sampling import Estimate, sampled
from theory.float64 import jnp
from theory.losses import Loss
from theory.points.representation import Representation


def pair_margins(f: Representation, beta: Scalar = 1.0) -> Float[Array, "C N N CN"]:
    """`beta f(x)^T (f(x+) - f(x-))` for every anchor, positive of its class, and negative; 0 where `x- = x+`."""
    C, N, _ = f.embeddings.shape
    cosines = jnp.einsum("cid,ejd->ciej", f.embeddings, f.embeddings)
    own = cosines[jnp.arange(C), :, jnp.arange(C), :]
    return beta * (own[..., None] - cosines.reshape(C, N, 1, C * N))


def anchor_losses(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Float[Array, " C"]:
    """The loss given the anchor's class: `E l(beta f(x)^T (f(x+) - f(x-_i)))`, `x, x+ ~ D_c`, `x-_i ~ D` iid."""
    given_pair = loss.expected(pair_margins(f, beta), f.negative_weights, k)
    return jnp.einsum("ci,cj,cij->c", f.weights, f.weights, given_pair)


def points_loss(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Float[Array, ""]:
    """`L_k(f) = sum_c rho_c E[l | c]`, exact for every loss whose `expected` is (one integral a pair for logistic)."""
    return jnp.asarray(f.rho) @ anchor_losses(loss, f, k, beta)


def enumerated_points_loss(loss: Loss, f: Representation, k: int, beta: float = 1.0) -> Float[Array, ""]:
    """`L_k(f)` by summing `l` over all multisets of negatives: the reference for few points and small `k`."""
    given_pair = enumerated(loss, pair_margins(f, beta), f.negative_weights, k)
    return jnp.einsum("c,ci,cj,cij->", f.rho, f.weights, f.weights, given_pair)


def sampled_points_loss(
    loss: Loss, f: Representation, k: int, beta: float = 1.0, *, samples: int = 10_000, seed: int = 0
) -> Estimate:
    """`L_k(f)` by Monte Carlo over the negatives, with all pairs `(x, x+)` summed exactly."""
    draws = sampled(loss, pair_margins(f, beta), f.negative_weights, k, samples=samples, seed=seed)
    totals = np.asarray(jnp.einsum("c,ci,cj,cijs->s", f.rho, f.weights, f.weights, draws))
    return Estimate(float(totals.mean()), float(totals.std(ddof=1) / samples**0.5), samples)
