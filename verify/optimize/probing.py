r"""How far the embeddings of many classes are from the minimizer: the error estimate where no Hessian is factorized.

As in `verify.optimize.graded` the last residual and its rounding errors are solved against the Hessian, here by
conjugate gradients on its products, in the metric of the masses. Rounding errors are as good as random: with
independent normal ones of their size, the solution has the covariance of what they do to the minimizer, so that a few
draws tell its size in each row (derived; an estimate in this sense too). Coordinates are not graded, so that pairs of
very rare classes are not told apart from rounding; their estimate is large, and that is what it is for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from theory.losses import Loss
from theory.objectives import NCE, TrainingObjective
from verify import limits
from verify.optimize.graded import ROUNDING
from verify.optimize.objective import Objective, gram_value_and_gradient

Array = np.ndarray
_DRAWS = 3
_STEPS = 4
_ITERATIONS = 400
#: Relative residuals of a Newton step, and of a draw, of which two digits are enough.
_NEWTON, _DRAW = 1e-3, 1e-2
_ZERO, _POSITIVE = 1e-11, 1e-9


def polish_and_probe(
    loss: Loss,
    rho: Float[Array, " C"],
    k: int | float,
    beta: float,
    U: Float[Array, "C d"],
    *,
    seed: int = 0,
    objective: TrainingObjective = NCE,
) -> tuple[Float[Array, "C d"], Float[Array, " C"] | None]:
    """Newton steps from U until they stall, and the estimated distance of each row from the minimizer's.

    None where nothing is known: the steps do not converge, the dual slack is not positive across the span of U, or
    there are more than `PROBED_CLASSES`.
    """
    if len(rho) > limits.PROBED_CLASSES:
        return U, None
    evaluate = Objective(loss, rho, k, beta, objective)
    previous = np.inf
    for _ in range(_STEPS):
        solve, residual = _system(evaluate, rho, U)
        move = solve(residual, _NEWTON)
        size = float(np.max(np.linalg.norm(move, axis=1)))
        if not np.isfinite(size) or size >= previous / 2:
            break
        U, previous = U + move, size
        U = U / np.linalg.norm(U, axis=1, keepdims=True)
    gradient = gram_value_and_gradient(loss, U @ U.T, rho, k, beta, objective)[1]
    if not previous < 1e-3 or not _is_strict(gradient, rho, U):
        return U, None
    solve, residual = _system(evaluate, rho, U)
    errors = np.linalg.norm(solve(residual, _DRAW), axis=1)
    size_of = (np.abs(gradient) + np.abs(gradient.T)) @ np.abs(U)
    rng = np.random.default_rng(seed)
    noise = [np.linalg.norm(solve(ROUNDING * size_of * rng.normal(size=U.shape), _DRAW), axis=1) for _ in range(_DRAWS)]
    errors = errors + 3 * np.max(noise, axis=0) + float(np.finfo(float).eps)
    return U, errors if np.all(np.isfinite(errors)) and errors.max() < 1e-3 else None


def _system(
    evaluate: Objective, rho: Float[Array, " C"], U: Float[Array, "C d"]
) -> tuple[Callable[[Float[Array, "C d"], float], Float[Array, "C d"]], Float[Array, "C d"]]:
    """A solver `(right, tolerance) -> -H^-1 right` with the Riemannian Hessian at U, and the Riemannian gradient."""
    _, gradient, _ = evaluate(U[None])
    curvature = np.sum(U * gradient[0], axis=1, keepdims=True)
    root, weighted = np.sqrt(rho)[:, None], rho[:, None] * U

    def tangent(V: Float[Array, "C d"]) -> Float[Array, "C d"]:
        return V - U * np.sum(U * V, axis=1, keepdims=True)

    def product(x: Float[Array, "C d"]) -> Float[Array, "C d"]:
        V = x / root
        # the kernel is that of the rotations: on them, and only there, what is added is definite
        turn = weighted.T @ V
        image = evaluate(U[None], V[None])[2][0] - curvature * V + 2 * weighted @ (turn - turn.T)
        return tangent(image) / root

    def solve(right: Float[Array, "C d"], tolerance: float) -> Float[Array, "C d"]:
        r = -tangent(right) / root
        x, p, squared = np.zeros_like(r), r.copy(), float(np.sum(r * r))
        target = tolerance**2 * squared
        for _ in range(_ITERATIONS):
            if squared <= target:
                break
            q = product(p)
            bend = float(np.sum(p * q))
            if bend <= 0:  # a saddle, or rounding
                return np.full_like(r, np.nan)
            x, r = x + squared / bend * p, r - squared / bend * q
            squared, before = float(np.sum(r * r)), squared
            p = r + squared / before * p
        return x / root

    return solve, tangent(gradient[0])


def _is_strict(gradient: Float[Array, "C C"], rho: Float[Array, " C"], U: Float[Array, "C d"]) -> bool:
    """Whether the dual slack is positive semidefinite, and positive across the span of U, to rounding."""
    A = (gradient + gradient.T) / 2
    slack = A - np.diag(np.sum(A * (U @ U.T), axis=1))
    eigenvalues = np.linalg.eigvalsh(slack / np.sqrt(np.outer(rho, rho)))
    r = int(np.sum(np.linalg.svd(U, compute_uv=False) > 1e-6))
    return bool(eigenvalues[0] >= -_ZERO and np.all(eigenvalues[r:] >= _POSITIVE))
