"""E log(1 + S) where no margin is negative, from a few moments of each row: the class-level fast path.

With `x = exp(-v)` in (0, 1] the integral of `theory.expectation.integrals` needs, at every node `t`,

    1 - phi(t) = t sum_j w_j x_j psi(t x_j),   psi(z) = (1 - e^{-z}) / z.

On [0, 1], `psi(t x)` and `e^{-t x}` are polynomials in `x` of a low degree `N` as long as `t` is not large. So the
moments `M_n = sum_j w_j x_j T_n(2 x_j - 1)` give `phi` at all nodes as a matrix product, and the derivative with
respect to `x_j` is again a polynomial:

    dL/dx_j = w_j I(x_j),   I(x) = int k phi^{k-1} e^{-t x} e^{-t} dt = sum_n a_n T_n(2 x - 1).

Two things bound the work (derived). With `x >= x_min`, `phi(t) <= e^{-t x_min}`: past the time `t*` where
`(1 + k) e^{-t (1 + k x_min)} = (1 + k x_min) e^{-38}`, `phi^k` no longer counts, and the nodes there are the same for
every row. And the Chebyshev coefficients of `e^{-t x}` are `2 e^{-t/2} I_n(t/2)`, whose Laplace transforms are known
in closed form: at degree `N` the error of `I`, relative to `I`, is to first order at most

    4 (1 + k) theta^{N+1} / ((1 - theta) s),   theta = 1 / (2 p + 2 s),  s = sqrt(p^2 - 1/4),  p = 3/2 + (k-1) x_min

(`truncation`), so that the degree falls as `k` rises. A row of `n` margins costs `2 N n` multiplications and not
`192 n` exponentials. All terms of `1 - phi` are positive and relatively accurate, so that nothing cancels, however
large `k` or skewed the weights are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.integrals import LOG1P_NODES, LOG_LEFT, LOG_RIGHT
from theory.float64 import jax, jnp, promoting

#: Nodes beyond `t*`, shared by all rows: they reach 38 for every `k <= 1e12`.
_SHARED_NODES = 160


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


@promoting
def resolution(k: int | float, largest_margin: float) -> Resolution:
    """The coarsest of `RESOLUTIONS` that keeps double precision for this `k` and all margins in [0, largest].

    For a `k` that is not an integer the rule converges more slowly, and all nodes are taken.
    """
    if k != int(k):
        return FULL
    x_min = math.exp(-largest_margin)
    for candidate in RESOLUTIONS:
        with jax.ensure_compile_time_eval():  # also while a function that calls this is traced
            reach = float(jnp.log(_reach(k, x_min)))
        step = (reach - LOG_LEFT + math.log(k)) / (candidate.nodes - 1)
        if step <= 0.27 and truncation(candidate.degree, k, x_min) <= 1e-16:
            return candidate
    return FULL


def truncation(degree: int, k: int | float, x_min: float) -> float:
    """The bound of the module docstring on the relative error of the gradient from truncating at this degree."""
    p = 1.5 + (k - 1) * x_min
    s = math.sqrt(p * p - 0.25)
    theta = 0.5 / (p + s)
    return 4 * (1 + k) * theta ** (degree + 1) / ((1 - theta) * s)


@promoting
def log1p_sum_nonnegative(
    margins: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar, resolution: Resolution = FULL
) -> Float[Array, " rows"]:
    """`E log(1 + sum_{i<=k} exp(-v_{J_i}))` for each row of margins `v >= 0` (module docstring).

    Differentiable, any number of times, in margins, weights and `k`; the first derivatives are computed by their own
    integrals. `resolution` must serve `k` and the margins, as the function of that name finds it.
    """
    return _rows(resolution, margins, weights, jnp.asarray(k, dtype=float))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _rows(
    resolution: Resolution, margins: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar
) -> Float[Array, " rows"]:
    return _value(_Row(resolution, margins, weights, k), k)


class _Basis(NamedTuple):
    """The nodes, and at each of them the Chebyshev coefficients of two functions of `x` on [0, 1]."""

    t: Float[Array, " t"]
    #: of `(1 - e^{-t x}) / (t x)`
    psi: Float[Array, "t degree"]
    #: of `e^{-t x}`
    exponential: Float[Array, "t degree"]


class _Row:
    """What value and derivatives share: the nodes, and `log phi` at every node."""

    def __init__(
        self, resolution: Resolution, margins: Float[Array, "rows n"], weights: Float[Array, " n"], k: Scalar
    ) -> None:
        self.x = jnp.exp(-margins)
        # the rule's error is below rounding wherever its nodes are: they are not differentiated
        fixed = jax.lax.stop_gradient(k)
        x_min = jnp.exp(-jax.lax.stop_gradient(jnp.max(margins)))
        reach, left = jnp.log(_reach(fixed, x_min)), LOG_LEFT - jnp.log(fixed)
        self.h = (reach - left) / (resolution.nodes - 1)
        self.t = jnp.exp(left + self.h * jnp.arange(resolution.nodes))
        self.left_tail = self.t[0] / jnp.expm1(self.h)
        shared = jnp.sum(jnp.exp(-jnp.exp(reach + self.h * jnp.arange(1, _SHARED_NODES + 1))))
        self.right_tail = jnp.where(reach < LOG_RIGHT, shared, 0.0)
        points, transform = _interpolation(resolution.degree)
        z = self.t[:, None] * points
        self.basis = _Basis(self.t, (-jnp.expm1(-z) / z) @ transform, jnp.exp(-z) @ transform)
        q = _defects(weights + jnp.zeros_like(self.x), self.x, self.basis)
        self.log_phi = jnp.log1p(-jnp.clip(q, 0.0, 1 - 2.0**-53))
        self.mean = jnp.sum(weights * self.x, axis=-1)


def _reach(k: Scalar, x_min: Scalar) -> Float[Array, ""]:
    """`t*`, at most `exp(LOG_RIGHT)`."""
    rate = 1 + k * x_min
    return jnp.minimum((38.0 + jnp.log((1 + k) / rate)) / rate, math.exp(LOG_RIGHT))


def _value(row: _Row, k: Scalar) -> Float[Array, " rows"]:
    integrand = -jnp.expm1(k * row.log_phi) @ jnp.exp(-row.t)
    return row.h * (integrand + row.right_tail + k * row.mean * row.left_tail)


def _jvp(
    resolution: Resolution, primals: tuple[Array, Array, Array], tangents: tuple[Any, Any, Any]
) -> tuple[Float[Array, " rows"], Float[Array, " rows"]]:
    margins, weights, k = primals
    d_margins, d_weights, d_k = tangents
    row = _Row(resolution, margins, weights, k)
    value = _value(row, k)
    tangent = jnp.zeros_like(value)
    density = row.h * k * jnp.exp((k - 1) * row.log_phi - row.t)
    constant = row.h * k * row.left_tail
    if not _is_zero(d_margins):
        integral = _laplace(density * row.t, row.x, row.basis) + constant
        tangent -= jnp.sum(weights * row.x * integral * d_margins, axis=-1)
    if not _is_zero(d_weights):
        tangent += (_complement(density, row.x, row.basis) + constant * row.x) @ d_weights
    if not _is_zero(d_k):
        by_k = -(row.log_phi * jnp.exp(k * row.log_phi)) @ jnp.exp(-row.t)
        tangent += row.h * (by_k + row.mean * row.left_tail) * d_k
    return value, tangent


_rows.defjvp(_jvp, symbolic_zeros=True)


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


# The four maps below are linear in `c` or `density`, and their derivatives by `x` are the first and third again: so
# every derivative is a sum of exponentials, as accurate as the value.


@jax.custom_jvp
def _exponentials(c: Float[Array, "rows n"], x: Float[Array, "rows n"], basis: _Basis) -> Float[Array, "rows t"]:
    """`sum_j c_j e^{-t x_j}` at every node."""
    return _moments(c, x, basis.exponential.shape[-1]) @ basis.exponential.T


@jax.custom_jvp
def _defects(c: Float[Array, "rows n"], x: Float[Array, "rows n"], basis: _Basis) -> Float[Array, "rows t"]:
    """`sum_j c_j (1 - e^{-t x_j})` at every node."""
    return basis.t * (_moments(c * x, x, basis.psi.shape[-1]) @ basis.psi.T)


@jax.custom_jvp
def _laplace(density: Float[Array, "rows t"], x: Float[Array, "rows n"], basis: _Basis) -> Float[Array, "rows n"]:
    """`sum_t density_t e^{-t x}` for every entry."""
    return _series(density @ basis.exponential, x)


@jax.custom_jvp
def _complement(density: Float[Array, "rows t"], x: Float[Array, "rows n"], basis: _Basis) -> Float[Array, "rows n"]:
    """`sum_t density_t (1 - e^{-t x})` for every entry."""
    return x * _series((density * basis.t) @ basis.psi, x)


def _derivative(of: Any, by_x: Callable[[Any, Any, Any, _Basis], Array]) -> Callable[[Any, Any], tuple[Array, Array]]:
    """The rule of a map `of(a, x, basis)`, linear in `a`, whose derivative along `dx` is `by_x(a, x, dx, basis)`."""

    def rule(primals: tuple[Array, Array, _Basis], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
        (a, x, basis), (d_a, d_x, _) = primals, tangents
        value = of(a, x, basis)
        tangent = jnp.zeros_like(value)
        if not _is_zero(d_a):
            tangent += of(d_a, x, basis)
        if not _is_zero(d_x):
            tangent += by_x(a, x, d_x, basis)
        return value, tangent

    return rule


_exponentials.defjvp(
    _derivative(_exponentials, lambda c, x, dx, basis: -basis.t * _exponentials(c * dx, x, basis)), symbolic_zeros=True
)
_defects.defjvp(
    _derivative(_defects, lambda c, x, dx, basis: basis.t * _exponentials(c * dx, x, basis)), symbolic_zeros=True
)
_laplace.defjvp(
    _derivative(_laplace, lambda density, x, dx, basis: -_laplace(density * basis.t, x, basis) * dx),
    symbolic_zeros=True,
)
_complement.defjvp(
    _derivative(_complement, lambda density, x, dx, basis: _laplace(density * basis.t, x, basis) * dx),
    symbolic_zeros=True,
)


def _moments(c: Float[Array, "rows n"], x: Float[Array, "rows n"], terms: int) -> Float[Array, "rows degree"]:
    """`sum_j c_j T_n(2 x_j - 1)`, `n < terms`, in one pass over `x` that stores no polynomial."""
    y = 2 * x - 1
    polynomials: list[Any] = [jnp.ones_like(y), y]
    while len(polynomials) < terms:
        polynomials.append(2 * y * polynomials[-1] - polynomials[-2])
    products = tuple(c * polynomial for polynomial in polynomials)
    zeros = (jnp.zeros((), y.dtype),) * terms
    return jnp.stack(jax.lax.reduce(products, zeros, _add, (y.ndim - 1,)), axis=-1)


def _add(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(p + q for p, q in zip(a, b, strict=True))


def _series(coefficients: Float[Array, "rows degree"], x: Float[Array, "rows n"]) -> Float[Array, "rows n"]:
    """`sum_n a_n T_n(2 x - 1)` with coefficients of each row, by Clenshaw's recurrence."""
    y = 2 * x - 1
    last = coefficients.shape[-1] - 1
    first: Any = coefficients[:, last, None] + jnp.zeros_like(y)
    second: Any = jnp.zeros_like(y)
    for n in range(last - 1, 0, -1):
        first, second = coefficients[:, n, None] + 2 * y * first - second, first
    return coefficients[:, 0, None] + y * first - second


def _interpolation(degree: int) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points degree"]]:
    """Chebyshev points on (0, 1), and the matrix from values there to coefficients."""
    points = degree + 1
    angles = (np.arange(points) + 0.5) * math.pi / points
    transform = 2.0 / points * np.cos(np.outer(angles, np.arange(points)))
    transform[:, 0] /= 2
    return (np.cos(angles) + 1) / 2, transform
