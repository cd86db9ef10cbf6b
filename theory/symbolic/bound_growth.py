"""How the earlier upper bounds grow with k for uniform priors: the factor alpha(k) against eta^k / k."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative

others = sp.Symbol("o", integer=True, positive=True)  # C - 1
C = others + 1
k = sp.Symbol("k", integer=True, positive=True)
eta = 1 + 1 / others
constant = sp.Symbol("c", positive=True)  # 2 (C-1) H_{C-1}


def saunshi() -> Iterator[Obligation]:
    """`alpha(k) = 1/((1 - tau_k) v_{k+1})`, `1 - tau_k = (1 - 1/C)^k`.

    By the union bound `1 - C (1 - 1/C)^{k+1} <= v_{k+1} <= 1`, so `v_{k+1} -> 1`.
    """
    yield equal("1/(1 - tau_k) = eta^k", (eta * (1 - 1 / C)) ** k, sp.Integer(1))
    missed = C * (1 / eta) ** (k + 1)
    yield equal("a class is missed with probability eta^-(k+1)", 1 - 1 / C, 1 / eta)
    yield equal("the union bound tends to 0", sp.limit(missed, k, sp.oo), sp.Integer(0))
    odds = sp.Symbol("u", nonnegative=True)  # v = 1/(1+u) <= 1
    alpha = eta**k * (1 + odds)
    yield nonnegative("alpha/(eta^k/k) is at least k, and so tends to infinity", alpha / (eta**k / k) - k)
    yield equal("alpha/eta^k = 1/v -> 1", sp.limit(1 / (1 - missed), k, sp.oo), sp.Integer(1))


def ash() -> Iterator[Obligation]:
    """`alpha(k) = 2 eta^k max(1, c/k)`, `c = 2 (C-1) H_{C-1}`; split at `k = c`."""
    gap = sp.Symbol("g", nonnegative=True)

    def alpha(constant: sp.Expr, k: sp.Expr) -> sp.Expr:
        one, ratio = sp.Integer(1), constant / k
        return 2 * eta**k * (one + ratio + sp.Abs(one - ratio)) / 2  # the maximum of two numbers

    yield equal("k <= c = k + g: alpha is 2c times eta^k/k", alpha(k + gap, k) / (eta**k / k), 2 * (k + gap))
    later = constant + gap
    yield equal("k = c + g >= c: alpha is 2k times eta^k/k", alpha(constant, later) / (eta**later / later), 2 * later)
    yield equal("whose inverse tends to 0", sp.limit(1 / (2 * later), gap, sp.oo), sp.Integer(0))


STEPS = (
    Step(
        "growth-saunshi",
        "uniform rho: alpha(k)/(eta^k/k) = k/v_{k+1} -> inf, and alpha(k)/eta^k -> 1, eta = 1 + 1/(C-1)",
        "the factor of Saunshi et al. 2019; the talk's eta^k/k is smaller by a factor of order k",
        saunshi,
    ),
    Step(
        "growth-ash",
        "uniform rho: alpha(k)/(eta^k/k) is the constant 4(C-1)H_{C-1} for k <= 2(C-1)H_{C-1}, then 2k -> inf",
        "the factor of Ash et al. 2021",
        ash,
    ),
)
