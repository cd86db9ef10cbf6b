"""Lemma 1 for augmentations and the block theorem (`theory.augmentation`): their algebra, for any sizes and any k."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, positive
from theory.symbolic.sums import linear

n, i, j = sp.symbols("n i j", integer=True, positive=True)
k = sp.Symbol("k", integer=True, positive=True)
excess = sp.Symbol("x", integer=True, nonnegative=True)
C = excess + 2
beta, t, sigma, tau, rho = sp.symbols("beta t sigma tau rho", positive=True)
Y, level = sp.symbols("Y u", real=True)
pi = sp.IndexedBase("pi", positive=True)
v = sp.IndexedBase("v", real=True)
W = sp.IndexedBase("W", nonnegative=True)
e = sp.Symbol("e", positive=True)  # e^{-beta C/(C-1)}


def slack_splits() -> Iterator[Obligation]:
    """Sums over the class: `sum_j pi_j = rho`, `sum_j W_ij = pi_i`, and v has `sum_j pi_j v_j = 0`.

    Other classes give every row `pi_i Y/rho`, Y the class-level multiplier; kappa = rho tau.
    """
    row = linear(sp.Sum(-beta * sigma * W[i, j] + beta * pi[i] * tau * pi[j], (j, 1, n)))
    row = row.subs(sp.Sum(W[i, j], (j, 1, n)), pi[i]).subs(sp.Sum(pi[j], (j, 1, n)), rho)
    y = row + pi[i] * Y / rho
    claimed = beta * pi[i] * (-sigma + rho * tau + Y / (beta * rho))
    yield equal("multiplier y_i = (A G)_ii", y, claimed)
    total, squares, form = sp.symbols("m q w", real=True)
    negatives = linear(sp.Sum(sp.Sum(beta * tau * pi[i] * pi[j] * v[i] * v[j], (i, 1, n)), (j, 1, n)))
    for index in (i, j):
        negatives = negatives.subs(sp.Sum(pi[index] * v[index], (index, 1, n)), total)
    yield equal("the negatives' part of v^T S v", negatives, beta * tau * total**2)
    diagonal = linear(sp.Sum(claimed * v[i] ** 2, (i, 1, n))).subs(sp.Sum(pi[i] * v[i] ** 2, (i, 1, n)), squares)
    quadratic = (-beta * sigma * form + negatives - diagonal).subs(total, 0)
    threshold = (rho * tau + Y / (beta * rho)) / sigma
    yield equal("v^T S v = beta sigma ((1 - alpha) sum pi v^2 - v^T W v)", quadratic, beta * sigma * (
        (1 - threshold) * squares - form))  # fmt: skip
    cross = linear(sp.Sum(level * v[i] * (-beta * sigma * pi[i] + beta * pi[i] * tau * rho - claimed), (i, 1, n)))
    yield equal("between v and a constant: 0", cross.subs(sp.Sum(pi[i] * v[i], (i, 1, n)), 0), sp.Integer(0))


def uniform_thresholds() -> Iterator[Obligation]:
    """`alpha = (a - b/(C-1))/(a + b)`, with the expectations a of collisions and b of other negatives."""

    def alpha(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        return (a - b / (C - 1)) / (a + b)

    yield equal("logistic, k = 1", alpha(1 / C / 2, (C - 1) / C * e / (1 + e)), (1 - e) / (1 + (2 * C - 1) * e))
    mean = 1 / C + (C - 1) / C * e
    limit = (1 - e) / (1 + (C - 1) * e)
    yield equal("logistic, k to infinity", alpha(1 / C / mean, (C - 1) / C * e / mean), limit)
    yield equal("exponential, any k (a factor of both)", alpha(1 / C, (C - 1) / C * e), limit)
    separable = alpha(1 / C / 2, (C - 1) / C * e / (1 + e))
    yield equal("separable, any k (a factor of both)", separable, (1 - e) / (1 + (2 * C - 1) * e))
    yield equal("decoupled, k = 1", alpha(1 / C, (C - 1) / C), sp.Integer(0))
    ratio = sp.Symbol("r", positive=True)
    slope = sp.diff(alpha(ratio, sp.Integer(1)), ratio)
    yield positive("alpha increases in a/b", sp.factor(slope))


def _exponentials() -> tuple[sp.Expr, ...]:
    return sp.symbols("p_0 p_g p_b X_g X_b q_0 q_g q_b", positive=True)


def block_slope() -> Iterator[Obligation]:
    """The slope of the loss along the line of class means that sum to 0, up to a total derivative, which integrates to
    the -1 of a positive's term; for any law with the symmetry of blocks."""
    p_0, p_g, p_b, X_g, X_b, q_0, q_g, q_b = _exponentials()
    terms = [sp.exp(-t), sp.exp(-t * X_g), sp.exp(-t * X_b)]
    phi = sum(p * E for p, E in zip((p_0, p_g, p_b), terms, strict=True))
    psi = sum(q * E for q, E in zip((q_0, q_g, q_b), terms, strict=True))
    power = sp.Symbol("P", positive=True)  # phi^(k-1)

    def slope(q: sp.Expr, p: sp.Expr, X: sp.Expr, E: sp.Expr) -> sp.Expr:
        """`d/dz` of the row loss plus the total derivative of `q e^(-tX) phi^k`."""
        total = q * (sp.diff(E, t) * phi + k * E * sp.diff(phi, t)) * power
        return X * (q * E * phi + p * k * psi * E) * power + total

    within, between = slope(q_g, p_g, X_g, terms[1]), slope(q_b, p_b, X_b, terms[2])
    c_1 = p_g * X_g * q_0 - q_g * p_0
    c_2 = -p_g * X_b * q_0 + p_g * p_0 * q_b / p_b
    c_3 = (p_g + p_b) * (X_g * q_b * p_g / p_b - X_b * q_g)
    claimed = c_1 * terms[0] * terms[1] + c_2 * terms[0] * terms[2] + c_3 * terms[1] * terms[2]
    yield equal("dF/dg, the terms in e^(-2tX) cancel", within - p_g / p_b * between, k * power * claimed)
    alike = claimed.subs({q_b: 0, X_b: X_g})
    yield equal("at g = b", alike, -q_g * p_0 * terms[0] * terms[1] - (p_g + p_b) * X_g * q_g * terms[1] ** 2)
    yield positive("which is negative", -alike)


def sign_rule() -> Iterator[Obligation]:
    """With `u = theta_g/X_g`, `w = theta_b/X_b`: stationarity on the line, rearranged; and what each order of u, w and
    theta_0 would mean. J_g > J_b for g > b."""
    theta, u, w, p, J_b, rest = sp.symbols("theta u w p J_b K", positive=True)
    more, gap, wider = sp.symbols("delta epsilon eta", positive=True)
    J_g = J_b + more
    stationary = p * (theta - u) * J_g + p * (w - theta) * J_b + rest * (w - u)
    rearranged = p * (theta - u) * (J_g - J_b) + (w - u) * (p * J_b + rest)
    yield equal("stationarity", stationary, rearranged)
    both = {u: theta - gap, w: theta - gap + wider}
    yield positive("u < theta_0 and w > u: not stationary", sp.expand(stationary.subs(both)))
    mirrored = sp.expand(-stationary.subs({theta: u - gap, w: u - wider}))
    yield positive("u > theta_0 and w < u: not stationary", mirrored)
    downward = p * (theta - w) * J_b + rest * (u - w)
    yield positive("w > u > theta_0: dL/db < 0", sp.expand(-downward.subs({w: u + gap}).subs({theta: u - wider})))


def one_change_of_sign() -> Iterator[Obligation]:
    """`h = c_1 e^(-t r_1) - c_2 e^(-t r_2) - c_3 e^(-t r_3)`, r_1 the largest rate: `e^(t r_1) h` decreases."""
    c_1, c_2, c_3, r, d_2, d_3 = sp.symbols("c_1 c_2 c_3 r d_2 d_3", positive=True)
    rates = (r + d_2 + d_3, r + d_3, r + d_2)
    h = c_1 * sp.exp(-t * rates[0]) - c_2 * sp.exp(-t * rates[1]) - c_3 * sp.exp(-t * rates[2])
    yield positive("-(e^(t r_1) h)' ", sp.simplify(-sp.diff(sp.exp(t * rates[0]) * h, t)))


STEPS = (
    Step(
        "augmentation-slack",
        "on v in class c with sum pi_i v_i = 0 the slack of the collapsed point is beta sigma_c ((1 - alpha_c) "
        "sum pi_i v_i^2 - v^T W v); cross terms with constants vanish; any number of points",
        "derived: theory.augmentation.thresholds",
        slack_splits,
    ),
    Step(
        "augmentation-uniform-thresholds",
        "closed forms of alpha* for C equal classes, and alpha* increases in E[M/(1+S)] / E[(k-M)e/(1+S)]",
        "derived: theory.augmentation.thresholds",
        uniform_thresholds,
    ),
    Step(
        "block-slope",
        "dF_k/dg = beta k int phi^(k-1) (c_1 e^(-t(1+X_g)) + c_2 e^(-t(1+X_b)) + c_3 e^(-t(X_g+X_b))) dt, for any "
        "C, m and k",
        "derived: theory.augmentation.block",
        block_slope,
    ),
    Step(
        "block-one-change-of-sign",
        "a sum of exponentials whose fastest term alone is positive changes sign once, from + to -",
        "derived: theory.augmentation.block",
        one_change_of_sign,
    ),
    Step(
        "block-sign-rule",
        "a minimizer on the line with g > b has theta_b/X_b < theta_g/X_g < theta_0, or is that of the density ratios",
        "derived: theory.augmentation.block",
        sign_rule,
    ),
)
