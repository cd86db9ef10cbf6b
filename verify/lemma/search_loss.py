"""A search for a loss that breaks the averaging step of [1, Lemma 1].

The step claims `E_x*[L(f_x*)] <= L(f)` for every strictly convex, symmetric, coordinatewise decreasing loss
(`theory.points.averaging` holds the argument, and where it needs submodularity), and concludes that some point `x*` of
the class does not lose. The search moves everything at once (points, weights, prior, and the parameters of the loss,
`theory.points.mixture`) by L-BFGS from random starts, in floats; what it finds is rounded to rationals, and then
enclosed (`verify.lemma.averaging_excess`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from theory.arrays import Array
from theory.float64 import jax, jnp
from theory.losses import Custom
from theory.points.averaging import averaging_margins
from theory.points.mixture import Mixture, mixture
from theory.points.representation import Representation
from verify.lemma.averaging_excess import Candidate, Counterexample, enclose_excess, margins

# Wide enough for any geometry, and for the average narrow enough that exponentials keep a moderate size.
_POINT_BOUND = 2.0
_LOGIT_BOUND = {False: 2.0, True: 3.0}
_RATE_BOUNDS = {False: (-1.5, 1.1), True: (-1.5, 2.0)}
_MIN_RELATIVE_EXCESS = 1e-6


def search(
    *,
    C: int = 2,
    k: int = 2,
    points: int = 2,
    d: int = 2,
    seed: int = 0,
    minutes: float | int = 5,
    every_point: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Counterexample | None:
    """Search until a counterexample is proved, or the time is up (None).

    With `every_point`, one on which no single point `x*` does as well as `f`. `progress` is called after every start
    with a line of text.
    """
    begin = time.perf_counter()
    stream = candidates(C=C, k=k, points=points, d=d, seed=seed, every_point=every_point)
    for number, (candidate, excess) in enumerate(stream, start=1):
        if progress is not None:
            progress(f"start {number}: relative excess {excess:.2g}")
        if excess > _MIN_RELATIVE_EXCESS:
            lower, upper = enclose_excess(candidate, every_point=every_point)
            if lower > 0:
                value, _, best = margins(candidate)
                seconds = time.perf_counter() - begin
                return Counterexample(candidate, every_point, lower, upper, value, best, number, seconds)
        if time.perf_counter() - begin > 60 * minutes:
            return None
    return None


def candidates(
    *, C: int, k: int, points: int, d: int, seed: int, every_point: bool = False
) -> Iterator[tuple[Candidate, float]]:
    """An endless stream of local optima of the relative excess, rounded, with their excess after rounding."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    shape = (C, points, d, k)
    n_points, n_logits = C * points * (d - 1), C * points + C + 3
    widest = _LOGIT_BOUND[every_point]
    bounds = (
        [(-_POINT_BOUND, _POINT_BOUND)] * n_points + [(-widest, widest)] * n_logits + [_RATE_BOUNDS[every_point]] * 2
    )

    def objective(z: Float[np.ndarray, " n"]) -> tuple[float, Float[np.ndarray, " n"]]:
        value, gradient = _value_and_gradient(z, shape, every_point)
        return float(value), np.asarray(gradient)

    low, high = np.array(bounds).T
    while True:
        start = rng.uniform(low, high)
        result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        candidate = _rounded(np.asarray(result.x), shape)
        value, average, best = margins(candidate)
        yield candidate, -(best if every_point else average) / value


def _split(z: Any, shape: tuple[int, int, int, int]) -> tuple[Any, Any, Any, Any, Any]:
    """Stereographic coordinates, logits of weights, of the prior, of coefficients, and logarithms of rates."""
    C, N, d, _ = shape
    ends = np.cumsum([C * N * (d - 1), C * N, C, 3])
    y, weights, rho, coefficients, rates = np.split(z, ends) if isinstance(z, np.ndarray) else jnp.split(z, ends)
    return y.reshape(C, N, d - 1), weights.reshape(C, N), rho, coefficients, rates


# a small function that is called some thousand times: to optimize it takes longer than all calls
@partial(jax.jit, static_argnums=1, compiler_options={"xla_backend_optimization_level": 0})
@partial(jax.value_and_grad)
def _value_and_gradient(
    z: Float[Array, " n"], shape: tuple[int, int, int, int], every_point: bool | Bool[Array, ""]
) -> Float[Array, ""]:
    """`-log(E_x*[L(f_x*)] / L(f))`, or `min_x*` for the mean: negative where the step, or its conclusion, fails."""
    y, weights, rho, coefficients, rates = _split(z, shape)
    square = jnp.sum(y * y, axis=-1, keepdims=True)
    F = jnp.concatenate([2 * y, 1 - square], axis=-1) / (1 + square)
    C, points, d, _ = shape
    labels, law = np.repeat(np.arange(C), points), jax.nn.softmax(weights, axis=-1)
    f = Representation(F.reshape(C * points, d), labels, law.reshape(-1), jax.nn.softmax(rho))
    loss = Custom(partial(mixture, coefficients=jax.nn.softmax(coefficients), rates=jnp.exp(rates)))
    step = averaging_margins(loss, f, float(shape[-1]))
    # both searches share one compiled function
    return -jnp.log1p(-jnp.where(every_point, step.best[0], step.margin[0]) / step.value)


def _rounded(z: Float[np.ndarray, " n"], shape: tuple[int, int, int, int]) -> Candidate:
    y, weights, rho, coefficients, rates = _split(z, shape)
    s, a, g = _distribution(coefficients)
    b, c = (Fraction(round(8 * float(np.exp(rate))), 8) or Fraction(1, 8) for rate in rates)
    return Candidate(
        Mixture(s, b, a, c, g),
        shape[-1],
        _distribution(rho),
        tuple(_distribution(row) for row in weights),
        tuple(tuple(_on_sphere([Fraction(round(16 * float(x)), 16) for x in point]) for point in row) for row in y),
    )


def _distribution(logits: Float[np.ndarray, " n"]) -> tuple[Fraction, ...]:
    """The softmax, rounded to multiples of 1/64 that are positive and sum to 1."""
    softmax = np.exp(logits - np.max(logits))
    parts = [max(1, round(64 * float(x))) for x in softmax / np.sum(softmax)]
    parts[parts.index(max(parts))] += 64 - sum(parts)
    return tuple(Fraction(part, 64) for part in parts)


def _on_sphere(y: list[Fraction]) -> tuple[Fraction, ...]:
    """Inverse stereographic projection: `(2y, 1 - |y|^2) / (1 + |y|^2)`, rational and of length exactly 1."""
    square = sum((x * x for x in y), Fraction(0))
    return (*(2 * x / (1 + square) for x in y), (1 - square) / (1 + square))
