r"""Means over a binomial number of collisions, at a cost that does not grow with the number of draws.

For `m ~ Bin(K, s)` (derived, `1/D = int_0^inf e^{-tD} dt`)

    E 1/(A + m B + (K-m) C) = int_0^inf e^{-tA} (s e^{-tB} + (1-s) e^{-tC})^K dt,

and with a factor `f(t)` under the integral, means of other functions of `D = A + m B + (K-m) C`: `t` gives `1/D^2`,
`1 - e^{-ht}` gives `1/D - 1/(D+h)` without cancellation. By the trapezoid rule in `log t`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

#: The error of the rule is about e^{-pi^2 / step}.
_STEP = 0.12

Factor = Callable[[Float[np.ndarray, " t"]], Float[np.ndarray, " t"]]


def reciprocal_mean(
    K: int | float, s: float, A: float, B: float, C: float, factor: Factor | None = None, rest: float | None = None
) -> float:
    """The mean above, for real `K >= 0` and `A, B, C > 0`; `rest` is `1 - s` where it is known more exactly."""
    rest = 1 - s if rest is None else rest
    t = np.exp(np.arange(-42.0, 5.0, _STEP)) / (A + K * min(B, C))  # t is about 1/D at most
    weight = t if factor is None else t * factor(t)
    return float(np.sum(np.exp(-t * A + K * _log_mean_exp(t * B, t * C, s, rest)) * weight) * _STEP)


def _log_mean_exp(
    first: Float[np.ndarray, " t"], second: Float[np.ndarray, " t"], s: float, rest: float
) -> Float[np.ndarray, " t"]:
    """`log(s e^{-first} + rest e^{-second})`, relative to the smaller exponent and without cancellation near 0."""
    least = np.minimum(first, second)
    first, second = first - least, second - least
    apart = np.maximum(first, second)
    small = np.log1p(s * np.expm1(-np.minimum(first, 1)) + rest * np.expm1(-np.minimum(second, 1)))
    large = np.logaddexp(math.log(s) - first, math.log(rest) - second)
    return np.where(apart < 0.5, small, large) - least
