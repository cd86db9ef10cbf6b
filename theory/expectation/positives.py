r"""E log(1 + sum_i exp(beta (g_{J_i} - g_P))) for a random positive P and `k` negatives J_i: one integral an anchor.

An anchor sees cosines `g_j` in [-1, 1]; its positive and its negatives are independent, with laws of their own on them.
With `X_j = exp(beta (g_j - 1))`, `phi(t) = E e^{-t X_J}` and `psi(t) = E e^{-t X_P}`, the sum is `T / X_P`, `T = sum_i
X_{J_i}`, and Frullani's integral gives (derived)

    E log(1 + T / X_P) = E log(X_P + T) - E log X_P = int_0^inf (e^{-t} - psi(t) phi(t)^k) dt/t + beta (1 - E g_P),

for all positives of an anchor at once. In `s = log t` the trapezoid rule with step h, any `0 < a < pi/2`, and
`c = min(1, (k+1) min X)` is off by at most

    2 N / (e^{2 pi a/h} - 1),   N = 2 + 2 E_1(2 c cos(a) / (k+2)),
    left of the nodes h (k+1) e^{s_0 - h} / (1 - e^{-h}),   right of them 2 E_1(c e^{s_1})

(derived: where `|arg t| <= a` the integrand is at most `(k+2) |t|`, as `|1 - e^{-tX}| <= |t| X` and `|1 - e^{-t}| <=
|t|`, and at most `2 e^{-c |t| cos a}`; then [2, Theorem 5.1]. For real t it is at most `(k+1) t` and `2 e^{-ct}`). As
`k -> inf` the expectation minus `log k` tends to `log E X_J + beta (1 - E g_P)`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.expectation.integrals import LOG_LEFT, LOG_RIGHT

#: The step at which the rule's error is below rounding (`theory.expectation.integrals`).
STEP = 0.27


class Rule(NamedTuple):
    """Nodes `t`, the step in `log t`, and at which nodes phi and psi count: past these their product is below rounding,
    as it is at most `e^{-t (k+1) e^{-2 beta}}`."""

    t: Float[Array, " t"]
    step: Scalar
    counts: Any


def nodes(k: int | float, beta: int | float) -> int:
    """How many nodes double precision needs, whatever the cosines are; the limit takes no integral."""
    if math.isinf(k):
        return 2
    return math.ceil((float(_last(k, beta)) - float(_first(k))) / STEP) + 1


def rule(k: Scalar, beta: Scalar, nodes: int, xp: Any = np) -> Rule:
    """So many nodes; the number is fixed before compilation. For the limit, which does not look at them, some."""
    if _is_limit(k):
        k = 1.0
    first = _first(k, xp)
    step = (_last(k, beta, xp) - first) / (nodes - 1)
    t = xp.exp(first + step * xp.arange(nodes))
    return Rule(t, step, t <= xp.exp(reach(k, beta, xp)))


def reach(k: Scalar, beta: Scalar, xp: Any = np) -> Any:
    """`log t` of the last node at which phi and psi count."""
    return LOG_RIGHT + 2.0 * beta - xp.log(k + 1.0)


def _first(k: Scalar, xp: Any = np) -> Any:
    return LOG_LEFT - xp.log(k + 1.0)


def _last(k: Scalar, beta: Scalar, xp: Any = np) -> Any:
    # past this e^{-t} is below rounding as well
    return xp.maximum(LOG_RIGHT, reach(k, beta, xp))


class Law(NamedTuple):
    """What the integral needs to know of a law on the cosines of each row.

    Attributes:
        defects: `1 - E e^{-tX}` at every node.
        mean: `E X`.
        mean_cosine: `E g`.
    """

    defects: Float[Array, "rows t"]
    mean: Float[Array, " rows"]
    mean_cosine: Float[Array, " rows"]


class Rows(NamedTuple):
    """The integral of each row.

    Attributes:
        value: `E log(1 + T / X_P)`.
        sensitivity: to first order, by how much it changes at most when phi and psi change by `min(t, 1)`.
    """

    value: Float[Array, " rows"]
    sensitivity: Float[Array, " rows"]


def log1p_ratio(
    cosines: Float[Array, "rows n"],
    positives: Float[Array, "rows n"],
    negatives: Float[Array, " n"],
    k: Scalar,
    beta: Scalar,
    nodes: int,
    xp: Any = np,
) -> Float[Array, " rows"]:
    """The module's expectation for each row, whose positive has a law of its own; with an exponential for each cosine
    and node. Differentiable in everything."""
    at = rule(k, beta, nodes, xp)
    X = xp.exp(beta * (cosines - 1.0))
    complements = -xp.expm1(-at.t[:, None] * X[:, None, :])
    of_negatives = Law(complements @ negatives, X @ negatives, cosines @ negatives)
    mass = positives[:, :, None]
    of_positives = Law(
        (complements @ mass)[..., 0], xp.sum(positives * X, axis=-1), xp.sum(positives * cosines, axis=-1)
    )
    return integral(at, of_negatives, of_positives, k, beta, xp).value


def integral(rule: Rule, negatives: Law, positives: Law, k: Scalar, beta: Scalar, xp: Any = np) -> Rows:
    """The module's expectation from the two laws; for `k = inf` its limit minus `log k`."""
    linear = beta * (1.0 - positives.mean_cosine)
    if _is_limit(k):
        return Rows(xp.log(negatives.mean) + linear, 1 / negatives.mean)
    t, h = rule.t, rule.step
    log_phi, log_psi = (
        _log_of_complement(xp.where(rule.counts, law.defects, 1.0), xp) for law in (negatives, positives)
    )
    integrand = xp.expm1(-t) - xp.expm1(k * log_phi + log_psi)
    # left of the nodes to first order in t
    first_order = (k * negatives.mean + positives.mean - 1.0) * t[0] / xp.expm1(h)
    slopes = xp.exp((k - 1) * log_phi) * (k * xp.exp(log_psi) + xp.exp(log_phi))
    return Rows(
        h * (xp.sum(integrand, axis=-1) + first_order) + linear, h * xp.sum(xp.minimum(t, 1.0) * slopes, axis=-1)
    )


def _is_limit(k: Scalar) -> bool:
    return isinstance(k, float) and math.isinf(k)


def _log_of_complement(q: Array, xp: Any) -> Array:
    """`log(1 - q)`; what is below rounding no longer counts beside 1."""
    return xp.log1p(-xp.clip(q, 0.0, 1 - 2.0**-53))
