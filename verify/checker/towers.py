r"""The loss of two towers and its gradient, enclosed: anchors and candidates have embeddings of their own.

Class embeddings u_c and v_c, `Z_cj = u_c . v_j`; of class c the mass is rho_c, a negative of it is of class j with
probability `N_cj` (`objectives`), and each side takes its turn as the anchor:

    L(Z) = 1/2 sum_c rho_c ( R_c(Z_c.) + R_c(Z_.c) )
    clip      R_c(z) = E l( (beta (z_c - z_(J_i)))_(i <= k) ),   J_i iid from N_c
    sigmoid   R_c(z) = s(-(beta z_c + b)) + k sum_j N_cj s(beta z_j + b),   s(x) = log(1 + e^x)

For integer k both are convex in Z: expectations of log-sum-exp and sums of convex functions, of linear ones. Z is a
block of the Gram matrix G of all 2C embeddings, u before v, and L is convex in G. So steps 2 and 3 of `dual` apply to
2C groups of one class, with D of the masses rho_c/2 twice, of sum 1: the minimum over class embeddings in as many
dimensions as the witness has is enclosed. Nothing is said of the minimizer.

With `X = e^(beta (z - 1))`, `positives` gives R_c of clip for the law N_c of a negative and the positive at z_c, and
its slopes: `dR_c/dz_j = beta X_j (N_cj b_j + [j = c] a_j)`. For the sigmoid loss `s' = sigma`, `dR_c/dz_j = beta (k
N_cj sigma(beta z_j + b) - [j = c] sigma(-(beta z_c + b)))`.
"""

from __future__ import annotations

from fractions import Fraction

from verify.checker.intervals import Context, Interval, enclose, exp, log
from verify.checker.losses import LogSum, Sum
from verify.checker.objectives import Objective
from verify.checker.positives import anchors
from verify.checker.rows import Row

Rows = list[tuple[Interval, list[Interval]]]


def enclose_towers(
    ctx: Context,
    loss: Sum | LogSum,
    k: int,
    beta: Fraction,
    rho: list[Fraction],
    objective: Objective,
    cosines: list[list[Interval]],
) -> tuple[Interval, list[list[Interval]]]:
    """L, and its symmetrized gradient in G."""
    C = len(rho)
    Z = [row[C:] for row in cosines[:C]]
    seen = Z + [list(column) for column in zip(*Z, strict=True)]
    drawn = [
        [objective.own(m) if j == c else objective.factor(m) * r for j, r in enumerate(rho)] for c, m in enumerate(rho)
    ]
    if objective.bias is None:
        rows = _softmax(ctx, loss, k, beta, seen, drawn)
    else:
        rows = _sigmoid(ctx, k, beta, objective.bias, seen, drawn)
    total, gradient = ctx.mpf(0), [[ctx.mpf(0)] * (2 * C) for _ in range(2 * C)]
    for i, (value, slopes) in enumerate(rows):
        half = enclose(ctx, rho[i % C] / 2)
        total += half * value
        for j, slope in enumerate(slopes):
            first, second = (i, C + j) if i < C else (j, i)
            gradient[first][second] += half * slope / 2
            gradient[second][first] = gradient[first][second]
    return total, gradient


def _softmax(
    ctx: Context,
    loss: Sum | LogSum,
    k: int,
    beta: Fraction,
    seen: list[list[Interval]],
    drawn: list[list[Fraction]],
) -> Rows:
    """For each anchor R_c, and its derivatives in the cosines that it sees."""
    b, C = enclose(ctx, beta), len(drawn)
    # cosines with one and the same enclosure share their exponentials; the number 1 comes first, as `anchors` has it
    index: dict[object, int] = {ctx.mpf(1)._mpi_: 0}
    names = [[index.setdefault(x._mpi_, len(index)) for x in row] for row in seen]
    logarithms = [ctx.mpf(0)] * len(index)
    for row, cosines in zip(names, seen, strict=True):
        for u, x in zip(row, cosines, strict=True):
            logarithms[u] = b * (x - 1)
    laws: list[tuple[Row, Row]] = []
    for i, row in enumerate(names):
        negative: Row = {}
        for u, m in zip(row, drawn[i % C], strict=True):
            if m:
                negative[u] = negative.get(u, Fraction(0)) + m
        laws.append((negative, {row[i % C]: Fraction(1)}))
    found = []
    for i, anchor in enumerate(anchors(ctx, loss, k, logarithms, laws)):
        slopes = []
        for j, (u, m) in enumerate(zip(names[i], drawn[i % C], strict=True)):
            slope = enclose(ctx, m) * anchor.negative[u] if m else ctx.mpf(0)
            if j == i % C:
                slope += anchor.positive[u]
            slopes.append(b * exp(ctx, logarithms[u]) * slope)
        found.append((anchor.loss, slopes))
    return found


def _sigmoid(
    ctx: Context,
    k: int,
    beta: Fraction,
    bias: Fraction,
    seen: list[list[Interval]],
    drawn: list[list[Fraction]],
) -> Rows:
    b, C, found = enclose(ctx, beta), len(drawn), []
    for i, row in enumerate(seen):
        value, slopes = ctx.mpf(0), []
        for j, (x, m) in enumerate(zip(row, drawn[i % C], strict=True)):
            up, weight = exp(ctx, b * x + enclose(ctx, bias)), enclose(ctx, k * m)
            slope = weight * up / (1 + up)
            value += weight * log(ctx, 1 + up)
            if j == i % C:
                value += log(ctx, 1 + 1 / up)
                slope -= 1 / (1 + up)
            slopes.append(b * slope)
        found.append((value, slopes))
    return found
