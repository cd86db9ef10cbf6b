"""Sums of exponentials `sum_j c_j e^{-t x_j}` over the entries of a row, at the nodes `t` of a quadrature.

Two ways to the same four maps. `Dense` takes every exponential, for rows of any kind. `Chebyshev` is for x in [0, 1]
and nodes that all rows share: there `e^{-t x}` and `psi(t x)`, `psi(z) = (1 - e^{-z})/z`, are polynomials in x of a low
degree N as long as t is not large, so that the moments `sum_j c_j T_n(2 x_j - 1)` give a sum at all nodes as a product
of matrices: `2 N n` multiplications for a row of n entries and not an exponential for each node and entry.

Each map is linear in its argument, and its derivative by x is another of them: JAX is told so, and every derivative is
again a sum of exponentials, as accurate as the value.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, array_module, is_numpy, logsumexp, promoting


class Exponentials(ABC):
    """The maps between the entries of rows, (..., n), and the nodes, (..., t)."""

    @abstractmethod
    def sums(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        """`sum_j c_j e^{-t x_j}` at every node."""

    @abstractmethod
    def defects(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        """`sum_j c_j (1 - e^{-t x_j})` at every node, without cancellation."""

    @abstractmethod
    def laplace(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n"]:
        """`sum_t density_t e^{-t x_j}` for every entry."""

    @abstractmethod
    def complement(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n"]:
        """`sum_t density_t (1 - e^{-t x_j})` for every entry."""

    @abstractmethod
    def products(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n n"]:
        """`sum_t density_t e^{-t x_j} e^{-t x_l}` for every pair of entries."""

    def coupled(self, density: Float[Array, "*d t"]) -> Callable[[Float[Array, "*b n"]], Float[Array, "*b n"]]:
        """The map `c -> products(density) c`, prepared for many c."""
        return lambda c: self.laplace(density * self.sums(c))


class Dense(Exponentials):
    """Every exponential, rows x nodes x entries; the nodes may differ from row to row."""

    def __init__(self, x: Float[Array, "*b n"], t: Float[Array, "*t nodes"]) -> None:
        self._exponents = -t[..., :, None] * x[..., None, :]

    @cached_property
    def _exponentials(self) -> Float[Array, "*b t n"]:
        return array_module(self._exponents).exp(self._exponents)

    @cached_property
    def _complements(self) -> Float[Array, "*b t n"]:
        return -array_module(self._exponents).expm1(self._exponents)

    def sums(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        return _apply(self._exponentials, c)

    def defects(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        return _apply(self._complements, c)

    def log_sums(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        """`log sum_j c_j e^{-t x_j}` at every node, also where all exponentials underflow."""
        return logsumexp(self._exponents, c if c.ndim == 1 else c[..., None, :])

    def laplace(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n"]:
        return (density[..., None, :] @ self._exponentials)[..., 0, :]

    def complement(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n"]:
        return (density[..., None, :] @ self._complements)[..., 0, :]

    def products(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n n"]:
        xp, E = array_module(self._exponentials), self._exponentials
        return xp.swapaxes(E, -1, -2) @ (density[..., None] * E)


def _apply(matrices: Float[Array, "*b t n"], c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
    return matrices @ c if c.ndim == 1 else (matrices @ c[..., None])[..., 0]


class Basis(NamedTuple):
    """The nodes, and at each of them the Chebyshev coefficients of two functions of `x` on [0, 1]."""

    t: Float[Array, " t"]
    #: of `(1 - e^{-t x}) / (t x)`
    psi: Float[Array, "t degree"]
    #: of `e^{-t x}`
    exponential: Float[Array, "t degree"]


class Chebyshev(Exponentials):
    """By polynomials of one degree, for x in [0, 1] and nodes that are the same for all rows."""

    def __init__(self, x: Float[Array, "*b n"], t: Float[Array, " nodes"], degree: int) -> None:
        xp = array_module(x, t)
        points, transform = _interpolation(degree)
        z = t[:, None] * points
        self._x, self._basis = x, Basis(t, (-xp.expm1(-z) / z) @ transform, xp.exp(-z) @ transform)

    def sums(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        return _sums(c, self._x, self._basis)

    def defects(self, c: Float[Array, "*c n"]) -> Float[Array, "*b t"]:
        return _defects(c, self._x, self._basis)

    def laplace(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n"]:
        return _laplace(density, self._x, self._basis)

    def complement(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n"]:
        return _complement(density, self._x, self._basis)

    def products(self, density: Float[Array, "*d t"]) -> Float[Array, "*b n n"]:
        xp, exponential = array_module(self._x, density), self._basis.exponential
        T = xp.stack(_polynomials(self._x, exponential.shape[-1]), axis=-1)
        return T @ (exponential.T @ (density[..., None] * exponential)) @ xp.swapaxes(T, -1, -2)

    def coupled(self, density: Float[Array, "*d t"]) -> Callable[[Float[Array, "*b n"]], Float[Array, "*b n"]]:
        if not is_numpy(self._x, density):
            return super().coupled(density)
        exponential = self._basis.exponential
        T = np.stack(_polynomials(self._x, exponential.shape[-1]), axis=-2)
        kernel = exponential.T @ (density[..., None] * exponential)

        def apply(c: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
            coefficients = kernel @ (T @ c[..., None])
            return (np.swapaxes(coefficients, -1, -2) @ T)[..., 0, :]

        return apply


_Map = Callable[[Any, Any, Basis], Array]


def _derived(by_x: Callable[[Any, Any, Any, Basis], Array]) -> Callable[[_Map], _Map]:
    """A map `of(a, x, basis)`, linear in `a`, whose derivative along `dx` is `by_x(a, x, dx, basis)`."""

    def decorate(of: _Map) -> _Map:
        @cache
        def with_rule() -> _Map:
            from theory.float64 import jax, jnp

            ruled = jax.custom_jvp(of)

            @promoting
            def rule(primals: tuple[Array, Array, Basis], tangents: tuple[Any, Any, Any]) -> tuple[Array, Array]:
                (a, x, basis), (d_a, d_x, _) = primals, tangents
                value = ruled(a, x, basis)
                tangent = jnp.zeros_like(value)
                if not is_zero(d_a):
                    tangent += ruled(d_a, x, basis)
                if not is_zero(d_x):
                    tangent += by_x(a, x, d_x, basis)
                return value, tangent

            ruled.defjvp(rule, symbolic_zeros=True)
            return ruled

        def apply(a: Any, x: Any, basis: Basis) -> Array:
            return of(a, x, basis) if is_numpy(a, x, basis.t) else with_rule()(a, x, basis)

        return apply

    return decorate


def is_zero(tangent: object) -> bool:
    """Whether JAX knows that this tangent is 0."""
    from theory.float64 import jax

    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


@_derived(lambda c, x, dx, basis: -basis.t * _sums(c * dx, x, basis))
def _sums(c: Float[Array, "*b n"], x: Float[Array, "*b n"], basis: Basis) -> Float[Array, "*b t"]:
    return _moments(c, x, basis.exponential.shape[-1]) @ basis.exponential.T


@_derived(lambda c, x, dx, basis: basis.t * _sums(c * dx, x, basis))
def _defects(c: Float[Array, "*b n"], x: Float[Array, "*b n"], basis: Basis) -> Float[Array, "*b t"]:
    return basis.t * (_moments(c * x, x, basis.psi.shape[-1]) @ basis.psi.T)


@_derived(lambda density, x, dx, basis: -_laplace(density * basis.t, x, basis) * dx)
def _laplace(density: Float[Array, "*b t"], x: Float[Array, "*b n"], basis: Basis) -> Float[Array, "*b n"]:
    return _series(density @ basis.exponential, x)


@_derived(lambda density, x, dx, basis: _laplace(density * basis.t, x, basis) * dx)
def _complement(density: Float[Array, "*b t"], x: Float[Array, "*b n"], basis: Basis) -> Float[Array, "*b n"]:
    return x * _series((density * basis.t) @ basis.psi, x)


def _polynomials(x: Float[Array, "*b n"], terms: int) -> list[Any]:
    """`T_n(2 x - 1)`, `n < terms`."""
    y = 2 * x - 1
    polynomials: list[Any] = [array_module(x).ones_like(y), y]
    while len(polynomials) < terms:
        polynomials.append(2 * y * polynomials[-1] - polynomials[-2])
    return polynomials


def _moments(c: Float[Array, "*b n"], x: Float[Array, "*b n"], terms: int) -> Float[Array, "*b degree"]:
    """`sum_j c_j T_n(2 x_j - 1)`, `n < terms`; compiled, in one pass over `x` that stores no polynomial."""
    if is_numpy(c, x):
        return np.stack([np.einsum("...n,...n->...", c, polynomial) for polynomial in _polynomials(x, terms)], axis=-1)
    from theory.float64 import jax, jnp

    products = tuple(c * polynomial for polynomial in _polynomials(x, terms))
    zeros = (jnp.zeros((), x.dtype),) * terms
    return jnp.stack(jax.lax.reduce(products, zeros, _add, (x.ndim - 1,)), axis=-1)


def _add(a: tuple[Array, ...], b: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(p + q for p, q in zip(a, b, strict=True))


def _series(coefficients: Float[Array, "*b degree"], x: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
    """`sum_n a_n T_n(2 x - 1)` with coefficients of each row, by Clenshaw's recurrence."""
    y, twice = 2 * x - 1, 4 * x - 2
    last = coefficients.shape[-1] - 1
    first: Any = coefficients[..., last, None] + 0 * y
    second: Any = 0.0
    for n in range(last - 1, 0, -1):
        first, second = coefficients[..., n, None] + twice * first - second, first
    return coefficients[..., 0, None] + y * first - second


@cache
def _interpolation(degree: int) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points degree"]]:
    """Chebyshev points on (0, 1), and the matrix from values there to coefficients."""
    points = degree + 1
    angles = (np.arange(points) + 0.5) * math.pi / points
    transform = 2.0 / points * np.cos(np.outer(angles, np.arange(points)))
    transform[:, 0] /= 2
    return (np.cos(angles) + 1) / 2, transform
