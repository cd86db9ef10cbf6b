r"""The nodes of the trapezoid rule at both ends, without a sum of exponentials at each.

In `s = log t` most nodes of `verify.certify.rows` lie where nothing happens. For `phi(t) = E e^(-tX)` and S the sum of
k iid X (of k - 1 for the slopes) the integrands are, one = 1 for the logistic loss and 0 for the decoupled one,

    e^-t - E e^(-t(one + S))                    (the loss)
    t E e^(-t(one + S + X))                     (the slope in X).

*Near 0*, where A t is small, A the largest `one + S + X` (at most 1 + K, K as in `verify.certify.rows`), they are
polynomials: remainders of completely monotone functions alternate in sign, so that

    |E e^(-tY) - sum_(j <= M) (-t)^j E Y^j / j!|  <=  (A t)^(M+1) / (M+1)!    for 0 <= Y <= A,

also for the difference of two of them. The powers of the nodes `t_n = e^(nh)` are a geometric series, `G_j =
sum_(n <= n_0) t_n^j = t_(n_0)^j / (1 - e^(-jh))`, and the moments of `one + S` are, up to factorials, the coefficients
of `e^(t one) (sum_m E X^m t^m / m!)^k`; or of `e^(t (one + kx))` times that with the moments of X - x, for any x.

*Far out* the expectations are at most `e^(-decay t)`, `decay <= one + k min X`, and no more is needed of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, floor, lgamma, log

from flint import arb, arb_poly

from verify.certify.balls import Ball

#: The largest t of the nodes near 0 times A. (Fewer nodes or a lower degree: little depends on it.)
_REACH = 0.25


def last_near(h: float, A: int) -> int:
    """`n_0`."""
    return floor(log(_REACH / A) / h)


@dataclass(frozen=True)
class EndNodes:
    """`powers[j]` is G_j for j = 1 .. M + 2; `loss` and `slope` are the sums over the far nodes."""

    powers: list[Ball]
    A: int
    loss: Ball
    slope: Ball

    @classmethod
    def outside(cls, near: Ball, far: list[Ball], step: Ball, A: int, decay: Ball, bits: int) -> EndNodes:
        """The node `near`, with `A near` well below 1, and all left of it, and those of the list `far`."""
        M = 2
        while (M + 1) * log(A * float(near)) - lgamma(M + 2) > -(bits + 4) * log(2):
            M += 1
        falls = [(-t * decay).exp() for t in far]
        left_out = sum(falls, arb(0)), sum((t * e for t, e in zip(far, falls, strict=True)), arb(0))
        kept = sum(((-t).exp() for t in far), arb(0))
        return cls(
            [arb(1), *(near**j / (1 - (-j * step).exp()) for j in range(1, M + 3))],
            A,
            kept - arb(0).union(left_out[0]),
            arb(0).union(left_out[1]),
        )

    @property
    def degree(self) -> int:
        """M."""
        return len(self.powers) - 3

    def sums(self, moments: list[Ball], x: Ball, k: int, one: int) -> tuple[Ball, arb_poly]:
        """The sums of both integrands over these nodes, that of the slope as a polynomial in X - x.

        `moments` are `E (X - x)^m`, m <= M.
        """
        M, G = self.degree, self.powers
        series = [moment / factorial(m) for m, moment in enumerate(moments[: M + 1])]
        # E e^(t(one + S + x)) with k - 1 terms, and E e^(t(one + S)) with k
        around = _product(_power(series, k - 1), _exponential(one + k * x, M))
        whole = _product(around, series)
        remainder = arb(0, (arb(self.A) ** (M + 1) / factorial(M + 1)).upper())
        terms = [(-1) ** j * (arb(1) / factorial(j) - whole[j]) * G[j] for j in range(1, M + 1)]
        # e^(-t(one + S + X)) = e^(-t(one + S + x)) e^(-t(X - x))
        slope = [
            sum(((-1) ** (i + m) * around[i] * G[i + m + 1] for i in range(M - m + 1)), arb(0)) / factorial(m)
            for m in range(M + 1)
        ]
        slope[0] += remainder * G[M + 2] + self.slope
        return sum(terms, remainder * G[M + 1] + self.loss), arb_poly(slope)


def _power(series: list[Ball], k: int) -> list[Ball]:
    """`a^k` to the length of a, by the recurrence of `q = a^k`, `a q' = k a' q`."""
    powers = [series[0] ** k]
    for j in range(1, len(series)):
        terms = ((k * i - (j - i)) * series[i] * powers[j - i] for i in range(1, j + 1))
        powers.append(sum(terms, arb(0)) / (j * series[0]))
    return powers


def _product(a: list[Ball], b: list[Ball]) -> list[Ball]:
    """The product of two series of the same length, to that length."""
    coefficients: list[Ball] = (arb_poly(a) * arb_poly(b)).coeffs()
    return (coefficients + [arb(0)] * len(a))[: len(a)]


def _exponential(x: Ball, M: int) -> list[Ball]:
    """`e^(tx)` to degree M."""
    return [x**j / factorial(j) for j in range(M + 1)]
