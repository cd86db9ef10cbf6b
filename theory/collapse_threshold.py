"""When all minority classes collapse onto one point, opposite to the majority: a closed form for every `k`.

One class has mass `p`; the other `C - 1 >= 2` share `q = 1 - p` in any way. The minimizer of the logistic NCE loss
is then total collapse (`u_c = -u_1` for every minority `c`) if and only if `p a_k >= q b_k`, with
`eps = e^{-2 beta}` and

    a_k = eps/2 (E_{m ~ Bin(k-1, p)} + E_{m ~ Bin(k-1, q)}) 1 / (1 + m + eps + (k-1-m) eps)
    b_k = E_{m ~ Bin(k-1, q)} 1 / (2 + m + (k-1-m) eps).

Proof (derived). At total collapse the symmetrised gradient of the loss in the Gram matrix is, up to the factor
`k beta`: `A_{1c} = rho_c p a_k` for a minority `c`, and `A_cj = rho_c rho_j b_k` between minorities. With
`y = (A G)_cc` the dual slack is `S = A - Diag(y)`, whose kernel holds the collapsed direction; eliminating class 1
leaves the Schur complement

    (p a_k - q b_k) (Diag(r) - r r^T / q),       r the minority masses,

whose second factor is positive semidefinite by Cauchy-Schwarz. So `S` is psd, and total collapse optimal (the loss
is convex in the Gram matrix), exactly if `p a_k >= q b_k`. The condition depends on the minorities through `q` only.
For `k = 1`, beta = 1, it is `p >= (1 + e^2) / (3 + e^2)`.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from theory.binomial_means import reciprocal_mean


def collapse_margin(p: float, k: int | float, beta: int | float = 1.0) -> float:
    """`p a_k - q b_k`, scaled by `k` for large `k`: total collapse is optimal iff it is >= 0 (`0 < p < 1`).

    By `theory.binomial_means`; `k = inf` gives the limit of `k (p a_k - q b_k)`.
    """
    return _margin(p, 1 - p, k, beta)


def _margin(p: float, q: float, k: int | float, beta: int | float) -> float:
    eps = math.exp(-2 * beta)
    if math.isinf(k):
        a = eps / 2 * (1 / (p + q * eps) + 1 / (q + p * eps))
        return p * a - q / (q + p * eps)
    a = (
        eps
        / 2
        * (reciprocal_mean(k - 1, p, 1 + eps, 1.0, eps, rest=q) + reciprocal_mean(k - 1, q, 1 + eps, 1.0, eps, rest=p))
    )
    return k * (p * a - q * reciprocal_mean(k - 1, q, 2.0, 1.0, eps, rest=p))


def collapse_threshold(k: int | float, beta: int | float = 1.0) -> float:
    """The majority mass `p` from which on total collapse is optimal, for `k` negatives (`k >= 1` or `inf`).

    `p a_k - q b_k` is negative at `p = 1/2` (where `2 a_k < 2 b_k` term by term) and positive near 1; that it changes
    sign once is observed, not proved.
    """
    # in log q, since q falls like e^{-2 beta}: p = 1 - e^{log q} is exact enough at any temperature
    log_q = brentq(lambda x: _margin(-math.expm1(x), math.exp(x), k, beta), -2 * beta - 3, math.log(0.5), xtol=1e-14)
    return -math.expm1(log_q)
