"""The convex program over Gram matrices: multipliers of the balanced optimum, and the rank of any optimum."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive

excess = sp.Symbol("e", integer=True, nonnegative=True)
C = excess + 2
k = sp.Symbol("k", integer=True, positive=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
after = sp.Symbol("l", integer=True, nonnegative=True)  # k - 1 - m, the negatives that do not collide
a, beta, t, x = sp.symbols("a beta t x", positive=True)

Matrix = tuple[sp.Expr, sp.Expr]
"""`alpha I + gamma J` of size C as `(alpha, gamma)`, `J` the matrix of ones."""


def product(left: Matrix, right: Matrix) -> Matrix:
    """`(alpha I + gamma J)(alpha' I + gamma' J)`, with `J^2 = C J`."""
    return left[0] * right[0], left[0] * right[1] + left[1] * right[0] + C * left[1] * right[1]


def multipliers() -> Iterator[Obligation]:
    """Everything is a combination of `I` and `J`; the off-diagonal gradient entries are one number `a > 0`."""
    etf: Matrix = (C / (C - 1), -1 / (C - 1))
    gradient: Matrix = (-a, a)
    yield equal("the ETF has unit diagonal", sum(etf), sp.Integer(1))
    yield equal("the gradient has zero diagonal", sum(gradient), sp.Integer(0))
    y = sum(product(gradient, etf))
    yield equal("multipliers y_c = (A G)_cc", y, -a)
    slack: Matrix = (gradient[0] - y, gradient[1])
    yield equal("slack A - Diag(y) = a J: no identity part", slack[0], sp.Integer(0))
    yield positive("and a positive multiple of J, which is psd", slack[1])
    for part, value in zip("IJ", product(slack, etf), strict=True):
        yield equal(f"complementarity S G = 0, coefficient of {part}", value, sp.Integer(0))
    yield equal("dual value: <A, G> = C y", C * y, C * sum(product(gradient, etf)))


def multiplier_value() -> Iterator[Obligation]:
    """`a = beta x/C^2 int k phi^{k-1} e^{-tx} e^{-t} dt`; expand `phi^{k-1}` over `m` collisions, `l` others."""
    denominator = 1 + m + x + after * x
    integrand = sp.exp(-t * m) * sp.exp(-t * x * after) * sp.exp(-t * x) * sp.exp(-t)
    yield equal("exponents add up", integrand, sp.exp(-t * denominator))
    rate = sp.Symbol("r", positive=True)
    yield equal("the integral of each term", sp.integrate(sp.exp(-t * rate), (t, 0, sp.oo)), 1 / rate)
    yield positive("its rate, 1 + m + x + l x", denominator)
    yield positive("so every term of a", beta * x * k / C**2 / denominator)


def rank() -> Iterator[Obligation]:
    """From a positive definite `G` one may still lower a cosine: `G - eps (E_cj + E_jc)` stays feasible.

    If `lambda` is the smallest eigenvalue of `G`, `eps <= lambda` suffices: for any `z`, `eps (z_c^2 + z_j^2) -
    2 eps z_c z_j` is a square. The loss falls at the rate `dL/dG_cj + dL/dG_jc > 0` (loss-derivative, and the
    same for any loss that decreases strictly in its margins), so an optimal `G` is singular: rank <= C-1, and
    by a Gram factorization it is attained in dimension C-1.
    """
    z1, z2 = sp.symbols("z_c z_j", real=True)
    eps, first, second = sp.symbols("epsilon D_cj D_jc", positive=True)
    form = eps * (z1**2 + z2**2) - 2 * eps * z1 * z2
    yield equal("the quadratic form is a square", form, eps * (z1 - z2) ** 2)
    yield nonnegative("so the perturbed matrix is psd", eps * (z1 - z2) ** 2)
    step = sp.Symbol("s", real=True)
    change = -step * (first + second)
    yield positive("and the loss falls", -sp.diff(change, step))


STEPS = (
    Step(
        "kkt-balanced",
        "for uniform rho and any C: y_c = -a, S = A - Diag(y) = a J is psd, S G_ETF = 0",
        "derived",
        multipliers,
    ),
    Step(
        "kkt-balanced-value",
        "a = beta x (k/C^2) E_{m ~ Bin(k-1,1/C)} 1/(1 + m + (k-m) x) > 0, x = e^{-beta C/(C-1)}, for any C and k",
        "derived",
        multiplier_value,
    ),
    Step(
        "optimal-rank",
        "every minimizer over the elliptope, for every prior, is singular: rank <= C-1",
        "derived from loss-derivative",
        rank,
    ),
)
