"""The lifting inequality behind Lemma 1 for `d >= C`: class means, completed to unit vectors."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative
from theory.symbolic.sums import linear

n, d, i, l = sp.symbols("n d i l", integer=True, positive=True)  # noqa: E741
w = sp.IndexedBase("w", positive=True)
f = sp.IndexedBase("f", real=True)


def mean_norm() -> Iterator[Obligation]:
    """In every coordinate `E f^2 - (E f)^2 = E (f - E f)^2`; sum over coordinates, with `|f| = 1`."""
    mu = sp.Symbol("mu", real=True)
    spread = linear(sp.Sum(w[i] * (f[i] - mu) ** 2, (i, 1, n)))
    second, first = sp.Sum(w[i] * f[i] ** 2, (i, 1, n)), sp.Sum(w[i] * f[i], (i, 1, n))
    yield equal(
        "the spread around the mean",
        spread.subs(first, mu).subs(sp.Sum(w[i], (i, 1, n)), 1),
        (second - first**2).subs(first, mu),
    )
    yield nonnegative("is a mean of squares", w[i] * (f[i] - mu) ** 2)


def lifted_margin() -> Iterator[Obligation]:
    """`f~_c = (mu_c, sqrt(1 - |mu_c|^2) e_c)`: a unit vector, and `f~_c . f~_j = mu_c . mu_j` as `e_c . e_j = 0`."""
    mu, nu = sp.IndexedBase("mu", real=True), sp.IndexedBase("nu", real=True)
    squared = sp.Sum(mu[i] ** 2, (i, 1, d))
    inner = sp.Sum(mu[i] * nu[i], (i, 1, d))
    spread = sp.Sum(w[l] * sp.Sum((f[l] - mu[i]) ** 2, (i, 1, d)), (l, 1, n))  # 1 - |mu_c|^2, by class-mean-norm
    norm = sp.Symbol("N", nonnegative=True)  # |mu_c|^2
    height, other = sp.sqrt(1 - norm), sp.Symbol("h_j", nonnegative=True)
    yield equal("f~_c is a unit vector", norm + height**2, sp.Integer(1))
    # the coordinates e_c and e_j: f~_c has (height, 0) there, f~_j has (0, other)
    lifted = inner + height * 0 + 0 * other
    gain = (1 - lifted) - (squared - inner)
    yield equal("the margin grows by 1 - |mu_c|^2", gain, 1 - squared)
    yield nonnegative("which is a mean of squares", spread)


def mean_margin() -> Iterator[Obligation]:
    """Given the classes, `x`, `x+` and `x-` are independent: products of coordinates have product means."""
    g = sp.IndexedBase("g", real=True)
    v = sp.IndexedBase("v", positive=True)
    a, b, c = sp.symbols("a b c", integer=True, positive=True)
    margin = w[a] * w[b] * v[c] * f[a] * (f[b] - g[c])
    mean = sp.Sum(sp.Sum(sp.Sum(margin, (a, 1, n)), (b, 1, n)), (c, 1, d))
    for _ in range(3):
        mean = linear(mean)
    mu, nu = sp.symbols("mu nu", real=True)
    for index in (a, b):
        mean = mean.subs(sp.Sum(w[index] * f[index], (index, 1, n)), mu).subs(sp.Sum(w[index], (index, 1, n)), 1)
    mean = mean.subs(sp.Sum(v[c] * g[c], (c, 1, d)), nu).subs(sp.Sum(v[c], (c, 1, d)), 1)
    yield equal("mean margin in every coordinate", mean, mu * (mu - nu))
    yield equal("zero where the negative is in the anchor's class", mean.subs(nu, mu), sp.Integer(0))


STEPS = (
    Step(
        "class-mean-norm",
        "1 - |mu_c|^2 = E|f - mu_c|^2 >= 0 for unit f, any number of points, with equality iff f = mu_c",
        "derived",
        mean_norm,
    ),
    Step(
        "mean-margin",
        "E[f(x).(f(x+) - f(x-)) | classes c, j] = |mu_c|^2 - mu_c.mu_j, which is 0 for j = c",
        "derived",
        mean_margin,
    ),
    Step(
        "lifting-inequality",
        "1 - f~_c.f~_j = |mu_c|^2 - mu_c.mu_j + (1 - |mu_c|^2) >= |mu_c|^2 - mu_c.mu_j for j != c",
        "derived: lifting, [1, Lemma 1] for d >= C",
        lifted_margin,
    ),
)
