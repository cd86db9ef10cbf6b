r"""The expected loss of anchors whose positive is random, with first and second derivatives, for any `k`.

An anchor sees atoms `u` (points, or groups of points) with logarithms `z_u = beta (G_u - 1) <= 0`, `X_u = e^(z_u)`. A
negative is atom `u` with probability `m_u`, the positive with `q_u`; `phi(t) = sum m_u e^(-t X_u)`, `psi(t) = sum q_u
e^(-t X_u)`. Given the positive `p` the loss is `log(X_p + X_1 + ... + X_k) - z_p`, and Frullani's integral gives
(derived)

    logistic     V = int (e^-t - psi phi^k) dt/t - sum_u q_u z_u
    dV/dz_u  =  X_u ( q_u int e^(-t X_u) phi^k dt  +  m_u int k phi^(k-1) psi e^(-t X_u) dt )  -  q_u

and the decoupled loss the same with 1 for psi and no first integral. With `E_u = e^(-t X_u)` the second derivatives are

    d2V/dz_u dz_v = [u = v] X_u (...)  - [u = v] X_u^2 int t E_u (q_u phi^k + m_u k phi^(k-1) psi) dt
        - X_u X_v int t E_u E_v ( k (q_u m_v + m_u q_v) phi^(k-1) + k (k-1) m_u m_v phi^(k-2) psi ) dt.

Sums over the negatives need no integral: exponential `k sum_p q_p / X_p sum_u m_u X_u`, separable `k sum_(p,u) q_p m_u
log(1 + X_u / X_p)`. `k = inf` is the limit of `V - log k` (logistic, decoupled) or `V / k`.

*Quadrature* (derived: `theory.expectation.integrals`, with what changes). With `t = e^s` the trapezoid rule of step h
errs by `2 N / (e^(2 pi a/h) - 1)`, `N = 2 + 2 E_1(2 c cos a / (k+2))`, for any `a < pi/2`: on `Im s = a`, `|1 - psi
phi^k| <= (k+1) |t|` and `|e^-t - 1| <= |t|`; and beyond `|t| = 2/(k+2)` both terms are at most `e^(-c |t| cos a)`, `c
= min(1, min_p X_p + k min_u X_u)`. The left tail is at most `h (k+1) e^(s_0 - h) / (1 - e^-h)` and the right one `2
E_1(c e^(s_1))`. The integrals of the derivatives have integrands of the form `t phi^j ...`, whose size on `Im s = b`
is at most their value at `|t| cos b`: relative to themselves they err by `2 / (cos a (e^(2 pi a/h) - 1))`, as at
class level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from math import ceil, isinf, log

import numpy as np
from jaxtyping import Float

from theory.arrays import Array
from theory.errors import InputError
from theory.expectation.expansion import Expansion
from theory.expectation.exponentials import Chebyshev, Dense, Exponentials

#: The losses whose expectation has derivatives here.
LOSSES = ("logistic", "decoupled", "exponential", "separable")

#: e^(-pi^2/h) is 4e-18.
_STEP = 0.245
#: What is left out at either end is below e^-38, 3e-17.
_DIGITS = 38.0
#: Numbers held at once in one array; with polynomials, in the cache.
_CHUNK, _CACHED = 8_000_000, 250_000
#: Polynomials of degrees below `_MOST`, whose truncation changes no integrand (in ds) by more, serve so many entries or
#: more, unless rounding in them could be amplified by more than this.
_MANY, _MOST, _TRUNCATION, _AMPLIFIED = 10_000, 72, 1e-15, 300.0


def expected(
    loss: str,
    k: int | float,
    z: Float[np.ndarray, "r n"],
    negatives: Float[np.ndarray, "r n"],
    positives: Float[np.ndarray, "r n"],
) -> Expansion:
    """V of each row, to second order in z (not in margins, which are -z); rows of `negatives` and `positives` are laws.

    Args:
        loss: one of `LOSSES`.
        k: number of negatives, real >= 1 (the quadrature's bound holds for integers: `phi^k` is analytic), or
            `math.inf` for the limit of the normalized loss.
        z: logarithms, at most 0.
        negatives: m.
        positives: q.

    Raises:
        InputError: for a loss without this expectation.
    """
    if loss not in LOSSES:
        raise InputError("loss", loss, f"accepted here: {', '.join(LOSSES)}")
    if loss in ("exponential", "separable") or isinf(k):
        return _Sums(loss, k, z, negatives, positives)
    logistic = loss == "logistic"
    t, degree = _rule(logistic, k, z, positives)

    def part(rows: slice) -> _Integrals:
        return _Integrals(logistic, k, t, degree, z[rows], negatives[rows], positives[rows])

    size = _CHUNK // (len(t) * z.shape[1]) if degree is None else _CACHED // (4 * degree * z.shape[1])
    rows = [slice(start, start + max(1, size)) for start in range(0, len(z), max(1, size))]
    return part(rows[0]) if len(rows) == 1 else _Parts(part, rows, keep=degree is not None)


class _Parts(Expansion):
    """Rows in parts; what they share between two questions is kept, or found anew where it is large."""

    def __init__(self, part: Callable[[slice], Expansion], rows: list[slice], *, keep: bool) -> None:
        self._part, self._rows = part, rows
        self._kept = [part(each) for each in rows] if keep else None

    def _parts(self) -> Iterator[Expansion]:
        return iter(self._kept) if self._kept is not None else map(self._part, self._rows)

    @cached_property
    def _both(self) -> tuple[Float[np.ndarray, " r"], Float[np.ndarray, "r n"]]:
        values, slopes = zip(*((part.value, part.slopes) for part in self._parts()), strict=True)
        return np.concatenate(values), np.concatenate(slopes)

    @property
    def value(self) -> Float[np.ndarray, " r"]:
        return self._both[0]

    @property
    def slopes(self) -> Float[np.ndarray, "r n"]:
        return self._both[1]

    def along(self, direction: Float[Array, "r n"]) -> Float[np.ndarray, "r n"]:
        pairs = zip(self._parts(), self._rows, strict=True)
        return np.concatenate([part.along(direction[rows]) for part, rows in pairs])

    def hessian(self) -> Float[np.ndarray, "r n n"]:
        return np.concatenate([part.hessian() for part in self._parts()])


def _rule(
    logistic: bool, k: int | float, z: Float[np.ndarray, "r n"], positives: Float[np.ndarray, "r n"]
) -> tuple[Float[np.ndarray, " t"], int | None]:
    """The nodes, and the degree of the polynomials that serve there (None: every exponential is taken).

    The coefficients of `e^(-t X)` are `2 e^(-t/2) I_n(t/2)` (`theory.expectation.moments`); interpolation errs by at
    most twice the sum of those that it leaves out.
    """
    least = np.exp(np.min(z, axis=1))
    of_positives = np.exp(np.min(np.where(positives > 0, z, 0.0), axis=1)) if logistic else np.zeros_like(least)
    c = min(1.0, float(np.min(k * least + of_positives)))
    digits = _DIGITS + log(k + 2)
    first, last = -ceil(digits / _STEP), ceil(log(digits / c) / _STEP)
    t = np.exp(_STEP * np.arange(first, last + 1))
    if z.size < _MANY:
        return t, None
    # the other factors of an integrand, at most: one exponential less
    rest = float(np.min(np.minimum((k - 1) * least + of_positives, k * least)))
    if np.max((k + 1) * t**2 * np.exp(-t * rest)) > _AMPLIFIED:
        return t, None
    # of value, slopes and second derivatives, in ds: what is approximated are k factors phi, one psi if it is there
    weight = np.exp(-t * rest) * (k + logistic) * np.maximum(np.maximum(1.0, k * t), k * max(1, k - 1) * t**2)
    for degree in range(8, _MOST, 4):
        from scipy.special import ive  # half a second, which few callers need

        tail = 4 * np.sum([ive(degree + 1 + j, t / 2) for j in range(40)], axis=0)
        if np.max(weight * tail) <= _TRUNCATION:
            return t, degree
    return t, None


def _log_mean(
    exponentials: Exponentials, t: Float[np.ndarray, " t"], law: Float[np.ndarray, "r n"]
) -> Float[np.ndarray, "r t"]:
    """`log sum_u law_u e^(-t X_u)`, without cancellation for small t."""
    below, mean = exponentials.defects(law), exponentials.sums(law)
    # for t < 1/2 and X <= 1 the mean is at least 0.6
    return np.where(t < 0.5, np.log1p(-np.clip(below, 0.0, 0.5)), np.log(np.maximum(mean, 1e-300)))


class _Integrals(Expansion):
    """The integrals of the module docstring at the nodes `t`."""

    def __init__(
        self,
        logistic: bool,
        k: int | float,
        t: Float[np.ndarray, " t"],
        degree: int | None,
        z: Float[np.ndarray, "r n"],
        m: Float[np.ndarray, "r n"],
        q: Float[np.ndarray, "r n"],
    ) -> None:
        self._k, self._t, self._z, self._m, self._q = k, t, z, m, q
        self._X = np.exp(z)
        self._exponentials = Dense(self._X, t) if degree is None else Chebyshev(self._X, t, degree)
        self._log_phi = _log_mean(self._exponentials, t, m)
        self._log_psi = _log_mean(self._exponentials, t, q) if logistic else np.zeros_like(self._log_phi)
        # the positive among the terms of the sum
        self._own = q if logistic else np.zeros_like(q)

    @property
    def value(self) -> Float[np.ndarray, " r"]:
        nodes = np.expm1(-self._t) - np.expm1(self._log_psi + self._k * self._log_phi)
        return _STEP * np.sum(nodes, axis=1) - np.sum(self._q * self._z, axis=1)

    @property
    def slopes(self) -> Float[np.ndarray, "r n"]:
        return self._first - self._q

    @cached_property
    def _densities(self) -> tuple[Float[np.ndarray, "r t"], Float[np.ndarray, "r t"]]:
        """`phi^k` and `k phi^(k-1) psi`, in `dt`."""
        k, measure = self._k, _STEP * self._t
        return measure * np.exp(k * self._log_phi), measure * k * np.exp((k - 1) * self._log_phi + self._log_psi)

    @cached_property
    def _couplings(self) -> tuple[Float[np.ndarray, "r t"], Float[np.ndarray, "r t"]]:
        """`k phi^(k-1)` and `k (k-1) phi^(k-2) psi`, in `t dt`."""
        k, scale = self._k, _STEP * self._t**2 * self._k
        return (
            scale * np.exp((k - 1) * self._log_phi),
            scale * (k - 1) * np.exp((k - 2) * self._log_phi + self._log_psi),
        )

    @cached_property
    def _first(self) -> Float[np.ndarray, "r n"]:
        of_own, of_rest = map(self._exponentials.laplace, self._densities)
        return self._X * (self._own * of_own + self._m * of_rest)

    @cached_property
    def _diagonal(self) -> Float[np.ndarray, "r n"]:
        of_own, of_rest = (self._exponentials.laplace(self._t * density) for density in self._densities)
        return self._first - self._X**2 * (self._own * of_own + self._m * of_rest)

    def along(self, direction: Float[Array, "r n"]) -> Float[np.ndarray, "r n"]:
        change, (mixed, pure), integral = self._X * direction, self._couplings, self._exponentials.laplace
        moved_m, moved_q = (self._exponentials.sums(law * change) for law in (self._m, self._own))
        of_own, of_rest = integral(mixed * moved_m), integral(mixed * moved_q + pure * moved_m)
        return self._diagonal * direction - self._X * (self._own * of_own + self._m * of_rest)

    def hessian(self) -> Float[np.ndarray, "r n n"]:
        (mixed, pure), m, X = self._couplings, self._m, self._X
        both = self._own[:, :, None] * m[:, None, :]
        cross = (both + both.transpose(0, 2, 1)) * self._exponentials.products(mixed)
        cross += m[:, :, None] * m[:, None, :] * self._exponentials.products(pure)
        full = -X[:, :, None] * X[:, None, :] * cross
        diagonal = np.arange(X.shape[1])
        full[:, diagonal, diagonal] += self._diagonal
        return full


class _Sums(Expansion):
    """Sums over the negatives, and over pairs of a positive and a negative; no integral."""

    def __init__(
        self,
        loss: str,
        k: int | float,
        z: Float[np.ndarray, "r n"],
        m: Float[np.ndarray, "r n"],
        q: Float[np.ndarray, "r n"],
    ) -> None:
        n = z.shape[1]
        times = 1.0 if isinf(k) else float(k)
        if loss in ("logistic", "decoupled"):
            share = m * np.exp(z)
            total = np.sum(share, axis=1, keepdims=True)
            share /= total
            self._value, self._slopes = np.log(total[:, 0]) - np.sum(q * z, axis=1), share - q
            self._full = np.eye(n) * share[:, None, :] - share[:, :, None] * share[:, None, :]
        elif loss == "exponential":
            up, down = m * np.exp(z), q * np.exp(-z)
            total, inverse = np.sum(up, axis=1, keepdims=True), np.sum(down, axis=1, keepdims=True)
            self._value, self._slopes = times * (total * inverse)[:, 0], times * (up * inverse - total * down)
            cross = up[:, :, None] * down[:, None, :]
            self._full = times * (
                np.eye(n) * (up * inverse + total * down)[:, None, :] - cross - cross.transpose(0, 2, 1)
            )
        else:
            difference = z[:, :, None] - z[:, None, :]  # negative u, positive p
            pair = m[:, :, None] * q[:, None, :]
            slope = 1 / (1 + np.exp(-difference))
            self._value = times * np.sum(pair * np.logaddexp(0.0, difference), axis=(1, 2))
            self._slopes = times * (np.sum(pair * slope, axis=2) - np.sum(pair * slope, axis=1))
            bend = times * pair * slope * (1 - slope)
            self._full = (
                np.eye(n) * (np.sum(bend, axis=2) + np.sum(bend, axis=1))[:, None, :] - bend - bend.transpose(0, 2, 1)
            )

    @property
    def value(self) -> Float[np.ndarray, " r"]:
        return self._value

    @property
    def slopes(self) -> Float[np.ndarray, "r n"]:
        return self._slopes

    def along(self, direction: Float[Array, "r n"]) -> Float[np.ndarray, "r n"]:
        return np.matmul(self._full, direction[:, :, None])[:, :, 0]

    def hessian(self) -> Float[np.ndarray, "r n n"]:
        return self._full
