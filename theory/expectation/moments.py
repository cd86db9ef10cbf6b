"""E log(1 + S) where no margin is negative, from a few moments of each row: the class-level fast path.

With `x = exp(-v)` in (0, 1] the integral of `theory.expectation.integrals` needs, at every node `t`,

    1 - phi(t) = t sum_j w_j x_j psi(t x_j),   psi(z) = (1 - e^{-z}) / z.

On [0, 1], `psi(t x)` and `e^{-t x}` are polynomials of degree 44 in `x` to 1e-16 for every `t <= 38` (their Chebyshev
coefficients fall like `exp(-n^2 / t)`; derived). So the moments `M_n = sum_j w_j x_j T_n(2 x_j - 1)` give `phi` at all
nodes as a matrix product, and the derivative with respect to `x_j` is again a polynomial:

    dL/dx_j = w_j I(x_j),   I(x) = int k phi^{k-1} e^{-t x} e^{-t} dt = sum_n a_n T_n(2 x - 1).

A row of `n` margins costs `44 n` multiplications and not `192 n` exponentials. All terms of `1 - phi` are positive and
relatively accurate, so that nothing cancels, however large `k` or skewed the weights are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.integrals import LOG1P_NODES, log1p_grid
from theory.float64 import jax, jnp

DEGREE = 44

#: Rows are taken in blocks of about this many numbers, so that the polynomials of a block stay in cache
BLOCK = 1 << 19


def log1p_sum_nonnegative(
    margins: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar
) -> Float[Array, " rows"]:
    """`E log(1 + sum_{i<=k} exp(-v_{J_i}))` for each row of margins `v >= 0` (module docstring).

    Differentiable in margins, weights and `k`; the first derivatives are computed by their own integrals.
    """
    k = jnp.asarray(k, dtype=float)
    rows, n = margins.shape
    block = max(1, BLOCK // (n * (DEGREE + 1)))
    if rows <= block:
        return _rows(margins, weights, k)
    return jax.lax.map(lambda row: _rows(row[None], weights, k)[0], margins, batch_size=block)


@jax.custom_jvp
def _rows(margins: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar) -> Float[Array, " rows"]:
    return _value(_Row(margins, weights, k), k)


class _Row:
    """What value and derivatives share: nodes, polynomials of every entry, and `log phi` at every node."""

    def __init__(self, margins: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar) -> None:
        self.t, self.h, self.tail = log1p_grid(jnp.log(k), LOG1P_NODES)
        self.x = jnp.exp(-margins)
        self.polynomials = _chebyshev(2 * self.x - 1)
        self.weighted = weights * self.x
        moments = jnp.einsum("rj,rjn->rn", self.weighted, self.polynomials)
        z = self.t[:, None] * _POINTS
        self.psi = (-jnp.expm1(-z) / z) @ _TRANSFORM
        self.exponential = jnp.exp(-z) @ _TRANSFORM
        q = self.t * (moments @ self.psi.T)
        self.log_phi = jnp.log1p(-jnp.clip(q, 0.0, 1 - 2.0**-53))
        self.mean = jnp.sum(self.weighted, axis=-1)


def _value(row: _Row, k: Scalar) -> Float[Array, " rows"]:
    integrand = -jnp.expm1(k * row.log_phi) @ jnp.exp(-row.t)
    return row.h * (integrand + k * row.mean * row.tail)


def _jvp(
    primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]
) -> tuple[Float[Array, " rows"], Float[Array, " rows"]]:
    margins, weights, k = primals
    d_margins, d_weights, d_k = tangents
    row = _Row(margins, weights, k)
    value = _value(row, k)
    tangent = jnp.zeros_like(value)
    density = row.h * k * jnp.exp((k - 1) * row.log_phi - row.t)
    if not _is_zero(d_margins):
        coefficients = (density * row.t) @ row.exponential
        integral = jnp.einsum("rjn,rn->rj", row.polynomials, coefficients) + row.h * k * row.tail
        tangent -= jnp.sum(row.weighted * integral * d_margins, axis=-1)
    if not _is_zero(d_weights):
        coefficients = (density * row.t) @ row.psi
        integral = row.x * (jnp.einsum("rjn,rn->rj", row.polynomials, coefficients) + row.h * k * row.tail)
        tangent += integral @ d_weights
    if not _is_zero(d_k):
        by_k = -(row.log_phi * jnp.exp(k * row.log_phi)) @ jnp.exp(-row.t)
        tangent += row.h * (by_k + row.mean * row.tail) * d_k
    return value, tangent


_rows.defjvp(_jvp, symbolic_zeros=True)


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _chebyshev(y: Float[Array, "rows n"]) -> Float[Array, "rows n degree"]:
    """`T_0(y), ..., T_DEGREE(y)` by doubling: `T_{m+i} = 2 T_m T_i - T_{m-i}`."""
    table = jnp.stack([jnp.ones_like(y), y], axis=-1)
    while table.shape[-1] <= DEGREE:
        m = table.shape[-1] - 1
        top = table[..., m:]
        table = jnp.concatenate([table, 2 * top * table[..., 1:] - table[..., m - 1 :: -1][..., :m]], axis=-1)
    return table[..., : DEGREE + 1]


def _interpolation() -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points degree"]]:
    """Chebyshev points on (0, 1), and the matrix from values there to coefficients."""
    points = DEGREE + 1
    angles = (np.arange(points) + 0.5) * math.pi / points
    transform = 2.0 / points * np.cos(np.outer(angles, np.arange(points)))
    transform[:, 0] /= 2
    return (np.cos(angles) + 1) / 2, transform


_POINTS, _TRANSFORM = _interpolation()
