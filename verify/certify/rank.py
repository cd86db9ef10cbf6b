r"""The rank of the optimal Gram matrix, proven over an enclosure of it.

Let B* be the minimizer over the groups' mean Gram matrices, p_g = B*_gg, and A the symmetrized gradient there (0 where
B is constant). As B in the interior is feasible, there are multipliers y with `S = A - Diag(y)` positive semidefinite
and `S B* = 0`, and for a group of two or more classes `y_g <= 0`, `y_g (1 - p_g) = 0` (verify.checker.dual). Derived:

1.  `(A B*)_gg = y_g p_g`. So a group whose `(A B*)_gg` is not 0 coincides, p_g = 1, and y_g = (A B*)_gg; one with p_g <
    1 is spread, and y_g = 0. For a single class y_g = (A B*)_gg.
2.  `rank B* >= r` if B* has a positive definite principal submatrix of r rows, and `rank B* <= m - r` if S has.
3.  The Gram matrix of all classes has the rank of B* and N_g - 1 more for each spread group (`theory.groups`), and C-1
    at most.

4.  Total collapse, one class opposite to all others, has rank 1. Whether it is the minimizer is decided by the iff of
    `theory.collapse_threshold`; if it is not, and the enclosure excludes all other signs, the rank is 2 at least.

Signs and minors are decided for all matrices of the enclosure at once. Where the bounds do not meet nothing is known of
the rank: near a threshold at which classes begin to coincide, the enclosure must be narrower than the distance to it.
"""

from __future__ import annotations

from fractions import Fraction

from flint import arb, ctx

from theory.objectives import NCE
from theory.problem import Problem
from verify import limits
from verify.certify.balls import ball
from verify.certify.definite import definite_size
from verify.certify.enclosure import enclose_near, guard_bits
from verify.certify.optimum import OptimumProof
from verify.certify.rows import OutOfReach
from verify.certify.total_collapse import is_collapsed

_BITS = 64


def rank_bounds(problem: Problem, gram: tuple[tuple[Fraction, ...], ...], radius: Fraction) -> tuple[int, int]:
    """Bounds on the rank of the optimal Gram matrix of all classes, whose cosines are within `radius` of `gram`."""
    sizes, C, m = problem.population.counts, problem.population.C, len(gram)
    if m > limits.RANK_ROWS:
        return 1, C - 1
    bits = _BITS + (radius.denominator // radius.numerator).bit_length() if radius else 2 * _BITS
    with ctx.workprec(bits + guard_bits(problem)):
        error = arb(0, ball(radius).upper()) if radius else arb(0)
        cosines = [[ball(x) + error for x in row] for row in gram]
        try:
            local = enclose_near(problem, cosines, bits)
        except OutOfReach:
            return 1, C - 1
        slack, low, high = [list(row) for row in local.gradient], definite_size(local.gram), 0
        for g, (n, y) in enumerate(zip(sizes, local.products(), strict=True)):
            if n > 1 and local.gram[g][g] < 1:
                low, high = low + n - 1, high + n - 1
            elif n == 1 or y < 0:
                slack[g][g] -= y
            else:
                slack[g][g] -= y.union(arb(0))
                high += n - 1
        low, high = max(low, 1), min(high + m - definite_size(slack), C - 1)
    collapsed = _collapsed(problem, gram, radius) if low < high else None
    return (low, high) if collapsed is None else (1, 1) if collapsed else (max(low, 2), high)


def _collapsed(problem: Problem, gram: tuple[tuple[Fraction, ...], ...], radius: Fraction) -> bool | None:
    """4. for the class that is opposite to the others, if there is one."""
    groups = range(len(gram))
    if problem.objective != NCE:
        return None
    for g in groups:
        signs = [1 if h == g else -1 for h in groups]
        distance = max(abs(gram[i][j] - signs[i] * signs[j]) for i in groups for j in groups)
        if problem.population.counts[g] == 1 and distance + radius < 2:
            return is_collapsed(problem, problem.population.masses[g])
    return None


def proven_rank(proof: OptimumProof | None) -> int | None:
    """The rank of the optimal Gram matrix of all classes, or None if it is not proven."""
    if proof is None or proof.gram is None or proof.gram_radius is None:
        return None
    low, high = rank_bounds(proof.problem, proof.gram, proof.gram_radius)
    return low if low == high else None
