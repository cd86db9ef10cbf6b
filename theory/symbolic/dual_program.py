"""The convex program over Gram matrices: multipliers of the balanced optimum, and the rank of any optimum."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import Matrix, linear, product

excess = sp.Symbol("e", integer=True, nonnegative=True)
C = excess + 2
k = sp.Symbol("k", integer=True, positive=True)
m = sp.Symbol("m", integer=True, nonnegative=True)
after = sp.Symbol("l", integer=True, nonnegative=True)  # k - 1 - m, the negatives that do not collide
a, beta, t, x = sp.symbols("a beta t x", positive=True)


def multipliers() -> Iterator[Obligation]:
    """Everything is a combination of `I` and `J`; the off-diagonal gradient entries are one number `a > 0`.

    So that `z^T S z = a (sum z)^2 >= 0`.
    """
    etf: Matrix = (C / (C - 1), -1 / (C - 1))
    gradient: Matrix = (-a, a)
    yield equal("the ETF has unit diagonal", sum(etf), sp.Integer(1))
    y = sum(product(gradient, etf, C))
    yield equal("multipliers y_c = (A G)_cc", y, -a)
    slack: Matrix = (gradient[0] - y, gradient[1])
    yield equal("slack A - Diag(y) = a J: no identity part", slack[0], sp.Integer(0))
    n, i, j = sp.symbols("n i j", integer=True, positive=True)
    z, s = sp.IndexedBase("z", real=True), sp.Symbol("s", real=True)
    form = linear(linear(sp.Sum(sp.Sum(slack[1] * z[i] * z[j], (i, 1, n)), (j, 1, n))))
    total = {sp.Sum(z[index], (index, 1, n)): s for index in (i, j)}
    yield equal("its quadratic form is a (sum z)^2", form.subs(total), a * s**2)
    for part, value in zip("IJ", product(slack, etf, C), strict=True):
        yield equal(f"complementarity S G = 0, coefficient of {part}", value, sp.Integer(0))


def multiplier_value() -> Iterator[Obligation]:
    """`a = beta x/C^2 int k phi^{k-1} e^{-tx} e^{-t} dt`; expand `phi^{k-1}` over `m` collisions, `l` others."""
    denominator = 1 + m + x + after * x
    integrand = sp.exp(-t * m) * sp.exp(-t * x * after) * sp.exp(-t * x) * sp.exp(-t)
    yield equal("exponents add up", integrand, sp.exp(-t * denominator))
    rate = sp.Symbol("r", positive=True)
    yield equal("the integral of each term", sp.integrate(sp.exp(-t * rate), (t, 0, sp.oo)), 1 / rate)
    mean = denominator.subs(after, k - 1 - m)
    yield equal("in terms of k and m", mean, 1 + m + (k - m) * x)
    yield positive("every term of a", beta * x * k / C**2 / denominator)


def rank() -> Iterator[Obligation]:
    """From a positive definite `G` one may still lower a cosine: `G - eps (E_cj + E_jc)` stays feasible.

    If `lambda` is the smallest eigenvalue of `G`, `z^T G z >= lambda |z|^2`, and `eps <= lambda` suffices: for any z,
    `lambda |z|^2 - 2 eps z_c z_j` is a sum of squares. The loss falls at the rate `dL/dG_cj + dL/dG_jc > 0`, the
    integrals of what is differentiated here (loss-derivative), so an optimal `G` is singular: rank <= C-1, and by a
    Gram factorization it is attained in dimension C-1.
    """
    z1, z2 = sp.symbols("z_c z_j", real=True)
    eps = sp.Symbol("epsilon", positive=True)
    room, others = sp.symbols("delta Z", nonnegative=True)  # lambda - eps; the sum of all other z_i^2
    bound = (eps + room) * (z1**2 + z2**2 + others) - 2 * eps * z1 * z2
    squares = eps * (z1 - z2) ** 2 + room * (z1**2 + z2**2) + (eps + room) * others
    yield equal("what is left of the smallest eigenvalue", bound, squares)
    yield nonnegative("so the perturbed matrix is psd", squares)
    g, step = sp.symbols("G_cj s", real=True)
    r_c, r_j, R_c, R_j = sp.symbols("rho_c rho_j R_c R_j", positive=True)

    def anchor(mass: sp.Expr, rest: sp.Expr) -> sp.Expr:
        """The integrand of one row, a negative of mass `mass` at the cosine `g - s`."""
        phi = rest + mass * sp.exp(-t * sp.exp(beta * (g - step - 1)))
        return (1 - phi**k) * sp.exp(-t) / t

    both = r_c * anchor(r_j, R_c) + r_j * anchor(r_c, R_j)
    yield positive("and the loss falls along it, from the start", -sp.diff(both, step).subs(step, 0))


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
