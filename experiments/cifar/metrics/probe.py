"""The linear probe: multinomial logistic regression on frozen features, solved to a stated gradient norm.

    minimize  (1/n) sum_i CE(W h_i + b, y_i) + (l2/2) (|W|_F^2 + |b|^2)        over W (C x d), b (C)

The problem is strongly convex, so its solution does not depend on a start or a seed. With `x = (h, 1)` and
`theta = (W, b)`, its Hessian is at most `I_C x H`, `H = X^T X / (2n) + l2 I` (Boehning 1992). In coordinates
`V = theta L`, `H = L L^T`, that bound is the identity, and L-BFGS needs few steps, however badly scaled the features.
There the Hessian is at least `l2 / |H|`, so that a gradient of norm `g` leaves the objective within
`g^2 |H| / (2 l2)` of its minimum. All in double precision; memory for two arrays of n x (d+1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Array, Float, Int

from theory.float64 import jax, jnp
from verify.results import NOT_IN_JSON

#: The penalty, and the largest norm of the gradient with respect to `V` at which the solution is called converged: for
#: features of norm 1 (`|H| <= 1 + l2`) the objective is then within 5.1e-8 of its minimum.
L2, TOLERANCE = 1e-5, 1e-6

_MAX_ITERATIONS = 3000


@dataclass(frozen=True)
class Probe:
    """A solved probe; it scores features by `H W^T + b`.

    Attributes:
        loss: the objective's value, penalty included.
        gradient_norm: Euclidean norm of the gradient with respect to `V` (module docstring).
    """

    weights: Float[np.ndarray, "C d"] = field(repr=False, metadata=NOT_IN_JSON)
    bias: Float[np.ndarray, " C"] = field(repr=False, metadata=NOT_IN_JSON)
    l2: float
    loss: float
    gradient_norm: float
    iterations: int
    converged: bool

    def scores(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n C"]:
        """`h . w_c + b_c`."""
        return features @ self.weights.T + self.bias


def fit(
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    C: int,
    *,
    l2: float = L2,
    tolerance: float = TOLERANCE,
) -> Probe:
    """Solve the probe on these features."""
    from scipy.optimize import minimize

    d = features.shape[1]
    target, p = jnp.asarray(labels), d + 1
    rotated, factor, penalty = _coordinates(jnp.asarray(features), l2)

    def objective(flat: Float[np.ndarray, " Cp"]) -> tuple[float, Float[np.ndarray, " Cp"]]:
        value, gradient = _value_and_gradient(jnp.asarray(flat.reshape(C, p)), rotated, target, penalty)
        return float(value), np.asarray(gradient).ravel()

    # gtol bounds the largest entry of the gradient, the tolerance its norm
    found = minimize(
        objective,
        np.zeros(C * p),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MAX_ITERATIONS, "maxcor": 20, "ftol": 0.0, "gtol": tolerance / math.sqrt(C * p)},
    )
    norm = float(np.linalg.norm(found.jac))
    theta = np.asarray(jax.scipy.linalg.solve_triangular(factor, found.x.reshape(C, p).T, lower=True, trans="T").T)
    return Probe(theta[:, :d], theta[:, d], l2, float(found.fun), norm, int(found.nit), norm <= tolerance)


@jax.jit
def _coordinates(
    features: Float[Array, "n d"], l2: Float[Array, ""] | float
) -> tuple[Float[Array, "n p"], Float[Array, "p p"], Float[Array, "p p"]]:
    """`Y = X L^-T`, `L`, and `B = l2 L^-1 L^-T`: scores are `Y V^T`, the penalty is `tr(V B V^T) / 2`."""
    n, d = features.shape
    X = jnp.concatenate([features.astype(jnp.float64), jnp.ones((n, 1))], axis=1)
    L = jnp.linalg.cholesky(X.T @ X / (2 * n) + l2 * jnp.eye(d + 1))
    inverse = jax.scipy.linalg.solve_triangular(L, jnp.eye(d + 1), lower=True)
    return X @ inverse.T, L, l2 * inverse @ inverse.T


@jax.jit
def _value_and_gradient(
    V: Float[Array, "C p"], Y: Float[Array, "n p"], labels: Int[Array, " n"], B: Float[Array, "p p"]
) -> tuple[Float[Array, ""], Float[Array, "C p"]]:
    def objective(V: Float[Array, "C p"]) -> Float[Array, ""]:
        scores = Y @ V.T
        own = jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(scores, axis=1) - own) + jnp.sum((V @ B) * V) / 2

    return jax.value_and_grad(objective)(V)
