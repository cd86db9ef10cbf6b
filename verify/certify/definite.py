r"""Whether symmetric matrices of balls are positive definite, and by how much they fail to be.

By elimination, at any precision. For many rows by a factor in doubles, which is checked exactly: if R is any matrix at
all and `S + shift D = R R^T + E`, D a positive diagonal, then for every vector v and all positive w,

    |v^T E v|  <=  sum_ij |E_ij| |v_i| |v_j|  <=  sum_i v_i^2 (sum_j |E_ij| w_j) / w_i,

from `2 |v_i v_j| <= v_i^2 w_j/w_i + v_j^2 w_i/w_j`; so S + (shift + residual) D is positive semidefinite with residual
= max_i (sum_j |E_ij| w_j) / (w_i D_i). Best is `w = D^(-1/2)`, or numbers near it.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, log2

import numpy as np
from flint import arb, arb_mat, fmpz_mat
from scipy import linalg

from verify.certify.balls import Ball, ball, bounds

#: Attempts at a factor, each with a shift eight times the last.
_ATTEMPTS = 8


def is_positive_definite(matrix: list[list[Ball]]) -> bool | None:
    """Whether every symmetric matrix in these balls is positive definite (True), none is (False), or unknown (None).

    LDL^T elimination encloses the Schur complements of each matrix; it is positive definite if and only if all
    pivots are positive. The pivot of largest lower end comes first, which keeps the balls small.
    """
    matrix, left = [list(row) for row in matrix], list(range(len(matrix)))
    while left:
        c = max(left, key=lambda i: float(matrix[i][i].lower()))
        pivot = matrix[c][c]
        if any(matrix[i][i] <= 0 for i in left):
            return False
        if not pivot > 0:
            return None
        left.remove(c)
        for n, i in enumerate(left):
            ratio = matrix[i][c] / pivot
            for j in left[n:]:
                matrix[i][j] = matrix[j][i] = matrix[i][j] - ratio * matrix[j][c]
    return True


def definite_size(matrix: list[list[Ball]]) -> int:
    """The size of a principal submatrix that is positive definite for every symmetric matrix in these balls.

    The same elimination, as far as pivots are positive; no symmetric matrix in the balls has a smaller rank.
    """
    matrix, left = [list(row) for row in matrix], list(range(len(matrix)))
    while left:
        c = max(left, key=lambda i: float(matrix[i][i].lower()))
        if not matrix[c][c] > 0:
            break
        left.remove(c)
        for n, i in enumerate(left):
            ratio = matrix[i][c] / matrix[c][c]
            for j in left[n:]:
                matrix[i][j] = matrix[j][i] = matrix[i][j] - ratio * matrix[j][c]
    return len(matrix) - len(left)


def least_shift(matrix: list[list[Ball]], diagonal: list[Fraction]) -> Fraction | None:
    """Some `eps >= 0` for which S + eps D is positive semidefinite for each symmetric S in these balls, near the least;
    None if no factor is found. `diagonal` is the positive diagonal of D."""
    n = len(matrix)
    roots = np.sqrt([float(m) for m in diagonal])
    scaled = np.array([[float(x.mid()) for x in row] for row in matrix]) / np.outer(roots, roots)
    rounding = n * np.finfo(float).eps * float(np.abs(scaled.diagonal()).max()) + np.finfo(float).tiny
    shift = max(-2 * float(linalg.eigvalsh(scaled)[0]), rounding)
    for _ in range(_ATTEMPTS):
        try:
            factor = linalg.cholesky(scaled + shift * np.eye(n), lower=True) * roots[:, None]
            break
        except linalg.LinAlgError:
            shift *= 8
    else:
        return None
    # whole multiples of a unit so small that rounding to them adds nothing to speak of
    places = 60 + ceil(log2(n) - log2(float(roots.min())))
    R = fmpz_mat(n, n, [int(x) for x in np.ldexp(factor, places).ravel().tolist()])
    square, unit = R * R.transpose(), arb(2) ** (-2 * places)
    exact = Fraction(shift)
    rest = [[arb(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i):
            rest[i][j] = rest[j][i] = abs(matrix[i][j] - arb(square[i, j]) * unit)
        rest[i][i] = abs(matrix[i][i] + ball(exact * diagonal[i]) - arb(square[i, i]) * unit)
    w = [arb(1 / root) for root in roots.tolist()]
    sums = (arb_mat(n, n, [x for row in rest for x in row]) * arb_mat(n, 1, w)).entries()
    return exact + max(bounds(s / (v * ball(m)))[1] for s, v, m in zip(sums, w, diagonal, strict=True))
