"""The population NCE loss at class level: exact for any `k`, and estimated by sampling as a reference.

With class embeddings `U` (C x d, unit rows), Gram matrix `G = U U^T` and `beta = 1 / temperature`,

    L_k(G) = sum_c rho_c E l(beta (1 - G_{c J_1}), ..., beta (1 - G_{c J_k})),   J_i iid ~ rho        [1]

where collisions (`J_i = c`) have margin exactly 0.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.enumeration import enumerated
from theory.expectation.sampling import Estimate, sampled
from theory.float64 import jnp, promoting
from theory.losses import Loss


@promoting
def margins(gram: Float[Array, "C C"], beta: Scalar) -> Float[Array, "C C"]:
    """`beta (1 - G_cj)`, exactly 0 on the diagonal whatever `G_cc` holds."""
    return jnp.where(jnp.eye(gram.shape[-1], dtype=bool), 0.0, beta * (1.0 - gram))


@promoting
def population_loss(
    loss: Loss,
    gram: Float[Array, "C C"],
    rho: Float[Array, " C"],
    k: Scalar,
    beta: Scalar = 1.0,
) -> Float[Array, ""]:
    """The exact `L_k(G)`; for `k = math.inf` the limit of the normalized loss (`loss.normalization`).

    `k` may be real (floats only: the quadrature's error bound holds for integers) and, like `rho` and `beta`, may
    be traced; `math.inf` must be known before compilation. The diagonal of `gram` is taken to be 1.
    """
    v, rho = margins(gram, beta), jnp.asarray(rho)
    if isinstance(k, int | float) and isinstance(beta, int | float):
        loss = loss.specialized(k, beta)
    return rho @ limit_or_expectation(loss, v, rho, k)


@promoting
def limit_or_expectation(
    loss: Loss, v: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar
) -> Float[Array, " rows"]:
    """The loss of rows of margins `v >= 0` whose negatives have these weights; the limit for `k = math.inf`."""
    if isinstance(k, float) and math.isinf(k):
        return loss.limit(v, weights)
    return loss.expected_nonnegative(v, weights, k)


@promoting
def enumerated_loss(
    loss: Loss,
    gram: Float[Array, "C C"],
    rho: Float[Array, " C"],
    k: int,
    beta: Scalar = 1.0,
) -> Float[Array, ""]:
    """`L_k(G)` by summing `l` over all multisets of negatives: the reference for small `C` and `k`."""
    rho = jnp.asarray(rho)
    return rho @ enumerated(loss, margins(gram, beta), rho, k)


@promoting
def sampled_loss(
    loss: Loss,
    gram: Float[Array, "C C"],
    rho: Float[Array, " C"],
    k: int,
    beta: Scalar = 1.0,
    *,
    samples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """`L_k(G)` by Monte Carlo, stratified over the anchors: `samples` draws of `k` negatives for each."""
    rho = jnp.asarray(rho)
    draws = np.asarray(sampled(loss, margins(gram, beta), rho, k, samples=samples, seed=seed))
    # the anchors share their uniforms, so the spread is taken over the weighted sum and not row by row
    weighted = np.asarray(rho) @ draws
    return Estimate(float(weighted.mean()), float(weighted.std(ddof=1) / math.sqrt(samples)), samples)
