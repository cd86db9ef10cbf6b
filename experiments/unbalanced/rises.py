r"""Boxes of priors of three classes on which the loss of the mean classifier is proved to rise with `k`.

With `X_cj = exp(beta (G_cj - 1))` the weighted loss of the mean classifier is `R(G) = sum_c rho_c log sum_j X_cj`,
convex in the Gram matrix `G` as the population loss `L_k` is (integer `k`). Where the minimizer of `L_k1` is total
collapse, `R` there is `p log(1 + 2 e^(-2 beta)) + (1-p) log(2 + e^(-2 beta))`, `p` the largest mass. Below the
minimizer `G*` of `L_k2` (derived):

1.  For unit vectors `u_c` with Gram matrix `G`, and `lambda >= 0`, let `A` be the symmetrized gradient of
    `F = R + lambda L_k2` at `G`, with zero diagonal. If its entries off the diagonal are positive, then with
    `v_c = sqrt(A_cj A_cl / A_jl)` ({c, j, l} the three classes) `v_c v_j = A_cj`, and for every feasible `G'`

        sum_{c != j} A_cj G'_cj = <v v^T, G'> - |v|^2 >= -|v|^2,    with equality up to `|U^T v|^2` at `G`,

    so that by convexity `F(G') >= F(G) - |U^T v|^2`.
2.  `L_k2(G*) <= L_k2(G)`. Hence `R(G*) >= F(G*) - lambda L_k2(G) >= R(G) - |U^T v|^2`.

Nothing is lost for `lambda -> inf` at one prior, where `G -> G*` and `U^T v = 0` at the minimizer of `F`. Over a box
of priors `G` and `lambda` stay the same, and `|U^T v|^2` is of second order in its size. With `A_cj = rho_c rho_j beta
B_cj`: `|U^T v|^2 = beta B_12 B_13 B_23 |sum_c rho_c u_c / B_jl|^2`, and

    B_cj = lambda X_cj (I_cj + I_jc)/2 + (P_cj/rho_j + P_jc/rho_c)/2,      P_cj = X_cj / sum_l X_cl,
    I_cj = int_0^inf k phi_c^(k-1) e^(-t X_cj) e^(-t) dt,                  phi_c = sum_j rho_j e^(-t X_cj).

A box holds the priors `(1-q, q (1-s), q s)` for `q` and `s` in two intervals. For each `t`, `phi_c` rises in `s` iff
`X_c3 < X_c2`; it rises in `q` if `X_c1` is the largest of its row, and falls if it is the least: so `I_cj` lies between
its values at two corners, which are exact priors (`verify.certify.enclosure` encloses these, with all quadrature
errors). Everything else is ball arithmetic. `rises_search` proposes the boxes, the vectors and `lambda`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from flint import arb, ctx

from verify.certify.balls import ball
from verify.certify.rows import law, row_losses

Ball = Any
_BITS = 40
_WORKING_BITS = 128
#: Pairs of classes; reversed, the pair that leaves out class 0, 1, 2.
PAIRS = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True)
class Box:
    """Priors `(1-q, q (1-s), q s)` with `q` and `s` in intervals, `0 <= q <= 1/2`, `0 <= s <= 1/2`.

    Raises:
        ValueError: for other intervals.
    """

    q: tuple[Fraction, Fraction]
    s: tuple[Fraction, Fraction]

    def __post_init__(self) -> None:
        for name, (lo, hi) in (("q", self.q), ("s", self.s)):
            if not 0 <= lo <= hi <= Fraction(1, 2):
                raise ValueError(f"{name} from {lo} to {hi}: no interval within 0 to 1/2")

    @property
    def share(self) -> Fraction:
        """The share of the simplex of all priors that arise from these by an exchange of classes."""
        return 6 * (self.q[1] ** 2 - self.q[0] ** 2) * (self.s[1] - self.s[0])

    @property
    def masses(self) -> list[tuple[Fraction, Fraction]]:
        """The interval of each mass."""
        (q0, q1), (s0, s1) = self.q, self.s
        return [(1 - q1, 1 - q0), (q0 * (1 - s1), q1 * (1 - s0)), (q0 * s0, q1 * s1)]


@dataclass(frozen=True)
class Witness:
    """What the proof of a box starts from: `lambda`, and vectors `(cos a, sin a)` for `a` in `(0, *angles)`.

    Raises:
        ValueError: unless `lambda >= 0` (step 2 needs it) and all are finite.
    """

    strength: float
    angles: tuple[float, float]

    def __post_init__(self) -> None:
        if not (isfinite(self.strength) and self.strength >= 0):
            raise ValueError(f"strength {self.strength}: a finite number >= 0 is needed")
        if len(self.angles) != 2 or not all(map(isfinite, self.angles)):
            raise ValueError(f"angles {self.angles}: two finite numbers are needed")


def rises(k: int, box: Box, witness: Witness, beta: Fraction) -> bool:
    """Whether it is proved that `R` at the minimizer of `L_k` exceeds that at total collapse, all over the box.

    Raises:
        ValueError: unless `k` is a positive integer and `beta > 0`.
    """
    if type(k) is not int or k < 1 or beta <= 0:
        raise ValueError(f"k = {k}, beta = {beta}: a positive integer and a positive number are needed")
    with ctx.workprec(_WORKING_BITS):
        b = ball(beta)
        exact = [arb(0), *(arb(a) for a in witness.angles)]
        U = [(a.cos(), a.sin()) for a in exact]
        X = [[arb(1) if c == j else (b * ((exact[c] - exact[j]).cos() - 1)).exp() for j in range(3)] for c in range(3)]
        sums = [sum(row, arb(0)) for row in X]
        opposite = (-2 * b).exp()
        collapsed = [(1 + 2 * opposite).log(), *[(2 + opposite).log()] * 2]
        gain = [x.log() - y for x, y in zip(sums, collapsed, strict=True)]
        corners = [(1 - q, q * (1 - s), q * s) for q in box.q for s in box.s]
        # linear in q and in s: least at a corner
        least = [sum((ball(m) * g for m, g in zip(corner, gain, strict=True)), arb(0)).lower() for corner in corners]
        if not min(least) > 0:
            return False
        integrals = _integrals(k, box, X)
        if integrals is None or box.masses[2][0] <= 0:
            return False
        rho = [_between(ball(lo), ball(hi)) for lo, hi in box.masses]
        B = {}
        for c, j in PAIRS:
            contrast = ball(Fraction(witness.strength)) * X[c][j] * (integrals[c][j] + integrals[j][c]) / 2
            B[c, j] = contrast + (X[c][j] / sums[c] / rho[j] + X[j][c] / sums[j] / rho[c]) / 2
            if not B[c, j] > 0:
                return False
        factors = [rho[c] / B[pair] for c, pair in enumerate(reversed(PAIRS))]
        length = arb(0)
        for axis in (0, 1):
            component = sum((f * u[axis] for f, u in zip(factors, U, strict=True)), arb(0))
            length += arb(component.abs_upper()) * arb(component.abs_upper())
        gap = b * B[0, 1] * B[0, 2] * B[1, 2] * length
        return bool(min(least) - gap > 0)


def _integrals(k: int, box: Box, X: list[list[Ball]]) -> list[list[Ball]] | None:
    """`I_cj` over the box; None where it is not known at which corners a row is largest."""
    values = [arb(1), *(X[c][j] for c, j in PAIRS)]
    names = [[0, 1, 2], [1, 0, 3], [2, 3, 0]]
    laws = []
    for c in range(3):
        first, second, third = X[c]
        if third < second:
            s_up, s_down = box.s[1], box.s[0]
        elif third > second:
            s_up, s_down = box.s[0], box.s[1]
        else:
            return None
        if c == 0 or (first > second and first > third):
            q_up, q_down = box.q[1], box.q[0]
        elif first < second and first < third:
            q_up, q_down = box.q[0], box.q[1]
        else:
            return None
        for q, s in ((q_down, s_down), (q_up, s_up)):
            masses = (1 - q, q * (1 - s), q * s)
            laws.append(law([(names[c][j], masses[j]) for j in range(3)]))
    found = row_losses("logistic", k, values, laws, _BITS)
    return [
        [_between(found[2 * c][1][names[c][j]], found[2 * c + 1][1][names[c][j]]) for j in range(3)] for c in range(3)
    ]


def _between(lo: Ball, hi: Ball) -> Ball:
    return lo.union(hi)
