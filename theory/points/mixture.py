"""A family of losses that satisfies every hypothesis of [1, Lemma 1], with members that are not submodular."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, array_module, promoting
from theory.errors import InputError


@dataclass(frozen=True)
class Mixture:
    """`l(v) = s sum_i exp(-b v_i) + a exp(-c sum_i v_i) + g log(1 + sum_i exp(-v_i))`, `s, b, c > 0`, `a, g >= 0`.

    For all such parameters (derived):

    - *symmetric*: each part is a symmetric function.
    - *strictly convex*: the first part has the Hessian `s b^2 diag(exp(-b v_i)) > 0`; the second is a convex function
      of a linear one, the third is log-sum-exp of affine functions; nonnegative sums of convex functions are convex.
    - *strictly decreasing* in each coordinate: the first part is, and the others are non-increasing.

    The mixed derivatives of the parts are `0`, `a c^2 exp(-c sum_i v_i) >= 0` and `-g p_i p_j < 0`: the second part is
    supermodular, the third submodular, and nothing in the lemma's hypotheses forbids either.

    Raises:
        InputError: if a parameter is out of this range.
    """

    separable: Fraction
    separable_rate: Fraction
    joint: Fraction
    joint_rate: Fraction
    logistic: Fraction

    def __post_init__(self) -> None:
        if min(self.separable, self.separable_rate, self.joint_rate) <= 0 or min(self.joint, self.logistic) < 0:
            raise InputError("loss", self, "a mixture needs s, b, c > 0 and a, g >= 0")

    def __call__(self, v: Float[Array, "*b k"]) -> Float[Array, "*b"]:
        s, b, a, c, g = (
            float(x) for x in (self.separable, self.separable_rate, self.joint, self.joint_rate, self.logistic)
        )
        return mixture(v, np.array([s, a, g]), np.array([b, c]))

    def __str__(self) -> str:
        return (
            f"{self.separable} sum_i exp(-{self.separable_rate} v_i) + {self.joint} exp(-{self.joint_rate} sum_i v_i)"
            f" + {self.logistic} log(1 + sum_i exp(-v_i))"
        )


@promoting
def mixture(v: Float[Array, "*b k"], coefficients: Float[Array, "3"], rates: Float[Array, "2"]) -> Float[Array, "*b"]:
    """The loss of `Mixture` with coefficients `(s, a, g)` and rates `(b, c)`, all of which may be traced."""
    xp = array_module(v, coefficients, rates)
    separable = xp.sum(xp.exp(-rates[0] * v), axis=-1)
    joint = xp.exp(-rates[1] * xp.sum(v, axis=-1))
    logistic = xp.log1p(xp.sum(xp.exp(-v), axis=-1))
    return coefficients[0] * separable + coefficients[1] * joint + coefficients[2] * logistic
