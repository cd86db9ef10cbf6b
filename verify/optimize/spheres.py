"""A batched Riemannian trust-region method on products of spheres.

Each start is a point `U` (C x d, unit rows). The model is minimized by preconditioned truncated conjugate
gradients (Steihaug's method; Absil, Baker & Gallivan 2007); all starts advance together, so that one compiled
evaluation serves them all, and each stops for a reason of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
from jaxtyping import Bool, Float

from theory.geometry import normalized

Evaluate = Callable[
    [Float[np.ndarray, "s C d"], Float[np.ndarray, "s C d"] | None],
    tuple[Float[np.ndarray, " s"], Float[np.ndarray, "s C d"], Float[np.ndarray, "s C d"]],
]


class Stop(Enum):
    """Why a start stopped; the value says it in words."""

    GRADIENT = "the Riemannian gradient is below the tolerance"
    GAP = "the duality gap is below the tolerance"
    PRECISION = "rounding hides any further descent"
    ITERATIONS = "the iteration limit was reached; raise it, or look at another start"
    NOT_FINITE = "the loss is not finite here; the problem is out of range for double precision"


@dataclass(frozen=True)
class Run:
    """What became of one start.

    Attributes:
        embeddings: the last point, C x d with unit rows.
        value: the loss there.
        gradient_norm: `max_c |grad_c| / rho_c`, the Riemannian gradient relative to each row's weight.
        iterations: trust-region steps taken, rejected ones included.
        stop: why it stopped.
    """

    embeddings: Float[np.ndarray, "C d"]
    value: float
    gradient_norm: float
    iterations: int
    stop: Stop

    @property
    def converged(self) -> bool:
        """Whether this is a critical point to double precision."""
        return self.stop in (Stop.GRADIENT, Stop.GAP) or (self.stop is Stop.PRECISION and self.gradient_norm < 1e-6)


def random_starts(starts: int, C: int, d: int, seed: int) -> Float[np.ndarray, "s C d"]:
    """Independent uniform points on the product of spheres."""
    return normalized(np.random.default_rng(seed).normal(size=(starts, C, d)))


def minimize(
    evaluate: Evaluate,
    starts: Float[np.ndarray, "s C d"],
    weights: Float[np.ndarray, "*s C"],
    *,
    tolerance: float = 1e-12,
    max_iterations: int = 500,
    on_iteration: Callable[[int, int], None] | None = None,
    is_closed: Callable[[Float[np.ndarray, "C d"]], bool] | None = None,
) -> list[Run]:
    """Minimize from every start; one `Run` each, in the order of the starts.

    Args:
        evaluate: values, Euclidean gradients and Hessian-vector products of a batch (`Objective`).
        starts: points with unit rows.
        weights: scale of each row's gradient (the prior): the preconditioner, and the unit of `tolerance`.
        tolerance: bound on `max_c |grad_c| / rho_c` at which a start has converged.
        max_iterations: trust-region steps allowed.
        on_iteration: called after every step with its number and how many starts are still running.
        is_closed: whether a point's duality gap is small enough to stop at; asked of every point but the first.
    """
    s = len(starts)
    scale = np.broadcast_to(weights, starts.shape[:2])[..., None]
    U = normalized(starts)
    value, gradient, _ = evaluate(U, None)
    riemannian = _tangent(U, gradient)
    radius = np.full(s, 1.0)
    max_radius = 4.0
    iterations = np.zeros(s, dtype=int)
    hopeless, accept = np.zeros(s, dtype=bool), np.zeros(s, dtype=bool)
    stops: list[Stop | None] = [None] * s

    for iteration in range(max_iterations + 1):
        residual = np.max(np.linalg.norm(riemannian / scale, axis=-1), axis=-1)
        for i in range(s):
            if stops[i] is None:
                stops[i] = _reason(value[i], residual[i], tolerance, bool(hopeless[i]))
            if stops[i] in (None, Stop.GRADIENT) and is_closed is not None and accept[i] and is_closed(U[i]):
                stops[i] = Stop.GAP
        running = np.array([stop is None for stop in stops])
        if on_iteration is not None:
            on_iteration(iteration, int(running.sum()))
        if not running.any() or iteration == max_iterations:
            break
        step, decrease, at_boundary = _truncated_cg(evaluate, U, gradient, riemannian, scale, radius, running)
        trial = np.where(running[:, None, None], normalized(U + step), U)
        trial_value, trial_gradient, _ = evaluate(trial, None)
        trial_riemannian = _tangent(trial, trial_gradient)
        # near the optimum rounding spoils the ratio: there a step is as good as the gradient it leaves
        noise = 1024 * np.finfo(float).eps * np.maximum(1.0, np.abs(value))
        fell = _norm(trial_riemannian, scale) < _norm(riemannian, scale)
        ratio = np.where(
            decrease > noise,
            (value - trial_value) / np.maximum(decrease, noise),
            np.where(fell & (trial_value - value <= noise), 1.0, -1.0),
        )
        accept = running & (ratio > 0.1) & np.isfinite(trial_value)
        # a step that ended inside of the region would be found again in one that still holds it
        length = np.sqrt(_inner(step, scale * step))
        radius = np.where(running & (ratio < 0.25), np.minimum(radius, length) / 4, radius)
        radius = np.where(running & (ratio > 0.75) & at_boundary, np.minimum(2 * radius, max_radius), radius)
        # what a rejected step promised could not have been seen, or the region has shrunk to nothing
        hopeless = running & ~accept & ((decrease <= noise) | (radius < 1e-12))
        iterations += running
        chosen = accept[:, None, None]
        U = np.where(chosen, trial, U)
        value = np.where(accept, trial_value, value)
        gradient = np.where(chosen, trial_gradient, gradient)
        riemannian = np.where(chosen, trial_riemannian, riemannian)

    return [
        Run(U[i], float(value[i]), float(residual[i]), int(iterations[i]), stops[i] or Stop.ITERATIONS)
        for i in range(s)
    ]


def _reason(value: float, residual: float, tolerance: float, hopeless: bool) -> Stop | None:
    if not (np.isfinite(value) and np.isfinite(residual)):
        return Stop.NOT_FINITE
    if residual <= tolerance:
        return Stop.GRADIENT
    return Stop.PRECISION if hopeless else None


def _tangent(U: Float[np.ndarray, "s C d"], V: Float[np.ndarray, "s C d"]) -> Float[np.ndarray, "s C d"]:
    return V - U * np.sum(U * V, axis=-1, keepdims=True)


def _inner(V: Float[np.ndarray, "s C d"], W: Float[np.ndarray, "s C d"]) -> Float[np.ndarray, " s"]:
    return np.einsum("scd,scd->s", V, W)


def _norm(V: Float[np.ndarray, "s C d"], scale: Float[np.ndarray, "s C 1"]) -> Float[np.ndarray, " s"]:
    return np.sqrt(_inner(V, V / scale))


def _truncated_cg(
    evaluate: Evaluate,
    U: Float[np.ndarray, "s C d"],
    gradient: Float[np.ndarray, "s C d"],
    riemannian: Float[np.ndarray, "s C d"],
    scale: Float[np.ndarray, "s C 1"],
    radius: Float[np.ndarray, " s"],
    running: Bool[np.ndarray, " s"],
) -> tuple[Float[np.ndarray, "s C d"], Float[np.ndarray, " s"], Bool[np.ndarray, " s"]]:
    """Steihaug's method in the norm `|V|^2 = sum_c rho_c |V_c|^2`: the step, the model's decrease, and whether the
    step ends on the boundary of the trust region."""
    curvature = np.sum(U * gradient, axis=-1, keepdims=True)

    def hessian(V: Float[np.ndarray, "s C d"]) -> Float[np.ndarray, "s C d"]:
        return _tangent(U, evaluate(U, V)[2] - curvature * V)

    step = np.zeros_like(U)
    hessian_step = np.zeros_like(U)
    residual = riemannian.copy()
    preconditioned = residual / scale
    direction = -preconditioned
    squared = _inner(residual, preconditioned)
    start = np.sqrt(squared)
    # superlinear near the optimum, loose far from it; past four digits a step would follow rounding errors into the
    # directions of rotation, which have no curvature
    target = start * np.clip(start, 1e-4, 0.1)
    active = running & (start > 0)
    at_boundary = np.zeros(len(U), dtype=bool)
    for _ in range(min(U.shape[1] * U.shape[2], 300)):
        if not active.any():
            break
        product = hessian(direction)
        bend = _inner(direction, product)
        alpha = squared / np.where(bend > 0, bend, np.inf)
        long = _inner(step + alpha[:, None, None] * direction, scale * (step + alpha[:, None, None] * direction))
        leave = active & ((bend <= 0) | ~(long < radius**2))
        tau = _to_boundary(step, direction, scale, radius)
        length = np.where(leave, tau, alpha)
        length = np.where(active, length, 0.0)[:, None, None]
        step = step + length * direction
        hessian_step = hessian_step + length * product
        at_boundary |= leave
        active = active & ~leave
        residual = np.where(active[:, None, None], _tangent(U, residual + length * product), residual)
        preconditioned = residual / scale
        previous, squared = squared, np.where(active, _inner(residual, preconditioned), squared)
        active = active & (np.sqrt(squared) > target)
        ratio = np.where(active, squared / np.where(previous > 0, previous, 1.0), 0.0)
        direction = np.where(active[:, None, None], -preconditioned + ratio[:, None, None] * direction, direction)
    decrease = -_inner(riemannian, step) - _inner(step, hessian_step) / 2
    return step, decrease, at_boundary


def _to_boundary(
    step: Float[np.ndarray, "s C d"],
    direction: Float[np.ndarray, "s C d"],
    scale: Float[np.ndarray, "s C 1"],
    radius: Float[np.ndarray, " s"],
) -> Float[np.ndarray, " s"]:
    """The positive root `tau` of `|step + tau direction| = radius`."""
    a = np.maximum(_inner(direction, scale * direction), np.finfo(float).tiny)
    b = _inner(step, scale * direction)
    c = _inner(step, scale * step) - radius**2
    return (-b + np.sqrt(np.maximum(b * b - a * c, 0.0))) / a
