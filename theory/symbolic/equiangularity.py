"""Balanced classes: equal angles by Jensen over pairs, and how far apart equal angles can be."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import linear

excess = sp.Symbol("e", integer=True, nonnegative=True)
C = excess + 2  # at least two classes
total = sp.Symbol("Sigma", real=True)
g = sp.Symbol("g", real=True)
d, i = sp.symbols("d i", integer=True, positive=True)


def permutations() -> Iterator[Obligation]:
    """Average the Gram matrix over all `C!` permutations of the classes.

    `(C-2)!` of them send an ordered pair of classes to a given one, `(C-1)!` a class to a given one. For equal
    priors the loss is the same at every permuted matrix, so by convexity (log-sum-exp-convex, jensen) it is
    no larger at the average, which is feasible and equiangular.
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
    """With `|sum u|^2 = C + C (C-1) g` for the mean cosine `g`, `g + 1/(C-1)` is that over `C (C-1)`."""
    norm = C + C * (C - 1) * g
    yield equal("slack of the bound", g + 1 / (C - 1), norm / (C * (C - 1)))
    yield positive("its denominator", C * (C - 1))
    eigenvalue = 1 + (C - 1) * g
    yield equal("attained: G 1 = (1 + (C-1) g) 1 = 0", eigenvalue.subs(g, -1 / (C - 1)), sp.Integer(0))
    yield positive("attained: the other eigenvalues, 1 - g", 1 + 1 / (C - 1))


def all_representations() -> Iterator[Obligation]:
    """No Lemma 1 needed: bound the conditional mean margin of *any* representation.

    With `mu_c = E[f | c]`, `A` the mean of `|mu_c|^2` and `B` that of `mu_c . mu_c'` over pairs,
    `|sum_c mu_c|^2 = C A + C (C-1) B >= 0`. Given the collision pattern the mean margin is 0 at a collision and
    `A - B` elsewhere; Jensen given the pattern, then monotonicity, leave the loss at the ETF.
    """
    A = sp.Symbol("A", real=True)
    B = sp.Symbol("B", real=True)
    norm = C * A + C * (C - 1) * B
    largest = C / (C - 1)
    yield equal(
        "slack of A - B <= C/(C-1)",
        largest - (A - B),
        norm / (C * (C - 1)) + largest * (1 - A),
    )
    yield positive("weight of |sum mu|^2 >= 0 in the slack", 1 / (C * (C - 1)))
    yield positive("weight of 1 - A >= 0 in the slack", largest)


STEPS = (
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
