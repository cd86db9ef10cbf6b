"""The population NCE loss at class level: exact for any `k`, and estimated by sampling as a reference.

With class embeddings `U` (C x d, unit rows), Gram matrix `G = U U^T` and `beta = 1 / temperature`,

    L_k(G) = sum_c rho_c E l(beta (1 - G_{c J_1}), ..., beta (1 - G_{c J_k})),   J_i iid ~ rho        [1]

where collisions (`J_i = c`) have margin exactly 0; of other objectives (`theory.objectives`) the negatives have a law
that depends on c. Each row of `G` has its own anchor, so that with `E_c` the
expectation of row c, `dL/dG_cj = -beta rho_c dE_c/dv_j` off the diagonal, and the Hessian is one block a row.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, is_numpy, promoting
from theory.expectation.enumeration import enumerated
from theory.expectation.expansion import Expansion
from theory.expectation.exponentials import is_zero
from theory.expectation.pools import Pooled
from theory.expectation.sampling import Estimate, sampled
from theory.losses import Loss
from theory.objectives import NCE, TrainingObjective

#: Side of the tiles of a transposition; not a power of two, whose rows would meet in the same lines of the cache.
_TILE = 100


@promoting
def margins(gram: Float[Array, "*b C C"], beta: Scalar) -> Float[Array, "*b C C"]:
    """`beta (1 - G_cj)`, exactly 0 on the diagonal whatever `G_cc` holds."""
    xp = array_module(gram, beta)
    return xp.where(xp.eye(gram.shape[-1], dtype=bool), 0.0, beta * (1.0 - gram))


@promoting
def population_loss(
    loss: Loss,
    gram: Float[Array, "*b C C"],
    rho: Float[Array, "*r C"],
    k: Scalar,
    beta: Scalar = 1.0,
    objective: TrainingObjective = NCE,
) -> Float[Array, "*b"]:
    """The exact `L_k(G)`; for `k = math.inf` the limit of the normalized loss (`loss.normalization`).

    Arrays of NumPy are computed with in NumPy, without JAX. In JAX, `k` may be traced like `rho` and `beta`; `math.inf`
    must be known before compilation. `k` may be real (floats only: the quadrature's error bound holds for integers).
    The diagonal of `gram` is taken to be 1.
    """
    xp = array_module(gram, rho, k, beta)
    v, rho = margins(xp.asarray(gram), beta), xp.asarray(rho)
    if objective.pool is not None:
        return xp.sum(rho * row_expansion(loss, v, objective.law(rho), k, objective).value, axis=-1)
    return xp.sum(rho * limit_or_expectation(_prepared(loss, k, beta), v, objective.law(rho), k), axis=-1)


@promoting
def limit_or_expectation(
    loss: Loss, v: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar
) -> Float[Array, "*b"]:
    """The loss of rows of margins `v >= 0` whose negatives have these weights; the limit for `k = math.inf`."""
    if isinstance(k, float) and math.isinf(k):
        return loss.limit(v, weights)
    return loss.expected_nonnegative(v, weights, k)


def row_expansion(
    loss: Loss, v: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, objective: TrainingObjective = NCE
) -> Expansion:
    """`limit_or_expectation` as a function of each row of margins, with its derivatives."""
    if objective.pool is not None:
        pools = np.rint((objective.pool - 1) * np.broadcast_to(weights, v.shape)).astype(int)
        return Pooled(loss, np.asarray(v), pools, int(k))
    if isinstance(k, float) and math.isinf(k):
        return loss.limit_expansion(v, weights)
    return loss.expected_expansion_nonnegative(v, weights, k)


class GramExpansion:
    """`L_k` as a function of the Gram matrix, to second order, from the rows' own formulas.

    Attributes:
        value: `L_k(G)`.
        gradient: `dL_k/dG_cj`, row `c` the anchor; 0 on the diagonal, which is fixed.
    """

    @promoting
    def __init__(
        self,
        loss: Loss,
        gram: Float[Array, "*b C C"],
        rho: Float[Array, "*r C"],
        k: Scalar,
        beta: Scalar = 1.0,
        objective: TrainingObjective = NCE,
    ) -> None:
        xp = array_module(gram, rho, k, beta)
        rho = xp.asarray(rho)
        v = margins(xp.asarray(gram), beta)
        rows = row_expansion(_prepared(loss, k, beta), v, objective.law(rho), k, objective)
        self._rows, self._beta = rows, beta
        # what turns slopes in the margins of a row into those in its cosines
        self._scale = xp.where(xp.eye(gram.shape[-1], dtype=bool), 0.0, -beta * rho[..., :, None])
        self.value: Float[Array, "*b"] = xp.sum(rho * rows.value, axis=-1)
        self.gradient: Float[Array, "*b C C"] = self._scale * rows.slopes

    @promoting
    def along(self, change: Float[Array, "*b C C"]) -> Float[Array, "*b C C"]:
        """The derivative of `gradient` as the Gram matrix changes by `change` (whose diagonal is taken to be 0)."""
        xp = array_module(change, self._scale)
        direction = xp.where(xp.eye(change.shape[-1], dtype=bool), 0.0, -self._beta * change)
        return self._scale * self._rows.along(direction)


@promoting
def embeddings_loss(
    loss: Loss, U: Float[Array, "C d"], rho: Float[Array, " C"], k: Scalar, beta: Scalar = 1.0
) -> Float[Array, ""]:
    """`L_k(U U^T)` of class embeddings with unit rows, differentiable in all its arguments in JAX.

    With `A` the gradient in the Gram matrix, the gradient in `U` is `(A + A^T) U`. So value and gradient take two
    products of the size of `U U^T`, where differentiating `population_loss(U @ U.T)` takes three. Rows are not
    normalized: normalize them before, and gradients are projected by themselves.
    """
    if is_numpy(U, rho, k, beta):
        return population_loss(loss, U @ U.T, rho, k, beta)
    from theory.float64 import jnp

    static = isinstance(k, int | float) and (math.isinf(k) or loss.traced)
    loss = _prepared(loss, k, beta)
    traced_k = 0.0 if static else jnp.asarray(k, dtype=float)
    given = (jnp.asarray(U), jnp.asarray(rho), traced_k, jnp.asarray(beta, dtype=float))
    return _embeddings_loss()(loss, k if static else None, *given)


@cache
def _embeddings_loss() -> Any:
    """The loss of embeddings as JAX differentiates it."""
    from functools import partial

    from theory.float64 import jax, jnp

    @partial(jax.custom_jvp, nondiff_argnums=(0, 1))
    def value(loss: Loss, static_k: Any, U: Array, rho: Array, k: Array, beta: Array) -> Array:
        return population_loss(loss, U @ U.T, rho, k if static_k is None else static_k, beta)

    @promoting
    def jvp(loss: Loss, static_k: Any, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
        U, rho, k, beta = primals
        d_U, *others = tangents
        G = U @ U.T
        at = GramExpansion(loss, G, rho, k if static_k is None else static_k, beta)
        tangent = jnp.zeros_like(at.value)
        if not is_zero(d_U):
            tangent += jnp.sum((symmetrized(at.gradient) @ U) * d_U)
        known = [is_zero(d) for d in others]
        if not all(known):

            def of_others(rho: Array, k: Array, beta: Array) -> Array:
                return population_loss(loss, G, rho, k if static_k is None else static_k, beta)

            moved = tuple(
                jnp.zeros_like(p) if zero else d for p, d, zero in zip((rho, k, beta), others, known, strict=True)
            )
            tangent += jax.jvp(of_others, (rho, k, beta), moved)[1]
        return at.value, tangent

    value.defjvp(jvp, symbolic_zeros=True)
    return value


def symmetrized(A: Float[Array, "*b C C"]) -> Float[Array, "*b C C"]:
    """`A + A^T`; compiled, by tiles where `C` is large, since XLA's own loop over a transpose misses the cache."""
    xp, C = array_module(A), A.shape[-1]
    if xp is np or A.ndim > 2 or C <= 2 * _TILE:
        return A + xp.swapaxes(A, -1, -2)
    from theory.float64 import jax, jnp

    tiles = -(-C // _TILE)
    # without the barrier XLA computes every entry of A twice, the second time in the order that misses the cache
    stored = jax.lax.optimization_barrier(A)  # type: ignore[no-untyped-call]
    padded = jnp.pad(stored, ((0, tiles * _TILE - C),) * 2)
    blocks = padded.reshape(tiles, _TILE, tiles, _TILE)
    return (blocks + jnp.transpose(blocks, (2, 3, 0, 1))).reshape(padded.shape)[:C, :C]


@promoting
def enumerated_loss(
    loss: Loss,
    gram: Float[Array, "C C"],
    rho: Float[Array, " C"],
    k: int,
    beta: Scalar = 1.0,
    objective: TrainingObjective = NCE,
) -> Float[Array, ""]:
    """`L_k(G)` by summing `l` over all multisets of negatives: the reference for small `C` and `k`."""
    rho = array_module(gram, rho, beta).asarray(rho)
    return rho @ enumerated(loss, margins(gram, beta), objective.law(rho), k)


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
    draws = np.asarray(sampled(loss, margins(gram, beta), rho, k, samples=samples, seed=seed))
    # the anchors share their uniforms, so the spread is taken over the weighted sum and not row by row
    weighted = np.asarray(rho) @ draws
    return Estimate(float(weighted.mean()), float(weighted.std(ddof=1) / math.sqrt(samples)), samples)


def _prepared(loss: Loss, k: Scalar, beta: Scalar) -> Loss:
    """The loss for this `k` and `beta` where they are known."""
    if isinstance(k, int | float) and isinstance(beta, int | float):
        return loss.specialized(k, beta)
    return loss
