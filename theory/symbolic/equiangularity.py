"""Balanced classes: equal angles by Jensen over pairs, and how far apart equal angles can be."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import linear, product

excess = sp.Symbol("e", integer=True, nonnegative=True)
C = excess + 2  # at least two classes
total = sp.Symbol("Sigma", real=True)
g = sp.Symbol("g", real=True)
d, i = sp.symbols("d i", integer=True, positive=True)


def invariance() -> Iterator[Obligation]:
    """Transpositions of two classes a and b generate all permutations, so one is enough.

    With negatives that are iid, the loss of an anchor depends on the law of one margin only: on the means `sum_j rho_j
    h(G_cj)` of all functions h. Exchange a and b in G. The sums over the other classes stay (`rest`), and with `rho_a =
    rho_b` the anchor a has the law that b had, every other anchor the law that it had itself; so the loss, a sum over
    anchors weighted by rho, is the same.
    """
    r = sp.Symbol("r", positive=True)  # rho_a = rho_b
    h = sp.Function("h")
    G_ab, G_ca, G_cb = sp.symbols("G_ab G_ca G_cb", real=True)
    rest_a, rest_b, rest_c = sp.symbols("R_a R_b R_c", real=True)

    def law(own: sp.Expr, other: sp.Expr, rest: sp.Expr, first: sp.Expr = r, second: sp.Expr = r) -> sp.Expr:
        return first * h(own) + second * h(other) + rest

    # after the exchange: row a is (G_bb, G_ba, rest_b), row b is (G_ab, G_aa, rest_a), row c has its entries exchanged
    yield equal("anchor a has the law of b", law(sp.Integer(1), G_ab, rest_b), law(G_ab, sp.Integer(1), rest_b))
    yield equal("anchor b has the law of a", law(G_ab, sp.Integer(1), rest_a), law(sp.Integer(1), G_ab, rest_a))
    yield equal("another anchor keeps its own", law(G_cb, G_ca, rest_c), law(G_ca, G_cb, rest_c))
    row = sp.Function("F")
    before = r * row(law(sp.Integer(1), G_ab, rest_a)) + r * row(law(G_ab, sp.Integer(1), rest_b))
    after = r * row(law(sp.Integer(1), G_ab, rest_b)) + r * row(law(G_ab, sp.Integer(1), rest_a))
    yield equal("the two anchors together lose the same", before, after)


def permutations() -> Iterator[Obligation]:
    """Average the Gram matrix over all `C!` permutations of the classes.

    `(C-2)!` of them send an ordered pair of classes to a given one, `(C-1)!` a class to a given one. The loss is the
    same at every permuted matrix (permutation-invariance), so by convexity (jensen) it is no larger at the average,
    which is feasible and equiangular.
    """
    yield equal(
        "off the diagonal, the average is the mean cosine",
        sp.factorial(C - 2) * total / sp.factorial(C),
        total / (C * (C - 1)),
    )
    yield equal("on it, the average of ones is one", sp.factorial(C - 1) * C / sp.factorial(C), sp.Integer(1))


def squared_sum() -> Iterator[Obligation]:
    """Induction on the number of vectors, coordinate by coordinate: `s` is the sum of the earlier ones."""
    s, u = sp.IndexedBase("s", real=True), sp.IndexedBase("u", real=True)
    grown = sp.Sum((s[i] + u[i]) ** 2 - s[i] ** 2 - 2 * s[i] * u[i] - u[i] ** 2, (i, 1, d))
    yield equal("one more vector adds 2 <s, u> + |u|^2", linear(grown), sp.Integer(0))
    yield nonnegative("every coordinate of the left side", (s[i] + u[i]) ** 2)


def cosine_bound() -> Iterator[Obligation]:
    """`|sum u|^2 = C + C (C-1) g` for the mean cosine `g`: so `g = (|sum u|^2 - C) / (C (C-1))`.

    `G = (1-g) I + g J` is a root of `(G - (1-g) I)(G - (1 + (C-1) g) I)`: no other number is an eigenvalue. So the
    smallest is 0 at the bound, and G, being psd, the Gram matrix of C vectors.
    """
    norm = sp.Symbol("N", nonnegative=True)  # |sum u|^2
    yield nonnegative("slack of the bound", (norm - C) / (C * (C - 1)) + 1 / (C - 1))
    first, second = 1 - g, 1 + (C - 1) * g
    for part, value in zip("IJ", product((1 - g - first, g), (1 - g - second, g), C), strict=True):
        yield equal(f"1 - g and 1 + (C-1) g are the eigenvalues, coefficient of {part}", value, sp.Integer(0))
    yield equal("at the bound one is 0", second.subs(g, -1 / (C - 1)), sp.Integer(0))
    yield positive("and the other positive", first.subs(g, -1 / (C - 1)))


def all_representations() -> Iterator[Obligation]:
    """No Lemma 1 needed: bound the conditional mean margin of *any* representation.

    With `mu_c = E[f | c]`, `A` the mean of `|mu_c|^2` and `B` that of `mu_c . mu_c'` over pairs,
    `|sum_c mu_c|^2 = C A + C (C-1) B >= 0`. Given the collision pattern the mean margin is 0 at a collision and
    `A - B` elsewhere; Jensen given the pattern, then monotonicity, leave the loss at the ETF.
    """
    # given that j of the k negatives collide, the class of any other is uniform over the C-1 that are not the anchor's
    mu, s = sp.IndexedBase("mu", real=True), sp.Symbol("s", real=True)  # one coordinate, and its sum over classes
    n, c = sp.symbols("n c", integer=True, positive=True)
    everything = linear(sp.Sum(mu[c] * (mu[c] - (s - mu[c]) / (n - 1)), (c, 1, n)))
    squares = sp.Sum(mu[c] ** 2, (c, 1, n))
    pairs = s**2 - squares  # sum over c != c' of mu_c mu_c'
    found = everything.subs(sp.Sum(mu[c], (c, 1, n)), s)
    yield equal(
        "mean margin without collision is A - B, in every coordinate", found / n, squares / n - pairs / (n * (n - 1))
    )
    norm, spread = sp.symbols("N v", nonnegative=True)  # |sum mu|^2, and 1 - A
    A = 1 - spread
    B = (norm - C * A) / (C * (C - 1))
    yield nonnegative("slack of A - B <= C/(C-1)", sp.factor(C / (C - 1) - (A - B)))


STEPS = (
    Step(
        "permutation-invariance",
        "for equal classes the loss is the same at G and at G with its classes permuted, whatever the loss is",
        "derived: transpositions",
        invariance,
    ),
    Step(
        "equiangularity",
        "averaging G over all permutations of C classes gives equal cosines, their mean",
        "[1, step 1 of the balanced theorem]",
        permutations,
    ),
    Step(
        "sum-of-embeddings",
        "|sum_c u_c|^2 = C + sum_{c != c'} u_c . u_c' >= 0 for C unit vectors in any dimension",
        "[1, step 2 of the balanced theorem]",
        squared_sum,
    ),
    Step(
        "cosine-bound",
        "equal cosines g of C unit vectors satisfy g >= -1/(C-1), and g = -1/(C-1) is attained (simplex ETF)",
        "[1, step 2 of the balanced theorem]",
        cosine_bound,
    ),
    Step(
        "balanced-all-representations",
        "for every f, collapsed or not, the mean margin without collision is A - B <= C/(C-1)",
        "derived",
        all_representations,
    ),
)
