"""The optimal values for balanced classes: `L*_k` and the downstream `L_sup*`."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative
from theory.symbolic.sums import linear

C = sp.Symbol("e", integer=True, nonnegative=True) + 2
k, m = sp.symbols("k m", integer=True, positive=True)
a, b, t, x = sp.symbols("a b t x", positive=True)
n, c, j = sp.symbols("n c j", integer=True, positive=True)


def binomial_theorem() -> Iterator[Obligation]:
    """Induction on `k`: the coefficients obey Pascal's rule, inside and at both ends."""

    def term(power: sp.Expr, count: sp.Expr) -> sp.Expr:
        return sp.binomial(power, count) * a**count * b ** (power - count)

    inside = a * term(k, m - 1) + b * term(k, m) - term(k + 1, m)
    yield equal("inside, Pascal's rule", sp.combsimp(sp.expand_func(inside / (a**m * b ** (k + 1 - m)))), sp.Integer(0))
    yield equal("at m = 0", b * term(k, sp.Integer(0)), term(k + 1, sp.Integer(0)))
    yield equal("at m = k + 1", a * term(k, k), term(k + 1, k + 1))
    yield equal("start, k = 1", term(sp.Integer(1), sp.Integer(0)) + term(sp.Integer(1), sp.Integer(1)), a + b)


def nce_value() -> Iterator[Obligation]:
    """At the ETF `phi = e^{-t}/C + (1 - 1/C) e^{-tx}`; expand the power, then Frullani term by term.

    The terms are those of `m ~ Bin(k, 1/C)`, whose weights sum to one and whose mean is `k/C`.
    """
    hit, miss, z = sp.symbols("P_hit P_miss z", positive=True)
    margin = 1 - (-1 / (C - 1))
    yield equal("margin away from a collision", margin, C / (C - 1))
    powers = (hit * sp.exp(-t)) ** m * (miss * sp.exp(-t * x)) ** (k - m)
    law = hit**m * miss ** (k - m)
    yield equal("each term is e^{-t S_m} with weight P(m)", powers / law, sp.exp(-t * (m + (k - m) * x)))
    generating = (hit * z + miss) ** k  # sum_m P(m) z^m, by the binomial theorem
    chances = {hit: 1 / C, miss: 1 - 1 / C}
    yield equal("the weights sum to one", generating.subs(chances).subs(z, 1), sp.Integer(1))
    yield equal("their mean is k/C", sp.diff(generating, z).subs(chances).subs(z, 1), k / C)
    top = sp.exp(-t) * hit + sp.exp(-t * x) * miss
    yield equal(
        "phi^k is the generating function", top**k, sp.exp(-t * k * x) * generating.subs(z, sp.exp(-t * (1 - x)))
    )


def downstream_bound() -> Iterator[Obligation]:
    """Over pairs, `sum_{c,j} u_c . (w_c - w_j) = C sum_c u_c . w_c - (sum u) . (sum w)`, and `sum u = 0`.

    So the mean margin is at most `C^2 / (C (C-1))`; Jensen, symmetry and monotonicity do the rest, and
    `w_c = u_c` attains it.
    """
    u, w = sp.IndexedBase("u", real=True), sp.IndexedBase("w", real=True)
    pairs = sp.Sum(sp.Sum(u[c] * (w[c] - w[j]), (j, 1, n)), (c, 1, n))
    left = linear(linear(pairs))
    right = n * sp.Sum(u[c] * w[c], (c, 1, n)) - sp.Sum(u[c], (c, 1, n)) * sp.Sum(w[j], (j, 1, n))
    yield equal("sum of all margins, in every coordinate", left, right)
    difference = linear(sp.Sum((u[c] - w[c]) ** 2, (c, 1, n)))
    squares = {sp.Sum(u[c] ** 2, (c, 1, n)): 1, sp.Sum(w[c] ** 2, (c, 1, n)): 1}
    inner = sp.Sum(u[c] * w[c], (c, 1, n))
    yield equal("1 - <u, w> is |u - w|^2/2 for unit vectors", difference.subs(squares) / 2, 1 - inner)
    yield nonnegative("which is a sum of squares", (u[c] - w[c]) ** 2)
    apart = sp.Symbol("D", nonnegative=True)  # sum_c |u_c - w_c|^2, so that sum_c <u_c, w_c> = C - D/2
    mean = (C * (C - apart / 2)) / (C * (C - 1))
    yield nonnegative("slack of the mean margin, as sum u = 0", sp.factor(C / (C - 1) - mean))
    yield equal("attained at w_c = u_c, for every c' != c", 1 + 1 / (C - 1), C / (C - 1))


STEPS = (
    Step(
        "binomial-theorem", "(a+b)^k = sum_m binom(k,m) a^m b^{k-m} for every k", "derived: induction", binomial_theorem
    ),
    Step(
        "nce-optimum-closed-form",
        "at the simplex ETF, L_k = E_{m ~ Bin(k,1/C)} log(1 + m + (k-m) e^{-beta C/(C-1)}), for every C and k",
        "derived from frullani, independent-negatives and binomial-theorem",
        nce_value,
    ),
    Step(
        "downstream-closed-form",
        "at the simplex ETF, L_sup = log(1 + (C-1) e^{-beta C/(C-1)}), attained at w_c = u_c",
        "derived",
        downstream_bound,
    ),
)
