r"""How far what is computed from embeddings can be from the truth: bounds on cosines, means and moments.

Numbers are of the type `WIDE`, with u half the distance from 1 to the next; sums of n terms are added in any order, so
that they are off by at most `gamma_n = n u / (1 - n u)` times the sum of the moduli (Higham, Accuracy and Stability of
Numerical Algorithms, chapter 3). A factor `SAFETY` covers what is of higher order, and the rounding of these bounds.

*Cosines* (derived). With `e = x / |x|` and `e~` what is computed for it, `|e~ - e| <= (d/2 + 4) u`: the sum of squares
is off by `gamma_d`, its root by half of that and one rounding, quotients by one more each. A product of two such is off
by `gamma_d` and twice that: `(2 d + 8) u`. Means of n unit vectors are off by `(n + d/2 + 5) u`; products of two means,
by `(2 n + 2 d + 12) u`.

*Moments* (derived; `theory.expectation.cosine_moments`). Let `|T~_n - T_n| <= e_n` on the computed cosines. Then

    e_{m+j} <= 2 (e_m + e_j + e_m e_j) + e_{m-j} + 4 u (1 + e_m) (1 + e_j) + u (1 + e_{m-j}),

for the two lists of polynomials one after the other, the second in the first's last entry. The sum of products of a
list of each, with weights that sum to 1 and are good to 6 u, is off by

    e = max_a e_a + max_r e_r + max_a e_a max_r e_r + (2 n + 10) u (1 + max_a e_a) (1 + max_r e_r),

n terms in blocks; and the running sums of `q` columns of twice these by `2 q e + 3 q^2 u`. The moments are at most 1,
and rounded to doubles in the end.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

#: The type in which what is enclosed is computed: the widest at hand that rounds as IEEE says.
WIDE = np.longdouble if np.finfo(np.longdouble).nmant in (52, 63, 112) else np.float64

#: Half the distance of 1 from the next number of that type; or what two doubles, of which exact numbers become numbers
#: of that type (`wide`), leave of one.
U = max(float(np.finfo(WIDE).eps) / 2, 2.0**-106)

SAFETY = 1.01


def wide(value: Fraction) -> np.floating:
    """The number in the type `WIDE`, good to 2 u."""
    near = float(value)
    return WIDE(near) + WIDE(float(value - Fraction(near)))


def cosine_error(d: int) -> float:
    """Of `e_i . e_j`, for unit vectors that were computed from given ones."""
    return SAFETY * (2 * d + 8) * U


def mean_product_error(n: int, d: int) -> float:
    """Of `mu_c . mu_j`, the means of up to n of these unit vectors."""
    return SAFETY * (2 * n + 2 * d + 12) * U


def moment_error(side: int, n: int) -> float:
    """Of every moment of a degree below `side^2`, for a law on n cosines."""
    low = _polynomial_errors(0.0, side)
    high = _polynomial_errors(low[side], side - 1)
    a, r = max(low[:side]), max(high)
    products = a + r + a * r + (2 * n + 10) * U * (1 + a) * (1 + r)
    return SAFETY * (2 * side * products + 3 * side**2 * U) + 2.0**-53


def _polynomial_errors(of_argument: float, last: int) -> list[float]:
    """`e_0 .. e_last` where the argument is off by so much, in the order in which the polynomials are computed."""
    e = [0.0, of_argument]
    while (m := len(e) - 1) < last:
        for j in range(1, min(m, last - m) + 1):
            e.append(2 * (e[m] + e[j] + e[m] * e[j]) + e[m - j] + 4 * U * (1 + e[m]) * (1 + e[j]) + U * (1 + e[m - j]))
    return e
