"""The exact population loss of a representation on points."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, promoting
from theory.expectation.enumeration import enumerated
from theory.expectation.sampling import Estimate, sampled
from theory.losses import Loss
from theory.points.representation import Representation


@promoting
def pair_margins(f: Representation, beta: Scalar = 1.0) -> Float[Array, "n n n"]:
    """`beta f(x)^T (f(x+) - f(x-))` for every anchor, positive and negative; 0 where `x- = x+`."""
    cosines = f.embeddings @ f.embeddings.T
    return beta * (cosines[:, :, None] - cosines[:, None, :])


@promoting
def anchor_losses(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Float[Array, "*b C"]:
    """The loss given the anchor's class: `E l(beta f(x)^T (f(x+) - f(x-_i)))`, `x, x+ ~ D_c`, `x-_i ~ D` iid.

    The embeddings may be a batch of them, (..., n, d), of points with the same labels and weights.
    """
    xp = array_module(*f)
    cosines = f.embeddings @ xp.swapaxes(f.embeddings, -1, -2)
    n = cosines.shape[-1]
    if isinstance(k, int | float) and isinstance(beta, int | float):
        loss = loss.resolved(k, beta)
    positives = xp.broadcast_to(f.positive_weights, cosines.shape).reshape(-1, n)
    given_anchor = loss.expected_over_positives(cosines.reshape(-1, n), positives, f.negative_weights, k, beta)
    return given_anchor.reshape(cosines.shape[:-1]) @ f.laws


@promoting
def points_loss(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Float[Array, "*b"]:
    """`L_k(f) = sum_c rho_c E[l | c]`, exact for every loss whose `expected` is (logistic: one integral an anchor).

    Where `k` and `beta` are traced, `loss` must be `resolved` for them.
    """
    return anchor_losses(loss, f, k, beta) @ f.rho


@promoting
def enumerated_points_loss(loss: Loss, f: Representation, k: int, beta: float = 1.0) -> Float[Array, ""]:
    """`L_k(f)` by summing `l` over all multisets of negatives: the reference for few points and small `k`."""
    given_pair = enumerated(loss, pair_margins(f, beta), f.negative_weights, k)
    xp = array_module(given_pair)
    return xp.einsum("i,ip,ip->", f.negative_weights, f.positive_weights, given_pair)


@promoting
def sampled_points_loss(
    loss: Loss, f: Representation, k: int, beta: float = 1.0, *, samples: int = 10_000, seed: int = 0
) -> Estimate:
    """`L_k(f)` by Monte Carlo over the negatives, with all pairs `(x, x+)` summed exactly."""
    draws = sampled(loss, pair_margins(f, beta), f.negative_weights, k, samples=samples, seed=seed)
    totals = np.asarray(array_module(draws).einsum("i,ip,ips->s", f.negative_weights, f.positive_weights, draws))
    return Estimate(float(totals.mean()), float(totals.std(ddof=1) / samples**0.5), samples)
