"""The exact population loss of a representation on points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, promoting
from theory.expectation.enumeration import enumerated
from theory.expectation.sampling import Estimate, sampled
from theory.float64 import jnp
from theory.losses import Loss
from theory.points.representation import Representation


@promoting
def pair_margins(f: Representation, beta: Scalar = 1.0) -> Float[Array, "n n n"]:
    """`beta f(x)^T (f(x+) - f(x-))` for every anchor, positive and negative; 0 where `x- = x+`."""
    cosines = jnp.asarray(f.embeddings @ f.embeddings.T)
    return beta * (cosines[:, :, None] - cosines[:, None, :])


@promoting
def anchor_losses(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Float[Array, " C"]:
    """The loss given the anchor's class: `E l(beta f(x)^T (f(x+) - f(x-_i)))`, `x, x+ ~ D_c`, `x-_i ~ D` iid."""
    cosines = jnp.asarray(f.embeddings @ f.embeddings.T)
    if isinstance(k, int | float) and isinstance(beta, int | float):
        loss = loss.resolved(k, beta)
    given_anchor = loss.expected_over_positives(cosines, f.positive_weights, f.negative_weights, k, beta)
    return given_anchor @ f.laws


@promoting
def points_loss(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Float[Array, ""]:
    """`L_k(f) = sum_c rho_c E[l | c]`, exact for every loss whose `expected` is (logistic: one integral an anchor).

    Where `k` and `beta` are traced, `loss` must be `resolved` for them.
    """
    return jnp.asarray(f.rho) @ anchor_losses(loss, f, k, beta)


@promoting
def enumerated_points_loss(loss: Loss, f: Representation, k: int, beta: float = 1.0) -> Float[Array, ""]:
    """`L_k(f)` by summing `l` over all multisets of negatives: the reference for few points and small `k`."""
    given_pair = enumerated(loss, pair_margins(f, beta), f.negative_weights, k)
    return jnp.einsum("i,ip,ip->", f.negative_weights, f.positive_weights, given_pair)


@promoting
def sampled_points_loss(
    loss: Loss, f: Representation, k: int, beta: float = 1.0, *, samples: int = 10_000, seed: int = 0
) -> Estimate:
    """`L_k(f)` by Monte Carlo over the negatives, with all pairs `(x, x+)` summed exactly."""
    draws = sampled(loss, pair_margins(f, beta), f.negative_weights, k, samples=samples, seed=seed)
    totals = np.asarray(jnp.einsum("i,ip,ips->s", f.negative_weights, f.positive_weights, draws))
    return Estimate(float(totals.mean()), float(totals.std(ddof=1) / samples**0.5), samples)
