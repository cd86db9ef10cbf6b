"""Ash, Goel, Krishnamurthy, Misra. Investigating the Role of Negatives in Contrastive Representation Learning.
AISTATS 2022, arXiv:2106.09943.

Stated for the loss `R_mu` of the mean classifier, so for `L_sup <= R_mu` as well where `f` is constant on classes.

The form for non-uniform priors is given here from memory of the paper and is not proved here. The safe form, which
divides by `min_c (1 - rho_c)^k` for `sum_c rho_c (1 - rho_c)^k`, is proved (derived):

Given an anchor of class `c` and no collision, let `f(n) = E log(1 + b_1 + .. + b_n)` with the terms `b_i > 0` of `n`
iid negatives. `f(0) = 0`, and `f` is concave: `f(n+1) - f(n) = E log(1 + b_{n+1} / (1 + S_n))` falls with `n`. The
coupon collector's time `T` to meet all `j != c` has mean at most `t = (1 - rho_min) H_{C-1} / rho_min`. By Markov
`P(T <= K) >= 1/2` for the largest integer `K < 2t`, or `K = 2t`, hence `f(K) >= R_mu,c / 2`; for `k >= K` the same
holds for `f(k)`, and for `k < K` concavity gives `f(k) >= (k / K) f(K) >= (k / 2t) R_mu,c / 2`. With
`R >= Coll + sum_c rho_c (1 - rho_c)^k f_c(k)` (Jensen, as in `theory.bounds.saunshi2019`),

    R_mu <= 2 max(1, 2t / k) (R - Coll) / min_c (1 - rho_c)^k.
"""

import math

from theory.bounds._bound import Bound, quotient
from theory.bounds.collisions import collision_loss, distinct, log_no_collision, log_no_collision_worst
from theory.priors import Prior


def ash2021(prior: Prior, k: int, risk: float) -> Bound:
    """An upper bound on `R_mu` from the NCE loss `risk` (logistic, any temperature).

    `2 max(1, 2 (1 - rho_min) H_{C-1} / (k rho_min)) (R - Coll) / (1 - tau_k)`, which for a uniform prior is the
    published `2 max(1, 2 (C-1) H_{C-1} / k) (R - Coll) / (1 - tau_k)` (and is then `ash2021_safe`). For other priors:
    from memory and not proved.
    """
    return _ash(prior, k, risk, log_no_collision(prior, k))


def ash2021_safe(prior: Prior, k: int, risk: float) -> Bound:
    """The same with `min_c (1 - rho_c)^k` for `1 - tau_k`: proved for every prior (derived; see the module)."""
    return _ash(prior, k, risk, log_no_collision_worst(prior, k))


def _ash(prior: Prior, k: int, risk: float, log_divisor: float) -> Bound:
    masses, _ = distinct(prior)
    rarest = float(masses[-1])
    harmonic = math.fsum(1 / n for n in range(1, prior.C)) if prior.C < 10**6 else _harmonic(prior.C - 1)
    waiting = 2 * (1 - rarest) / rarest * harmonic
    return quotient(2 * max(1.0, waiting / k) * (risk - collision_loss(prior, k)), log_divisor)


def _harmonic(n: int) -> float:
    """`H_n` for large `n`, by Euler and Maclaurin; the first term left out is `1 / (120 n^4)`."""
    return math.log(n) + 0.57721566490153286 + 1 / (2 * n) - 1 / (12 * n * n)
