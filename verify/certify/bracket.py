"""The minimum over class embeddings, enclosed as well as double precision has found it.

For more classes, or groups of equal ones, than can be polished: the bound of `verify.checker.dual` (steps 1 to 5) at
the optimizer's own point, rounded to a few integers (a triangular matrix has its Gram matrix, and half as many
entries). Loss, gradient and slack are enclosed there; the shift that makes the slack positive semidefinite is what
double precision leaves open, and so are the multipliers of groups whose classes do not coincide, which are taken for 0.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from flint import arb, ctx

from theory.problem import Problem
from verify import limits
from verify.certify.balls import bounds
from verify.certify.definite import least_shift
from verify.certify.document import down, up
from verify.certify.enclosure import Point, enclose, guard_bits
from verify.certify.losses import find, unproved
from verify.certify.optimum import OptimumProof, check_d
from verify.certify.rows import OutOfReach
from verify.checker.reading import MAX_CLASSES as CHECKED
from verify.optimize.starts import Start

_BITS = 64
_PLACES = 40
#: Less of a shift is lost in the rounding of a factor in double precision, which is how the checker looks at it.
_LEAST_SHIFT = Fraction(1, 1 << 40)


def prove_bracket(problem: Problem, start: Start, *, relative_width: float = 1e-9) -> OptimumProof:
    """Enclose the minimum of `L_k` at an optimizer's point, without polishing it; no minimizer is enclosed.

    The groups of the problem's prior are those whose mean embeddings the point has. "undecided" if the interval is
    wider than `relative_width * max(1, upper)`.

    Raises:
        InputError: if k is not an integer, or `d < C-1`.
    """
    prior, m = problem.population, len(problem.population.masses)
    check_d(problem)
    failed = OptimumProof(problem, "undecided", "")
    if find(problem.loss_name) is None:
        return replace(failed, reason=f"no proof for the loss '{problem.loss_name}'; {unproved()}")
    if m > limits.BRACKETED_CLASSES:
        return replace(failed, reason=f"brackets are proven for at most {limits.BRACKETED_CLASSES} distinct classes")
    triangular = np.linalg.qr(start.U.T)[1].T
    free = frozenset(np.flatnonzero(start.free).tolist())
    rows = [[round(x) for x in row] for row in np.ldexp(triangular, _PLACES).tolist()]
    point = Point(rows, free, 1 << _PLACES)
    if any(sum(x * x for x in rows[g]) >= point.unit**2 for g in free):
        return replace(failed, reason="the mean of a group's embeddings left the unit ball")
    try:
        local = enclose(problem, point, _BITS)
    except OutOfReach as out:
        return replace(failed, reason=str(out))
    with ctx.workprec(_BITS + guard_bits(problem)):
        least, products = least_shift(local.slack(), list(prior.totals)), local.products()
        signed = all(products[g] <= 0 for g, n in enumerate(prior.counts) if n > 1 and g not in free)
        multipliers = bounds(sum((abs(products[g]) for g in free), arb(0)))[1]
    if least is None or not signed:
        return replace(failed, reason="the dual slack has no factor in double precision")
    # with room for the checker's factor, and for its own enclosures
    shift = Fraction(float(max(4 * least, _LEAST_SHIFT)))
    margin, digits = shift / 64, len(str((256 / shift).__ceil__()))
    low, high = bounds(local.loss)
    lower, upper = down(low - shift - multipliers - margin, digits), up(high + margin, digits)
    if upper - lower > Fraction(relative_width) * max(Fraction(1), upper):
        return replace(failed, reason=f"double precision leaves an interval of width {float(upper - lower):.1e}")
    return replace(
        failed,
        status="proved",
        reason="a feasible point and a dual bound",
        lower=lower,
        upper=upper,
        point=point if m <= CHECKED else None,
        shift=shift,
        rank=prior.C - 1,
        bits=_BITS,
    )
