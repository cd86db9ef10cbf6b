r"""Moments of rows of cosines: `E e^{-tX}`, `X = exp(beta (g - 1))`, at every t from a few Chebyshev polynomials of g.

As a function of the cosine g, `1 - e^{-tX}` is entire, and the same few polynomials serve every t (derived). On the
Bernstein ellipse of parameter R, with half axes `A = (R + 1/R)/2` and `B = (R - 1/R)/2`, `|X| <= M = e^{beta (A-1)}`,
and `Re X >= 0` as long as `beta B <= pi/2`. So for every `t > 0`

    |1 - e^{-tX}| <= min(t M, 2)   if beta B <= pi/2,    <= min(t M, 2) e^{tM}   in any case,

and the interpolant of degree N in Chebyshev's points differs by at most `4 R^{-N} / (R-1)` times that on [-1, 1]
(Trefethen, Approximation Theory and Approximation Practice, Theorem 8.2), which is at most `min(t, 1)` times what
`truncation` gives. So `phi` and `psi` of `theory.expectation.positives` are, at all nodes, linear in the moments
`sum_j w_j T_n(g_j)`, n <= N, which depend neither on `k` nor on the temperature: a row of n cosines costs some
`2 sqrt(N) n` operations and a product of two matrices, and not an exponential for each node.

`T_n` takes no n steps: with `n = q r + a`, `2 T_{qr} T_a = T_n + T_{qr-a}`, so that sums of products of two lists of
`q = sqrt(N+1)` polynomials each give every moment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from theory.arrays import Array, Scalar
from theory.expectation.positives import Law, Rows, Rule, integral, reach

#: The accuracy of phi that `side` asks for.
_ACCURACY = 2.0**-53


def side(k: int | float, beta: int | float) -> int:
    """The q for which the degrees below `q^2` are enough for this `k` (`math.inf` for the limit) and `beta`, in double
    precision and whatever the cosines are."""
    log_error, log_rate = _interpolation(k, beta)
    degree = max(8, int(np.min(np.ceil((log_error - math.log(_ACCURACY)) / log_rate))))
    return math.isqrt(degree) + 1


def truncation(side: int, k: int | float, beta: int | float) -> float:
    """The module's bound on the error of phi, as a multiple of `min(t, 1)`, at every node `t` at which phi counts."""
    log_error, log_rate = _interpolation(k, beta)
    return math.exp(min(700.0, float(np.min(log_error - (side**2 - 1) * log_rate))))


def _interpolation(k: int | float, beta: int | float) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, " R"]]:
    """For a range of ellipses, logarithms of the module's bound at degree 0, and of R."""
    last = 0.0 if math.isinf(k) else math.exp(float(reach(float(k), beta)))
    R = 1 + np.geomspace(1e-3, 30, 400)
    A, B = (R + 1 / R) / 2, (R - 1 / R) / 2
    log_M = beta * (A - 1)
    growth = np.where(beta * B <= math.pi / 2, 0.0, last * np.exp(np.minimum(log_M, 300.0)))
    return np.log(4 / (R - 1)) + np.maximum(log_M, math.log(2.0)) + growth, np.log(R)


def interpolation_error(
    t: Sequence[float] | Float[np.ndarray, " t"], degree: int, beta: int | float
) -> Float[np.ndarray, " t"]:
    """The module's bound on the error of the interpolant of `1 - e^{-tX}`, for each t; rounded up (inf: no bound)."""
    R = 1 + np.geomspace(1e-3, 30, 400)[:, None]
    A, B = (R + 1 / R) / 2, (R - 1 / R) / 2
    log_M = beta * (A - 1)
    tM = np.asarray(t) * np.exp(np.minimum(log_M, 300.0))
    growth = np.where(beta * B <= math.pi / 2 * (1 - 1e-9), 0.0, tM)
    log_bound = np.log(4 / (R - 1)) + np.log(np.minimum(tM, 2.0)) + growth - degree * np.log(R)
    log_bound = np.where(log_M > 300, np.inf, log_bound)
    return np.exp(np.minimum(np.min(log_bound, axis=0), 700.0) + 1e-9)


def moments(
    cosines: Shaped[Array, "rows n"], weights: Shaped[Array, "*w n"], side: int, xp: Any = np
) -> Shaped[Array, "rows degrees"]:
    """`sum_j w_j T_n(g_j)` for n < `side^2`; one weight a column, or one an entry."""
    return unfolded(products(cosines, [weights], side, xp)[0], xp)


def products(
    cosines: Shaped[Array, "rows n"],
    laws: Sequence[Array],
    side: int,
    xp: Any = np,
    room: Shaped[np.ndarray, "room rows n"] | None = None,
) -> list[Shaped[Array, "rows q q"]]:
    """For each law (weights as in `moments`) what `unfolded` makes its moments of; a sum over columns, which may come
    in parts.

    Args:
        room: for NumPy, `3 side + 1` arrays to work in: new memory costs several times the arithmetic.
    """
    of_low, of_high, of_law = (
        (None, None, None) if room is None else (room[: side + 1], room[side + 1 : 2 * side + 1], room[2 * side + 1 :])
    )
    low: Any = _chebyshev(cosines, side, xp, of_low)
    high = _chebyshev(low[side], side - 1, xp, of_high)
    return [
        _summed(weights * low[:side] if of_law is None else np.multiply(low[:side], weights, out=of_law), high, xp)
        for weights in laws
    ]


def _summed(weighted: Shaped[Array, "q rows n"], high: Shaped[Array, "q rows n"], xp: Any) -> Shaped[Array, "rows q q"]:
    if xp is np and weighted.dtype.char == "g":  # there is no BLAS for long doubles, and NumPy's own product is slower
        return np.einsum("arn,brn->rab", weighted, high)
    return xp.matmul(xp.moveaxis(weighted, 0, 1), xp.transpose(high, (1, 2, 0)))


def _chebyshev(
    y: Shaped[Array, "rows n"], last: int, xp: Any, room: Shaped[np.ndarray, "degrees rows n"] | None = None
) -> Shaped[Array, "degrees rows n"]:
    """`T_0(y) .. T_last(y)`, twice as many with each step: `T_{m+j} = 2 T_m T_j - T_{m-j}`."""
    if room is not None:
        room[0], room[1], m = 1, y, 1
        while m < last:
            more = min(m, last - m)
            np.multiply(2 * room[m], room[1 : more + 1], out=room[m + 1 : m + more + 1])
            room[m + 1 : m + more + 1] -= room[m - more : m][::-1]
            m += more
        return room
    found = xp.stack([xp.ones_like(y), y])
    while (m := len(found) - 1) < last:
        more = min(m, last - m)
        found = xp.concatenate([found, 2 * found[m] * found[1 : more + 1] - found[m - more : m][::-1]])
    return found[: last + 1]


def unfolded(products: Shaped[Array, "rows q q"], xp: Any = np) -> Shaped[Array, "rows degrees"]:
    """The moments from the sums `s_{a,r}` of `T_a T_{qr}` (module docstring).

    `m_{qr} = s_{0,r}`, and `m_{qr+a} + m_{q(r-1)+(q-a)} = 2 s_{a,r}` otherwise: with every other column upside down and
    of the other sign, that is a running sum.
    """
    rows, q, _ = products.shape
    odd = xp.arange(q) % 2 == 1
    first, others = products[:, :1], products[:, 1:] * xp.where(xp.arange(q) > 0, 2.0, 1.0)
    summed = xp.cumsum(xp.where(odd, -others[:, ::-1], others), axis=-1)
    unfolded = xp.concatenate([first, xp.where(odd, -summed[:, ::-1], summed)], axis=1)
    return unfolded.swapaxes(1, 2).reshape(rows, q * q)


def log1p_ratio_of_moments(
    rule: Rule,
    negatives: Float[Array, "rows degrees"],
    positives: Float[Array, "rows degrees"],
    k: Scalar,
    beta: Scalar,
    xp: Any = np,
) -> Rows:
    """`theory.expectation.positives.integral` from the moments of both laws, each of total mass 1."""
    points, transform = chebyshev_points(negatives.shape[-1] - 1)
    X = xp.exp(beta * (xp.asarray(points) - 1.0))
    defects = (-xp.expm1(-rule.t[:, None] * X)) @ transform
    of_negatives, of_positives = (Law(m @ defects.T, m @ (X @ transform), m[:, 1]) for m in (negatives, positives))
    return integral(rule, of_negatives, of_positives, k, beta, xp)


@cache
def chebyshev_points(degree: int) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points degree"]]:
    """Chebyshev points on [-1, 1], and the matrix from values there to coefficients."""
    points = degree + 1
    angles = (np.arange(points) + 0.5) * math.pi / points
    transform = 2.0 / points * np.cos(np.outer(angles, np.arange(points)))
    transform[:, 0] /= 2
    return np.cos(angles), transform
