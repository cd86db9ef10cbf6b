"""Collisions: negatives that share the anchor's class.

With anchor `c ~ rho` and `k` negatives drawn from `rho`, the number `m` of negatives of class `c` is
`Bin(k, rho_c)`. Equal classes count once here, so a million classes in two groups cost two numbers.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.priors import Prior

_STEP = 0.12  # a trapezoid rule of this step is within 1e-16 of the integral below


def distinct(prior: Prior) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """The distinct masses, descending, and how many classes have each."""
    counts: dict[object, int] = {}
    for mass, count in zip(prior.masses, prior.counts, strict=True):
        counts[mass] = counts.get(mass, 0) + count
    masses = np.array([float(mass) for mass in counts])  # type: ignore[arg-type]
    order = np.argsort(-masses, kind="stable")
    return masses[order], np.array([float(n) for n in counts.values()])[order]


def log_no_collision(prior: Prior, k: int) -> float:
    """`log(1 - tau_k) = log sum_c rho_c (1 - rho_c)^k`, the log-probability that no negative collides."""
    masses, counts = distinct(prior)
    return float(np.logaddexp.reduce(np.log(counts * masses) + k * _log_complements(prior)))


def log_no_collision_worst(prior: Prior, k: int) -> float:
    """`log min_c (1 - rho_c)^k`: the same for the anchor class for which a collision is likeliest."""
    return float(k * _log_complements(prior)[0])


def collision_loss(prior: Prior, k: int) -> float:
    """`Coll(k) = sum_c rho_c E_{m ~ Bin(k, rho_c)} log(1 + m)`, which no representation's NCE loss undercuts.

    By Frullani's integral, as in `theory.population`: `E log(1 + m) = int_0^inf (1 - phi^k) e^-t dt/t` with
    `phi(t) = 1 - rho_c (1 - e^-t)`, by the trapezoid rule in `s = log t`; the cost does not grow with `k`.
    """
    masses, counts = distinct(prior)
    s = np.arange(-40.0 - np.log(k), 4.0, _STEP)
    t = np.exp(s)
    weight = np.exp(-t) * _STEP
    rare = -np.expm1(-t)
    total = 0.0
    for mass, count in zip(masses, counts, strict=True):
        expected_log = float(np.sum(-np.expm1(k * np.log1p(-mass * rare)) * weight))
        total += float(count * mass) * expected_log
    return total


def _log_complements(prior: Prior) -> Float[np.ndarray, " m"]:
    """`log(1 - rho)` in the order of `distinct`; in double precision a large mass may be 1."""
    masses = sorted(set(prior.masses), reverse=True)
    return np.array([np.log1p(-float(p)) if 2 * p < 1 else np.log(float(1 - p)) for p in masses])
