"""E log(1 + S) where no margin is negative, from a few moments of each row: the class-level fast path.

With `x = exp(-v)` in (0, 1] the integrals of `theory.expectation.integrals` are sums of exponentials at every node,
which a few moments of the row give (`theory.expectation.exponentials.Chebyshev`). Two things bound the work (derived).
With `x >= x_min`, `phi(t) <= e^{-t x_min}`: past the time `t*` where `(1 + k) e^{-t (1 + k x_min)} = (1 + k x_min)
e^{-38}`, `phi^k` no longer counts, and the nodes there are the same for every row. And the Chebyshev coefficients of
`e^{-t x}` are `2 e^{-t/2} I_n(t/2)`, whose Laplace transforms are known in closed form: at degree `N` the error of the
slope integral `I`, relative to `I`, is to first order at most

    4 (1 + k) theta^{N+1} / ((1 - theta) s),   theta = 1 / (2 p + 2 s),  s = sqrt(p^2 - 1/4),  p = 3/2 + (k-1) x_min

(`truncation`), so that the degree falls as `k` rises. All terms of `1 - phi` are positive and relatively accurate, so
that nothing cancels, however large `k` or skewed the weights are.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, constant, is_numpy, promoting
from theory.expectation.exponentials import Chebyshev, Dense, is_zero
from theory.expectation.integrals import LOG1P_NODES, LOG_LEFT, LOG_RIGHT, LogIntegral, Rule, log1p_integral

#: Nodes beyond `t*`, shared by all rows: they reach 38 for every `k <= 1e12`.
_SHARED_NODES = 160

#: Up to this many entries NumPy takes every exponential rather than some hundred short recurrences (measured).
_FEW_ENTRIES = 256


class Resolution(NamedTuple):
    """How finely the integral is resolved; fixed before compilation.

    Attributes:
        degree: of the polynomials in `x`.
        nodes: of the quadrature up to `t*`.
    """

    degree: int
    nodes: int


#: For every `k <= 1e9` and every margin.
FULL = Resolution(36, LOG1P_NODES)

#: Few, so that few functions are compiled: at temperature 1 these serve `k >= 32`, `k >= 1`, and what remains.
RESOLUTIONS = (Resolution(12, 112), Resolution(22, 112), FULL)


def resolution(k: int | float, largest_margin: float) -> Resolution:
    """The coarsest of `RESOLUTIONS` that keeps double precision for this `k` and all margins in [0, largest].

    For a `k` that is not an integer the rule converges more slowly, and all nodes are taken.
    """
    if k != int(k):
        return FULL
    x_min = math.exp(-largest_margin)
    for candidate in RESOLUTIONS:
        step = (math.log(_reach(k, x_min)) - LOG_LEFT + math.log(k)) / (candidate.nodes - 1)
        if step <= 0.27 and truncation(candidate.degree, k, x_min) <= 1e-16:
            return candidate
    return FULL


def truncation(degree: int, k: int | float, x_min: float) -> float:
    """The bound of the module docstring on the relative error of the gradient from truncating at this degree."""
    p = 1.5 + (k - 1) * x_min
    s = math.sqrt(p * p - 0.25)
    theta = 0.5 / (p + s)
    return 4 * (1 + k) * theta ** (degree + 1) / ((1 - theta) * s)


def log1p_nonnegative(
    margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, resolution: Resolution = FULL
) -> LogIntegral:
    """`E log(1 + sum_{i<=k} exp(-v_{J_i}))` for each row of margins `v >= 0`, with its derivatives.

    `resolution` must serve `k` and the margins, as the function of that name finds it.
    """
    xp = array_module(margins, weights, k)
    x = xp.exp(-margins)
    # the rule's error is below rounding wherever its nodes are: they are not differentiated
    fixed, x_min = constant(k), xp.exp(-constant(xp.max(margins)))
    reach, left = xp.log(_reach(fixed, x_min)), LOG_LEFT - xp.log(fixed)
    step = (reach - left) / (resolution.nodes - 1)
    t = xp.exp(left + step * xp.arange(resolution.nodes))
    shared = xp.sum(xp.exp(-xp.exp(reach + step * xp.arange(1, _SHARED_NODES + 1))))
    rule = Rule(t, step, t[0] / xp.expm1(step), xp.where(reach < LOG_RIGHT, shared, 0.0))
    few = xp is np and x.size <= _FEW_ENTRIES
    exponentials = Dense(x, t) if few else Chebyshev(x, t, resolution.degree)
    return log1p_integral(x, weights if few else weights + xp.zeros_like(x), k, rule, exponentials)


@promoting
def log1p_sum_nonnegative(
    margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, resolution: Resolution = FULL
) -> Float[Array, "*b"]:
    """The values of `log1p_nonnegative`.

    In JAX differentiable, any number of times, in margins, weights and `k`; the first derivatives are computed by their
    own integrals.
    """
    if is_numpy(margins, weights, k):
        return log1p_nonnegative(margins, weights, k, resolution).value
    from theory.float64 import jnp

    return _ruled()(resolution, jnp.asarray(margins), jnp.asarray(weights), jnp.asarray(k, dtype=float))


def _reach(k: Any, x_min: Any) -> Any:
    """`t*`, at most `exp(LOG_RIGHT)`."""
    xp = array_module(k, x_min)
    rate = 1 + k * x_min
    return xp.minimum((38.0 + xp.log((1 + k) / rate)) / rate, math.exp(LOG_RIGHT))


@cache
def _ruled() -> Any:
    """The rows as JAX differentiates them."""
    from functools import partial

    from theory.float64 import jax

    @partial(jax.custom_jvp, nondiff_argnums=(0,))
    def rows(resolution: Resolution, margins: Array, weights: Array, k: Array) -> Array:
        return log1p_nonnegative(margins, weights, k, resolution).value

    @promoting
    def jvp(
        resolution: Resolution, primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]
    ) -> tuple[Float[Array, "*b"], Float[Array, "*b"]]:
        from theory.float64 import jnp

        margins, weights, k = primals
        d_margins, d_weights, d_k = tangents
        row = log1p_nonnegative(margins, weights, k, resolution)
        tangent = jnp.zeros_like(row.value)
        if not is_zero(d_margins):
            tangent += jnp.sum(row.slopes * d_margins, axis=-1)
        if not is_zero(d_weights):
            tangent += jnp.sum(row.by_weights() * d_weights, axis=-1)
        if not is_zero(d_k):
            tangent += row.by_k() * d_k
        return row.value, tangent

    rows.defjvp(jvp, symbolic_zeros=True)
    return rows
