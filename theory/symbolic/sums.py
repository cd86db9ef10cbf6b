"""Finite sums with a symbolic number of terms, as linear functionals."""

from __future__ import annotations

import sympy as sp


def linear(expression: sp.Expr) -> sp.Expr:
    """Distribute every sum over its terms, and pull out what does not depend on the index.

    `Sum(w[i] (x[i] - m)**2)` becomes `Sum(w[i] x[i]**2) - 2 m Sum(w[i] x[i]) + m**2 Sum(w[i])`. Sums with equal
    terms then compare equal, so identities between sums reduce by ordinary algebra.
    """
    return sp.expand(expression.replace(lambda part: isinstance(part, sp.Sum), _distributed))


Matrix = tuple[sp.Expr, sp.Expr]
"""`alpha I + gamma J` as `(alpha, gamma)`, J the matrix of ones."""


def product(left: Matrix, right: Matrix, n: sp.Expr) -> Matrix:
    """`(alpha I + gamma J)(alpha' I + gamma' J)` of size n, with `J^2 = n J`."""
    return left[0] * right[0], left[0] * right[1] + left[1] * right[0] + n * left[1] * right[1]


def _distributed(total: sp.Sum) -> sp.Expr:
    limits = total.limits
    index = limits[0][0]
    inner = total.function if len(limits) == 1 else _distributed(sp.Sum(total.function, *limits[:-1]))
    if len(limits) > 1:
        index = limits[-1][0]
        limits = limits[-1:]
    parts = []
    for term in sp.Add.make_args(sp.expand(inner)):
        outside, inside = term.as_independent(index, as_Add=False)
        whole = sp.Sum(inside, *limits)
        parts.append(outside * (whole.doit() if inside == 1 else whole))
    return sp.Add(*parts)
