"""E log(1 + S) and E log S, for a sum `S = sum_{i<=k} exp(-v_{J_i})` of `k` iid terms, at a cost free of `k`.

With `x = exp(-v)` and `phi(t) = E exp(-t x_J)`, Frullani's integral and independence give (derived):

    E log(1 + S) = int_0^inf (1 - phi(t)^k) e^{-t} dt/t
    E log S      = int_0^inf (e^{-t} - phi(t)^k) dt/t

Substituting `t = e^s`, the integrands are analytic in the strip `|Im s| < pi/2` (for integer `k`) and decay at
both ends, so the trapezoid rule converges like `exp(-pi^2/h)` [2, Theorem 5.1]. With step `h <= 0.27` its error
is below 1e-15. The number of nodes is fixed, so that `k`, weights and margins may be traced: a new value never
recompiles. The nodes must cover `log(k x_max)` and, for `E log S`, `-log(x_min)`:

    log(1 + S):  0.27 nodes >= 25 + log(k max(1, x_max))
    log S:       0.27 nodes >= 25 + log(k x_max) - log(min(1, k x_min))

Outside that range the accuracy degrades smoothly. Real `k >= 1` is allowed; there `phi^k` has branch points in
the strip, so that the error bound does not hold, and accuracy rests on tests against adaptive quadrature.

*Derivatives* (derived). With weights `w`, `D = k phi^{k-1} t` times `e^{-t}` (not for `E log S`), and in `ds = dt/t`,

    dE/dv_j          = -w_j x_j I_j,                     I_j = int D e^{-t x_j} ds
    d^2E/dv_j dv_l   = [j = l] w_j x_j (I_j - x_j int D t e^{-t x_j} ds)
                       - (k - 1) w_j x_j w_l x_l int D (t / phi) e^{-t x_j} e^{-t x_l} ds.

`E log S` is computed at `x / x_max`, which changes neither of these.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, constant, promoting
from theory.expectation.expansion import Expansion
from theory.expectation.exponentials import Dense, Exponentials

LOG1P_NODES = 192
LOG_NODES = 448

# The sum over nodes left of the first is taken in closed form to first order in k x t; what remains is of
# relative size (k x_max t_0)^2 = 1e-18.
LOG_LEFT = -20.72
# E_1(38.2) = 7e-19
LOG_RIGHT = 3.643


class Rule(NamedTuple):
    """Nodes `t`, the step in `log t`, and sums over what is left of them (of `t`) and right of them (of `e^{-t}`)."""

    t: Float[Array, "*b t"]
    step: Float[Array, "*b"]
    left: Float[Array, "*b"]
    right: Float[Array, "*b"] | float


class LogIntegral(Expansion):
    """One of the two integrals for each row, with derivatives by margins, weights and `k` (module docstring).

    Args:
        x: `exp(-v)`, for `E log S` scaled to a largest entry of 1.
        log_phi: at every node.
        damped: whether `D` has the factor `e^{-t}`.
        value: the integral.
    """

    def __init__(
        self,
        x: Float[Array, "*b n"],
        weights: Float[Array, "*w n"],
        k: Scalar,
        rule: Rule,
        exponentials: Exponentials,
        log_phi: Float[Array, "*b t"],
        *,
        damped: bool,
        value: Float[Array, "*b"],
    ) -> None:
        self._x, self._weights, self._k, self._rule = x, weights, k, rule
        self._exponentials, self._log_phi, self._damped, self._value = exponentials, log_phi, damped, value

    @property
    def value(self) -> Float[Array, "*b"]:
        return self._value

    @cached_property
    def _scaled(self) -> Float[Array, "*b n"]:
        return self._weights * self._x

    @cached_property
    def _density(self) -> Float[Array, "*b t"]:
        """`D / t` times the step."""
        k, t = self._k, self._rule.t
        exponent = (k - 1) * self._log_phi
        return (self._rule.step * k)[..., None] * array_module(exponent).exp(exponent - t if self._damped else exponent)

    @cached_property
    def _integrals(self) -> Float[Array, "*b n"]:
        """`I_j`."""
        left = self._rule.step * self._k * self._rule.left
        return self._exponentials.laplace(self._density * self._rule.t) + left[..., None]

    @cached_property
    def _second(self) -> Float[Array, "*b n"]:
        """`int D t e^{-t x_j} ds`."""
        return self._exponentials.laplace(self._density * self._rule.t**2)

    @cached_property
    def _coupling(self) -> Float[Array, "*b t"]:
        """`(k - 1) D t / phi` times the step."""
        xp, k, t = array_module(self._log_phi), self._k, self._rule.t
        # for k = 1 it is 0, however small phi is
        exponent = xp.minimum((k - 2) * self._log_phi, 700.0)
        scale = (self._rule.step * k * (k - 1))[..., None]
        return scale * t**2 * xp.exp(exponent - t if self._damped else exponent)

    @property
    def slopes(self) -> Float[Array, "*b n"]:
        return -self._scaled * self._integrals

    def along(self, direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
        change = self._scaled * direction
        coupled = self._exponentials.laplace(self._coupling * self._exponentials.sums(change))
        return change * (self._integrals - self._x * self._second) - self._scaled * coupled

    def curvature(self) -> Callable[[Float[Array, "*b n"]], Float[Array, "*b n"]]:
        own, coupled = self._integrals - self._x * self._second, self._exponentials.coupled(self._coupling)

        def along(direction: Float[Array, "*b n"]) -> Float[Array, "*b n"]:
            change = self._scaled * direction
            return change * own - self._scaled * coupled(change)

        return along

    def hessian(self) -> Float[Array, "*b n n"]:
        own = self._scaled * (self._integrals - self._x * self._second)
        cross = self._scaled[..., :, None] * self._scaled[..., None, :]
        identity = array_module(own).eye(own.shape[-1])
        return own[..., :, None] * identity - cross * self._exponentials.products(self._coupling)

    def by_weights(self) -> Float[Array, "*b n"]:
        """`dE/dw_j` at `E log(1 + S)`: `int k phi^{k-1} (1 - e^{-t x_j}) e^{-t} ds`, the total weight being kept."""
        left = self._rule.step * self._k * self._rule.left
        return self._exponentials.complement(self._density) + left[..., None] * self._x

    def by_k(self) -> Float[Array, "*b"]:
        """`dE/dk` at `E log(1 + S)`."""
        xp = array_module(self._log_phi)
        inner = -xp.sum(self._log_phi * xp.exp(self._k * self._log_phi - self._rule.t), axis=-1)
        return self._rule.step * (inner + xp.sum(self._scaled, axis=-1) * self._rule.left)


def log1p_integral(
    x: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, rule: Rule, exponentials: Exponentials
) -> LogIntegral:
    """`E log(1 + S)` by this rule."""
    xp = array_module(x, weights, k)
    # 1 - phi = q never cancels; where phi is below rounding, its power no longer counts beside 1
    q = exponentials.defects(weights)
    log_phi = xp.log1p(-xp.clip(q, 0.0, 1 - 2.0**-53))
    nodes = xp.sum(-xp.expm1(k * log_phi) * xp.exp(-rule.t), axis=-1)
    value = rule.step * (nodes + rule.right + k * xp.sum(weights * x, axis=-1) * rule.left)
    return LogIntegral(x, weights, k, rule, exponentials, log_phi, damped=True, value=value)


def log1p_expansion(
    margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, nodes: int = LOG1P_NODES
) -> LogIntegral:
    """`E log(1 + sum_{i<=k} exp(-v_{J_i}))`, `J_i` iid with these weights, for margins of any sign."""
    xp = array_module(margins, weights, k)
    margins = xp.asarray(margins)
    largest = constant(xp.maximum(0.0, xp.max(-margins, axis=-1)))
    rule = _rule(LOG_LEFT - xp.log(k) - largest, LOG_RIGHT, nodes)
    x = xp.exp(-margins)
    return log1p_integral(x, xp.asarray(weights), k, rule, Dense(x, rule.t))


def log_expansion(
    margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, nodes: int = LOG_NODES
) -> LogIntegral:
    """`E log sum_{i<=k} exp(-v_{J_i})`, `J_i` iid with these weights."""
    xp = array_module(margins, weights, k)
    margins, weights = xp.asarray(margins), xp.asarray(weights)
    # log S is shifted by its value at the largest margin's term, so that x <= 1
    shift = xp.max(-margins, axis=-1)
    log_x = -margins - shift[..., None]
    least = constant(xp.min(log_x, axis=-1))
    rule = _rule(LOG_LEFT - xp.log(k) + 0 * least, LOG_RIGHT - xp.minimum(0.0, xp.log(k) + least), nodes)
    x = xp.exp(log_x)
    exponentials = Dense(x, rule.t)
    q = exponentials.defects(weights)
    small = q < 0.5
    # there is no trailing e^{-t} to hide rounding in phi: where phi is small, it is summed in logarithms
    log_phi = xp.where(small, xp.log1p(-xp.where(small, q, 0.0)), exponentials.log_sums(weights))
    first_order = (k * xp.sum(weights * x, axis=-1) - 1.0) * rule.left
    # both exponentials are near 1 for small t
    near = xp.expm1(-rule.t) - xp.expm1(k * log_phi)
    integrand = xp.where(small, near, xp.exp(-rule.t) - xp.exp(k * log_phi))
    value = shift + rule.step * (xp.sum(integrand, axis=-1) + first_order)
    return LogIntegral(x, weights, k, rule, exponentials, log_phi, damped=False, value=value)


@promoting
def log1p_sum(
    margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, nodes: int = LOG1P_NODES
) -> Float[Array, "*b"]:
    """`E log(1 + sum_{i<=k} exp(-v_{J_i}))`, `J_i` iid with these weights (module docstring)."""
    return log1p_expansion(margins, weights, k, nodes).value


@promoting
def log_sum(
    margins: Float[Array, "*b n"], weights: Float[Array, "*w n"], k: Scalar, nodes: int = LOG_NODES
) -> Float[Array, "*b"]:
    """`E log sum_{i<=k} exp(-v_{J_i})`, `J_i` iid with these weights (module docstring)."""
    return log_expansion(margins, weights, k, nodes).value


def _rule(left: Float[Array, "*b"], right: Any, nodes: int) -> Rule:
    """Nodes `t_j = exp(left + j h)`, and `sum_{j>=1} exp(left - j h)`; nothing counts to the right of them."""
    xp = array_module(left, right)
    h = (right - left) / (nodes - 1)
    t = xp.exp(left[..., None] + h[..., None] * xp.arange(nodes))
    return Rule(t, h, t[..., 0] / xp.expm1(h), 0.0)
