"""How fast the downstream loss of the minimizer changes with `k`, for real `k`, by implicit differentiation.

At the minimizer `U(k)` the Riemannian gradient vanishes, `P grad L_k(U) = 0` (`P` the projection to the tangent
spaces of the spheres), so that with `D = diag(<u_c, grad_c>)`

    P (H - D) P  dU/dk = -P d(grad L_k)/dk        (solved by least squares: rotations are in the kernel)

and, the best classifier being a minimizer over a set that does not depend on `U` (Danskin's theorem),

    dL_sup/dk = < dL(U, W*)/dU, dU/dk >           (derived).

In floats only: nothing is proved at real `k`. It is not defined where the rank of the minimizer changes.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from theory.downstream import loss_of_scores
from theory.float64 import jax, jnp
from theory.losses import Loss
from theory.population import population_loss
from verify.optimize.means import GroupedLoss
from verify.optimize.solution import minimize
from verify.supervised.head import GroupedHead

#: Singular values of the Hessian below this, relative to the largest, are taken for its kernel.
_KERNEL = 1e-9


class Slope(NamedTuple):
    """The downstream loss at the minimizer of `L_k`, and its derivative in `k`."""

    sup: float
    slope: float


def slope_in_k(
    loss: Loss,
    rho: Float[np.ndarray, " C"],
    k: int | float,
    weights: Float[np.ndarray, " C"],
    *,
    classifier: str = "optimal",
    beta: int | float = 1.0,
) -> Slope:
    """`L_sup` and `dL_sup/dk` at a real `k > 1`; `weights` is the test distribution.

    The loss is one of `verify.certify.losses`.
    """
    ones = np.ones(len(rho))
    U = minimize(GroupedLoss(rho, ones, loss.name, k, float(beta))).ends[0].start.U
    at = GroupedHead(loss.name, U, ones, weights, float(beta))
    if classifier == "mean":
        W, sup = U, at.loss_of(at.cosines() - 1)
    else:
        best = at.solve()
        W, sup = best.x, best.value
    gradient, mixed, hessian, pull = _derivatives(U, W, rho, k, beta, weights, loss=loss, mean=classifier == "mean")
    C, d = U.shape
    tangent = np.zeros((C * d, C * d))
    for c in range(C):
        block = slice(c * d, (c + 1) * d)
        tangent[block, block] = np.eye(d) - np.outer(U[c], U[c])
    curvature = np.repeat(np.sum(U * np.asarray(gradient), axis=1), d)
    system = tangent @ (np.asarray(hessian).reshape(C * d, C * d) - np.diag(curvature)) @ tangent
    velocity = np.linalg.lstsq(system, -tangent @ np.asarray(mixed).reshape(-1), rcond=_KERNEL)[0]
    return Slope(sup, float(np.asarray(pull).reshape(-1) @ velocity))


@partial(jax.jit, static_argnames=("loss", "mean"))
def _derivatives(
    U: Float[Array, "C d"],
    W: Float[Array, "C d"],
    rho: Float[Array, " C"],
    k: Float[Array, ""] | float,
    beta: Float[Array, ""] | float,
    weights: Float[Array, " C"],
    *,
    loss: Loss,
    mean: bool,
) -> tuple[Float[Array, "C d"], Float[Array, "C d"], Float[Array, "C d C d"], Float[Array, "C d"]]:
    """Gradient of `L_k` in `U`, its derivative in `k`, the Hessian, and the gradient of the downstream loss in `U`."""

    def nce(U: Float[Array, "C d"], k: Float[Array, ""] | float) -> Float[Array, ""]:
        return jnp.asarray(population_loss(loss, U @ U.T, rho, k, beta))

    def downstream(U: Float[Array, "C d"]) -> Float[Array, ""]:
        return jnp.asarray(loss_of_scores(loss, U @ (U if mean else W).T, np.arange(len(rho)), weights, beta))

    gradient = jax.grad(nce)
    mixed: Float[Array, "C d"] = jax.jacfwd(gradient, argnums=1)(U, k)
    hessian: Float[Array, "C d C d"] = jax.jacfwd(gradient)(U, k)
    return gradient(U, k), mixed, hessian, jax.grad(downstream)(U)
