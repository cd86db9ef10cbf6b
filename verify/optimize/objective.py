"""The population loss as a function of embeddings, batched over starts, with first and second derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.compiled import runner
from theory.groups import group_rows
from theory.losses import Loss
from theory.objectives import NCE, TrainingObjective
from theory.population import GramExpansion, row_expansion, symmetrized

#: Up to this many classes the Hessian-vector product is cheaper than a second compiled function without it.
_ALWAYS_BOTH = 64

#: Evaluations of a search on the sphere, a Hessian-vector product counted twice, and of the convex program (typical).
_SEARCH_EVALUATIONS = 600
_PROGRAM_EVALUATIONS = 20


class Objective:
    """`U -> L_k(U U^T)` for a batch of embeddings, in double precision, in NumPy or compiled (`theory.compiled`).

    One function gives the value, the gradient and (for many classes: if asked for) a Hessian-vector product; compiled,
    problems of the same shape and resolution (`Loss.specialized`) share it. Value and gradient cost two products of the
    size of `U U^T` and little more, the Hessian-vector product three. Where a batch of priors is given, start `i`
    belongs to prior `i`.

    Attributes:
        evaluations: how many times a whole batch was evaluated.
    """

    def __init__(
        self,
        loss: Loss,
        rho: Float[np.ndarray, "*b C"],
        k: int | float,
        beta: int | float = 1.0,
        objective: TrainingObjective = NCE,
    ) -> None:
        self._rho = np.asarray(rho, dtype=float)
        self._loss, self._k, self._beta = loss.specialized(k, beta), k, float(beta)
        self._static = _static(self._loss, k, objective)
        self.evaluations = 0

    def __call__(
        self, U: Float[np.ndarray, "s C d"], V: Float[np.ndarray, "s C d"] | None = None
    ) -> tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C d"], Float[np.ndarray, "s C d"]]:
        """Values, Euclidean gradients, and Hessians applied to `V` (0 if none is given)."""
        self.evaluations += 1
        run = runner(_evaluate, len(U) * U.shape[1] ** 2, _SEARCH_EVALUATIONS, traced=self._loss.traced)
        direction = np.zeros_like(U) if V is None and U.shape[1] <= _ALWAYS_BOTH else V
        found = run(U, direction, self._rho, float(self._k), self._beta, **self._static)
        value, gradient, product = (*found, np.zeros_like(U))[:3]
        return value, gradient, product


def _static(loss: Loss, k: int | float, objective: TrainingObjective) -> dict[str, Any]:
    # a loss that enumerates needs k before compilation, and so does the limit
    return {"loss": loss, "static_k": k if math.isinf(k) or loss.traced else None, "objective": objective}


def _evaluate(
    U: Float[Array, "s C d"],
    V: Float[Array, "s C d"] | None,
    rho: Float[Array, "*r C"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: int | float | None,
    objective: TrainingObjective,
) -> tuple[Array, ...]:
    """With `A` the symmetric gradient: `L`, `2 A U`, and `2 A V + 2 A'[U V^T + V U^T] U`."""
    if len(U) == 1:
        # a batch of one costs a tenth more than none
        rho = rho[0] if rho.ndim == 2 else rho
        found = _evaluate_batch(U[0], None if V is None else V[0], rho, k, beta, loss, static_k, objective)
        return tuple(array[None] for array in found)
    return _evaluate_batch(U, V, rho, k, beta, loss, static_k, objective)


def _evaluate_batch(
    U: Float[Array, "*s C d"],
    V: Float[Array, "*s C d"] | None,
    rho: Float[Array, "*r C"],
    k: Scalar,
    beta: Scalar,
    loss: Loss,
    static_k: int | float | None,
    objective: TrainingObjective,
) -> tuple[Array, ...]:
    xp = array_module(U)
    G = U @ xp.swapaxes(U, -1, -2)
    at = GramExpansion(loss, G, rho, k if static_k is None else static_k, beta, objective)
    A = symmetrized(at.gradient)
    if V is None:
        return at.value, A @ U
    change = symmetrized(at.along(symmetrized(V @ xp.swapaxes(U, -1, -2))))
    return at.value, A @ U, A @ V + change @ U


def _gram_gradient(
    G: Float[Array, "*b C C"],
    rho: Float[Array, "*r C"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: int | float | None,
    objective: TrainingObjective,
) -> tuple[Float[Array, "*b"], Float[Array, "*b C C"]]:
    at = GramExpansion(loss, G, rho, k if static_k is None else static_k, beta, objective)
    return at.value, at.gradient


def gram_value_and_gradient(
    loss: Loss,
    G: Float[np.ndarray, "C C"],
    rho: Float[np.ndarray, " C"],
    k: int | float,
    beta: int | float = 1.0,
    objective: TrainingObjective = NCE,
) -> tuple[float, Float[np.ndarray, "C C"]]:
    """`L_k(G)` and `dL_k/dG_cj` (row `c` is the anchor; 0 on the diagonal, which is fixed)."""
    value, gradient = gram_values_and_gradients(loss, G, rho, k, beta, objective)
    return float(value), gradient


def gram_values_and_gradients(
    loss: Loss,
    G: Float[np.ndarray, "*b C C"],
    rho: Float[np.ndarray, "*r C"],
    k: int | float,
    beta: int | float = 1.0,
    objective: TrainingObjective = NCE,
) -> tuple[Float[np.ndarray, "*b"], Float[np.ndarray, "*b C C"]]:
    """`gram_value_and_gradient` for a batch of Gram matrices and priors, at one `k`."""
    specialized = loss.specialized(k, beta)
    run = runner(_gram_gradient, np.size(G), _PROGRAM_EVALUATIONS, traced=loss.traced)
    value, gradient = run(G, rho, float(k), float(beta), **_static(specialized, k, objective))
    return np.asarray(value), gradient


def _grouped_gradient(
    cosines: Float[Array, "m m"],
    rho: Float[Array, " m"],
    counts: Float[Array, " m"],
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: int | float | None,
    objective: TrainingObjective,
) -> tuple[Float[Array, ""], Float[Array, "m m"]]:
    xp, m = array_module(cosines), len(cosines)
    atoms = group_rows(cosines, rho, counts, beta, objective)
    rows = row_expansion(loss, *atoms, k if static_k is None else static_k)
    others = counts - xp.eye(m)  # of each group, for one anchor
    slopes = xp.where(others > 0, rows.slopes[:, :m] / xp.maximum(others, 1.0), 0.0)
    return (rho * counts) @ rows.value, -beta * rho[:, None] * slopes


def grouped_value_and_gradient(
    loss: Loss,
    cosines: Float[np.ndarray, "m m"],
    rho: Float[np.ndarray, " m"],
    counts: Float[np.ndarray, " m"],
    k: int | float,
    beta: int | float = 1.0,
    objective: TrainingObjective = NCE,
) -> tuple[float, Float[np.ndarray, "m m"]]:
    """The same in groups of equal classes: `L_k`, and its derivative in the cosine of one pair of classes.

    `cosines` are those between groups and, on the diagonal, within them (`theory.groups`), `rho` is the mass of one
    class of each group. The derivative is 0 on the diagonal for a group of one.
    """
    specialized = loss.specialized(k, beta)
    run = runner(_grouped_gradient, np.size(cosines), _PROGRAM_EVALUATIONS, traced=loss.traced)
    value, gradient = run(cosines, rho, counts, float(k), float(beta), **_static(specialized, k, objective))
    return float(value), np.asarray(gradient)
