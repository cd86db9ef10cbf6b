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

from math import ceil, isinf, log
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ive

from theory.errors import InputError
from theory.expectation.exponentials import Chebyshev, Dense, Exponentials

#: The losses whose expectation has derivatives here.
LOSSES = ("logistic", "decoupled", "exponential", "separable")

#: e^(-pi^2/h) is 4e-18.
_STEP = 0.245
#: What is left out at either end is below e^-38, 3e-17.
_DIGITS = 38.0
#: Numbers held at once in one array; with polynomials, in the cache.
_CHUNK, _CACHED = 8_000_000, 250_000
#: Polynomials of degrees below `_MOST`, whose truncation changes no integral by more, serve so many entries or more,
#: unless rounding in them could be amplified by more than this.
_MANY, _MOST, _TRUNCATION, _AMPLIFIED = 10_000, 64, 1e-15, 300.0


class Anchors(NamedTuple):
    """The rows of `evaluate`: value, gradient, and what else was asked for (None where it was not).

    Attributes:
        value: V of every anchor.
        gradient: dV/dz, one row an anchor.
        product: the second derivative applied to the direction.
        hessian: the second derivative.
    """

    value: Float[np.ndarray, " r"]
    gradient: Float[np.ndarray, "r n"]
    product: Float[np.ndarray, "r n"] | None
    hessian: Float[np.ndarray, "r n n"] | None


def evaluate(
    loss: str,
    k: int | float,
    z: Float[np.ndarray, "r n"],
    negatives: Float[np.ndarray, "r n"],
    positives: Float[np.ndarray, "r n"],
    *,
    direction: Float[np.ndarray, "r n"] | None = None,
    hessian: bool = False,
) -> Anchors:
    """V and its derivatives in z, for each row; every row of `negatives` and of `positives` is a law.

    Args:
        loss: one of `LOSSES`.
        k: number of negatives, real >= 1, or `math.inf` for the limit of the normalized loss.
        z: logarithms, at most 0.
        negatives: m.
        positives: q.
        direction: to multiply the second derivative with.
        hessian: whether to return the second derivative.

    Raises:
        InputError: for a loss without this expectation.
    """
    if loss not in LOSSES:
        raise InputError("loss", loss, f"accepted here: {', '.join(LOSSES)}")
    if loss in ("exponential", "separable") or isinf(k):
        return _sums(loss, k, z, negatives, positives, direction, hessian)
    logistic = loss == "logistic"
    t, degree = _rule(logistic, k, z, positives)
    width = len(t) if degree is None else 4 * degree
    step = max(1, (_CHUNK if degree is None else _CACHED) // (width * z.shape[1]))
    parts = []
    for i in range(0, len(z), step):
        rows = slice(i, i + step)
        along = None if direction is None else direction[rows]
        parts.append(_integrals(logistic, k, t, degree, z[rows], negatives[rows], positives[rows], along, hessian))
    joined = (None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True))
    return Anchors(*joined)  # type: ignore[arg-type]


def _rule(
    logistic: bool, k: int | float, z: Float[np.ndarray, "r n"], positives: Float[np.ndarray, "r n"]
) -> tuple[Float[np.ndarray, " t"], int | None]:
    """The nodes, and the degree of the polynomials that serve there (None: every exponential is taken)."""
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
    weight = (k + 1) * t**2 * np.exp(-t * rest)
    if np.max(weight) > _AMPLIFIED:
        return t, None
    for degree in range(8, _MOST, 4):
        tail = 2 * np.sum([ive(degree + 1 + j, t / 2) for j in range(40)], axis=0)
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


def _integrals(
    logistic: bool,
    k: int | float,
    t: Float[np.ndarray, " t"],
    degree: int | None,
    z: Float[np.ndarray, "r n"],
    m: Float[np.ndarray, "r n"],
    q: Float[np.ndarray, "r n"],
    direction: Float[np.ndarray, "r n"] | None,
    hessian: bool,
) -> Anchors:
    X = np.exp(z)
    exponentials = Dense(X, t) if degree is None else Chebyshev(X, t, degree)
    integral = exponentials.laplace
    log_phi = _log_mean(exponentials, t, m)
    log_psi = _log_mean(exponentials, t, q) if logistic else np.zeros_like(log_phi)
    own = q if logistic else np.zeros_like(q)
    value = _STEP * np.sum(np.expm1(-t) - np.expm1(log_psi + k * log_phi), axis=1) - np.sum(q * z, axis=1)

    measure = _STEP * t
    of_own, of_rest = measure * np.exp(k * log_phi), measure * k * np.exp((k - 1) * log_phi + log_psi)
    first = X * (own * integral(of_own) + m * integral(of_rest))
    gradient = first - q
    if direction is None and not hessian:
        return Anchors(value, gradient, None, None)
    curvature = X * X * (own * integral(t * of_own) + m * integral(t * of_rest))
    mixed = measure * t * k * np.exp((k - 1) * log_phi)
    pure = measure * t * k * (k - 1) * np.exp((k - 2) * log_phi + log_psi)
    product = full = None
    if direction is not None:
        moved_m, moved_q = (exponentials.sums(law * X * direction) for law in (m, own))
        product = (first - curvature) * direction - X * (
            own * integral(mixed * moved_m) + m * integral(mixed * moved_q + pure * moved_m)
        )
    if hessian:
        both = own[:, :, None] * m[:, None, :]
        full = (
            -X[:, :, None]
            * X[:, None, :]
            * (
                (both + both.transpose(0, 2, 1)) * exponentials.products(mixed)
                + m[:, :, None] * m[:, None, :] * exponentials.products(pure)
            )
        )
        diagonal = np.arange(z.shape[1])
        full[:, diagonal, diagonal] += first - curvature
    return Anchors(value, gradient, product, full)


def _sums(
    loss: str,
    k: int | float,
    z: Float[np.ndarray, "r n"],
    m: Float[np.ndarray, "r n"],
    q: Float[np.ndarray, "r n"],
    direction: Float[np.ndarray, "r n"] | None,
    hessian: bool,
) -> Anchors:
    n = z.shape[1]
    times = 1.0 if isinf(k) else float(k)
    if loss in ("logistic", "decoupled"):
        share = m * np.exp(z)
        total = np.sum(share, axis=1, keepdims=True)
        share /= total
        value, gradient = np.log(total[:, 0]) - np.sum(q * z, axis=1), share - q
        full = np.eye(n) * share[:, None, :] - share[:, :, None] * share[:, None, :]
    elif loss == "exponential":
        up, down = m * np.exp(z), q * np.exp(-z)
        total, inverse = np.sum(up, axis=1, keepdims=True), np.sum(down, axis=1, keepdims=True)
        value, gradient = times * (total * inverse)[:, 0], times * (up * inverse - total * down)
        cross = up[:, :, None] * down[:, None, :]
        full = times * (np.eye(n) * (up * inverse + total * down)[:, None, :] - cross - cross.transpose(0, 2, 1))
    else:
        difference = z[:, :, None] - z[:, None, :]  # negative u, positive p
        pair = m[:, :, None] * q[:, None, :]
        slope = 1 / (1 + np.exp(-difference))
        value = times * np.sum(pair * np.logaddexp(0.0, difference), axis=(1, 2))
        gradient = times * (np.sum(pair * slope, axis=2) - np.sum(pair * slope, axis=1))
        bend = times * pair * slope * (1 - slope)
        full = np.eye(n) * (np.sum(bend, axis=2) + np.sum(bend, axis=1))[:, None, :] - bend - bend.transpose(0, 2, 1)
    product = None if direction is None else np.matmul(full, direction[:, :, None])[:, :, 0]
    return Anchors(value, gradient, product, full if hessian else None)
