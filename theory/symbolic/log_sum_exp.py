"""Log-sum-exp: its Hessian is a variance, it is submodular in the margins, and Jensen's inequality follows."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import linear

n, i = sp.symbols("n i", integer=True, positive=True)
s, m = sp.symbols("s m", real=True)
a = sp.IndexedBase("a", positive=True)
w = sp.IndexedBase("w", positive=True)
x = sp.IndexedBase("x", real=True)
z = sp.IndexedBase("z", real=True)


def hessian() -> Iterator[Obligation]:
    """Along a line, `g(s) = log sum_i a_i e^{s z_i}` has `g'' = z^T H z = sum_i p_i (z_i - m)^2`.

    `p_i` are the softmax weights and `m` their mean of `z`; every direction `z` and base point `log a_i` is
    covered, so the Hessian is positive semidefinite everywhere, with kernel `z` constant. `log(1 + sum)` is
    the case in which one `z_i` is 0.
    """
    M = [sp.Sum(a[i] * z[i] ** power * sp.exp(s * z[i]), (i, 1, n)) for power in range(3)]
    symbols = sp.symbols("M0 M1 M2", positive=True)
    named = dict(zip(M, symbols, strict=True))
    second = sp.diff(sp.log(M[0]), s, 2)
    yield equal(
        "second derivative", linear(second).subs(named), symbols[2] / symbols[0] - (symbols[1] / symbols[0]) ** 2
    )
    variance = sp.Sum(a[i] * sp.exp(s * z[i]) * (z[i] - m) ** 2, (i, 1, n))
    yield equal(
        "is the variance under the softmax weights",
        (linear(variance).subs(named) / symbols[0]).subs(m, symbols[1] / symbols[0]),
        symbols[2] / symbols[0] - (symbols[1] / symbols[0]) ** 2,
    )
    yield nonnegative("each term of the variance", a[i] * sp.exp(s * z[i]) * (z[i] - m) ** 2)


def mixed_derivative() -> Iterator[Obligation]:
    """All terms but the two that vary are one rest `R >= 0`, however many they are."""
    u, v = sp.symbols("u v", real=True)
    R = sp.Symbol("R", nonnegative=True)
    total = R + sp.exp(-u) + sp.exp(-v)
    mixed = sp.diff(sp.log(total), u, v)
    yield equal("mixed derivative", mixed, -sp.exp(-u) * sp.exp(-v) / total**2)
    yield positive("and its negative is a product of softmax weights", sp.exp(-u) * sp.exp(-v) / total**2)
    yield positive("decreasing in each margin", -sp.diff(sp.log(total), u))


def jensen() -> Iterator[Obligation]:
    """A convex function lies above its tangent: the remainder is `int_0^1 (1-s) g''(s) ds`. Then average."""
    g = sp.Function("g", real=True)
    remainder = sp.diff((1 - s) * sp.diff(g(s), s) + g(s), s) - (1 - s) * sp.diff(g(s), s, 2)
    yield equal("Taylor's remainder by parts", remainder, sp.Integer(0))
    slope = sp.Symbol("slope", real=True)
    mean = sp.Sum(w[i] * x[i], (i, 1, n))
    one = sp.Sum(w[i], (i, 1, n))
    tangent = linear(sp.Sum(w[i] * slope * (x[i] - m), (i, 1, n)))
    yield equal("the tangent's slope averages out", tangent.subs(one, 1).subs(mean, m), sp.Integer(0))


def sums() -> Iterator[Obligation]:
    """Along the line `v + s z` each term of the sum is a function of `v_i + s z_i` alone."""
    v, direction = sp.symbols("v z", real=True)
    margin = v + s * direction
    for name, term in (("e^-v", sp.exp(-margin)), ("log(1 + e^-v)", sp.log(1 + sp.exp(-margin)))):
        yield nonnegative(f"{name} is convex", sp.factor(sp.simplify(sp.diff(term, s, 2))))
        yield positive(f"and {name} falls", sp.factor(sp.simplify(-sp.diff(term, v))))


STEPS = (
    Step(
        "log-sum-exp-convex",
        "z^T Hess(log sum_i e^{y_i}) z = Var_softmax(z) >= 0, for any number n of terms",
        "derived",
        hessian,
    ),
    Step(
        "log-sum-exp-submodular",
        "d^2/dv_i dv_j log(1 + sum_i e^{-v_i}) = -p_i p_j < 0 for i != j, and d/dv_i < 0",
        "derived",
        mixed_derivative,
    ),
    Step(
        "sums-of-exponentials",
        "sum_i e^{-v_i} and sum_i log(1 + e^{-v_i}) are convex and fall in each margin",
        "derived",
        sums,
    ),
    Step(
        "jensen",
        "sum_i w_i g(x_i) >= g(sum_i w_i x_i) for convex g and any weights w_i > 0 with sum 1",
        "derived: supporting line",
        jensen,
    ),
)
