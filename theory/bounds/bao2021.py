"""Bao, Nagano, Nozawa. On the Surrogate Gap between Contrastive and Supervised Losses. ICML 2022,
arXiv:2110.02501.

Two-sided, for the loss `R_mu` of the mean classifier: `R + D_L <= R_mu <= R + D_U`, with

    D_U = log(max(rho) C^2 cosh(beta)^2 / k)
    D_L = H(rho) + log k - 2 log(1 + k) - 2 log cosh(beta),     H the entropy.

The upper bound carries over to `L_sup <= R_mu` where `f` is constant on classes; the lower bound does not. In the
limit `k -> inf`, with `R` the limit of `L_k - log k`, both stay finite.
"""

import math

from theory.bounds._bound import Bound, at
from theory.bounds.collisions import distinct
from theory.priors import Prior


def bao2021_upper(prior: Prior, k: int | float, risk: float, beta: int | float = 1.0) -> Bound:
    """`R + D_U`. At `k = inf`, `risk` is the limit of `L_k - log k`."""
    masses, _ = distinct(prior)
    log_k = 0.0 if math.isinf(k) else math.log(k)
    return at(risk + math.log(masses[0]) + 2 * math.log(prior.C) + 2 * _log_cosh(beta) - log_k)


def bao2021_lower(prior: Prior, k: int | float, risk: float, beta: int | float = 1.0) -> Bound:
    """`R + D_L`, a lower bound on `R_mu` and not on `L_sup`. At `k = inf`, `risk` is the limit of `L_k - log k`."""
    masses, counts = distinct(prior)
    entropy = -math.fsum(counts * masses * [math.log(m) for m in masses])
    log_k = 0.0 if math.isinf(k) else math.log(k) - 2 * math.log1p(k)
    return at(risk + entropy + log_k - 2 * _log_cosh(beta))


def _log_cosh(x: float) -> float:
    return abs(x) + math.log1p(math.exp(-2 * abs(x))) - math.log(2)
