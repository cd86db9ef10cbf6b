r"""The minimum over all class embeddings, enclosed from both sides at one rational witness.

Let `L(G) = sum_c rho_c row_c(G)`, G the Gram matrix (psd, unit diagonal), and the loss one of `losses.LOSSES`; the k
negatives of row c are exchangeable, each of class j != c with probability `f_c rho_j`, f_c >= 1: independent, or of a
pool (`objectives`). Classes of equal mass may be stated as a group: N_g classes of mass rho_g each, M_g = N_g rho_g. A
class is a group of one.

1.  *Convexity.* For integer k, L is an expectation of convex functions (log-sum-exp, sums of exp) of affine
    functions of the entries of G.
2.  *Groups.* The mean of G over the permutations within groups is feasible, and L no larger there (1.). It has one
    cosine b_gh for each two groups and one, t_g, within each; the groups' mean embeddings have the Gram matrix B, B_gh
    = b_gh and B_gg = p_g = (1 + (N_g - 1) t_g)/N_g, psd with p_g <= 1, and p_g = 1 if N_g = 1. Conversely each such B
    is feasible: (mean_g, sqrt(1 - p_g) s_i), s_i the vertices of a regular simplex of N_g in N_g - 1 dimensions of the
    group's own, have these cosines. So min L is the minimum over such B, L convex there. For groups of one B = G.
    *Upper bound.* The witness gives B0 = V V^T exactly, where row v_g is w/|w|, or w itself if N_g > 1 and |w| < 1
    (a "free" row). B0 is feasible, so min L <= L(B0). The rank of its G is at most the number of columns plus N_g - 1
    for each free row.
3.  *Lower bound.* Let A be the symmetrized gradient at B0, 0 where B is constant, y = diag(A B0), but 0 at free rows,
    and S = A - Diag(y), where y_g <= 0 if N_g > 1. For feasible B, L(B) >= L(B0) + <A, B - B0> (1.). If S + eps D is
    positive semidefinite, D = Diag(M), then <A, B> = <S, B> + sum_g y_g p_g >= -eps + sum_g y_g, as sum_g M_g p_g <= 1
    and y_g p_g >= y_g (equal if N_g = 1). And <A, B0> = sum_g y_g + r, r the sum of (A B0)_gg over free rows. So
    min L >= L(B0) - eps - r.
4.  *Dimension.* Every off-diagonal derivative is positive. At a positive definite G they would have to vanish for G
    to be a minimizer over the elliptope; so minimizers are singular, of rank <= C-1, and d >= C-1 dimensions hold
    them. Fewer hold the minimum if they hold the witness, d >= its rank (2.).
5.  *All representations.* A representation f that is not constant on classes does no better: with mu_c = E[f | c],
    lift to u_c = (mu_c, sqrt(1 - |mu_c|^2) e_c) in C more dimensions. Given the classes, Jensen bounds the loss
    from below by that of the mean margins |mu_c|^2 - mu_c.mu_j; the lifted margins are 0 at a collision and else 1
    - mu_c.mu_j, not smaller; the loss does not increase in its margins. With 4. the same holds for every d >= C-1.
6.  *The minimizer*, for d >= C-1 (not for the decoupled loss, which need not be strictly convex): by 4. one in C
    dimensions, and by strict convexity the only one, so it is its own mean over the permutations of 2. Neither is known
    in fewer dimensions, whatever the rank of the witness. Along G0 + tau (G* - G0), with
    delta the difference, L'' >= sum_(c != j) m_cj delta_cj^2. Exponential: L'' = beta^2 k sum rho_c f_c rho_j X
    delta^2 and f_c >= 1 (as for the others), so m_cj = beta^2 k rho_c rho_j w with w = min X = q := e^(-2 beta).
    Separable: likewise w = q/(1+q)^2
    (x/(1+x)^2 increases on [0, 1]). Logistic: with p_i = X_i/(1+S), p_0 = 1/(1+S) the Hessian of log(1 + sum e^z)
    is diag(p) - p p^T, and Cauchy-Schwarz with sum p_i = 1 - p_0 gives >= p_0 diag(p); so a row has L'' >= k beta^2
    sum_j rho_j delta^2 E[X_j/(1 + X_j + S')^2], S' the other k-1 terms, S' <= k-1, and x/(1+x+S')^2 increases for x
    <= 1: w = q/(k+q)^2. Weighted: the same with v X for X, and v x/(1 + v x + v S')^2, falling in S', has its least
    value over x in [q, 1] at an end (it rises, then falls): w the lesser of v x/(1 + v (x+k-1))^2 at x = q and x = 1.
    As L(G*) <= L(G0) and <S, delta> >= -eps, half of L'' is at most eps: with both (c,j) and (j,c), m_cj delta_cj^2
    <= eps, |G*_cj - G0_cj| <= sqrt(eps / m_cj).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from operator import mul

from verify.checker import definite
from verify.checker.intervals import (
    Context,
    Interval,
    context,
    enclose,
    exp,
    is_at_most,
    is_less,
    require_positive_definite,
    upper_end,
)
from verify.checker.losses import LOSSES, LogSum, Sum, read_loss
from verify.checker.objectives import NCE, Objective, read_pooled_objective, read_two_towers
from verify.checker.reading import MAX_K, Fields, cleared
from verify.checker.rows import Row, row_losses
from verify.checker.towers import enclose_towers
from verify.checker.verdict import Rejected, Unreadable, Unresolved


@dataclass(frozen=True)
class Problem:
    """A contrastive problem over groups of `counts` classes of mass `rho` each: `beta = 1/temperature`."""

    loss: Sum | LogSum
    k: int
    beta: Fraction
    rho: list[Fraction]
    counts: list[int]
    objective: Objective = NCE

    @property
    def totals(self) -> list[Fraction]:
        return [n * r for n, r in zip(self.counts, self.rho, strict=True)]

    @property
    def points(self) -> tuple[list[Fraction], list[int]]:
        """The masses and the counts of the groups of embeddings; half of each class in each of two towers."""
        if self.objective.towers == 1:
            return self.totals, self.counts
        return [r / 2 for r in self.rho] * 2, [1] * (2 * len(self.rho))


@dataclass(frozen=True)
class Means:
    """The witness' rows: `w / sqrt(square)` is the mean embedding of a group, of length 1 unless it is `free`."""

    rows: list[list[int]]
    squares: list[int]
    free: list[bool]


@dataclass(frozen=True)
class Optimum:
    """The minimum lies in `lower` to `loss`; the optimal cosines are within `radius()` of `cosines`, entry by entry.

    On the diagonal are the cosines within groups, 1 for a group of one class.
    """

    ctx: Context
    problem: Problem
    loss: Interval
    lower: Interval
    gap: Interval
    cosines: list[list[Interval]]

    def radius(self) -> list[list[Interval]] | None:
        """Step 6; None if no radius is shown."""
        return _radius(self.ctx, self.problem, self.gap)


def read_temperature(fields: Fields) -> Fraction:
    temperature = fields.rational("temperature")
    if not Fraction(1, 1000) <= temperature <= 10**6:
        raise Unreadable("temperature: only 1/1000 to 10^6 is handled")
    return temperature


def read_groups(fields: Fields) -> tuple[list[Fraction], list[int]]:
    """The masses `rho` of one class of each group and the `counts` of classes, 1 each where none are given."""
    rho = fields.rationals("rho")
    counts = fields.integers("counts", 1, MAX_K) if "counts" in fields.data else [1] * len(rho)
    numerators, denominator = cleared("rho", rho)
    if len(counts) != len(rho) or sum(counts) < 2 or min(rho) <= 0:
        raise Unreadable("rho: at least two classes of positive mass are needed, and a count for each mass")
    if sum(n * p for n, p in zip(counts, numerators, strict=True)) != denominator:
        raise Unreadable("rho: the masses do not sum to 1")
    return rho, counts


def read_prior(fields: Fields) -> list[Fraction]:
    """The masses of all classes."""
    if "counts" in fields.data:
        raise Unreadable(f"{fields.name}.counts: this kind has no groups")
    return read_groups(fields)[0]


def read_problem(fields: Fields) -> tuple[Problem, int]:
    """The fields loss (and its q), k, temperature, rho, counts, objective of a statement, and its d."""
    loss, k, objective = read_loss(fields), fields.integer("k", 1, MAX_K), read_two_towers(fields)
    if objective.towers == 2 and "counts" in fields.data:
        raise Unreadable(f"{fields.name}.counts: two towers have no groups")
    rho, counts = read_groups(fields)
    if objective.towers == 1:
        objective = read_pooled_objective(fields, k, rho)
    least = max(1, len(rho) - 1) if objective.towers == 1 and "counts" not in fields.data else 1
    if objective.towers == 2 and (loss.name not in LOSSES or (objective.bias is not None and loss.name != "logistic")):
        raise Unreadable(f"{fields.name}.loss: not handled with two towers")
    problem = Problem(loss, k, 1 / read_temperature(fields), rho, counts, objective)
    return problem, fields.integer("d", least, MAX_K)


def read_means(fields: Fields, counts: list[int]) -> Means:
    """One row for each group: shorter than 1 it is a free row if there are two classes or more, else a direction."""
    matrix = fields.matrix("embeddings")
    if len(matrix) != len(counts):
        raise Unreadable("witness.embeddings: one row for each group is needed")
    rows, squares, free = [], [], []
    for n, row in zip(counts, matrix, strict=True):
        integers, denominator = cleared("witness.embeddings", row)
        square = sum(x * x for x in integers)
        rows.append(integers)
        free.append(n > 1 and square < denominator**2)
        squares.append(denominator**2 if free[-1] else square)
    if not all(squares):
        raise Unreadable("witness.embeddings: the row of a single class is zero")
    return Means(rows, squares, free)


def rank(problem: Problem, means: Means) -> int:
    """A bound on the rank of the Gram matrix of all classes (2.)."""
    return len(means.rows[0]) + sum(n - 1 for n, free in zip(problem.points[1], means.free, strict=True) if free)


def enclose_optimum(problem: Problem, means: Means, shift: Fraction, bits: int) -> Optimum:
    """Steps 2, 3 and 6 at the witness, with `eps = shift`.

    Raises:
        Rejected: if the witness is shown not to prove a lower bound with this shift.
        Unresolved: if the precision does not suffice.
    """
    if shift <= 0:
        raise Rejected("the shift is not positive")
    ctx, (totals, counts) = context(bits, problem.k), problem.points
    gram, cosines = _matrices(ctx, counts, means)
    if problem.objective.towers == 1:
        loss, slack = _one_tower(ctx, problem, cosines)
    else:
        loss, slack = enclose_towers(
            ctx, problem.loss, problem.k, problem.beta, problem.rho, problem.objective, cosines
        )
    products = [sum(a * b for a, b in zip(*pair, strict=True)) for pair in zip(slack, gram, strict=True)]
    residual = ctx.mpf(0)
    for g, y in enumerate(products):
        if means.free[g]:
            residual += y
        elif counts[g] > 1 and not is_at_most(y, 0):
            raise (Rejected if is_less(0, y) else Unresolved)("a multiplier of the unit ball has the wrong sign")
        slack[g][g] += enclose(ctx, shift * totals[g]) - (0 if means.free[g] else y)
    if len(totals) <= definite.ELIMINATED:
        require_positive_definite(slack)
    else:
        definite.require_positive_definite(ctx, slack, [enclose(ctx, shift * m) for m in totals])
    gap = enclose(ctx, shift) + residual
    return Optimum(ctx, problem, loss, loss - gap, gap, cosines)


def _one_tower(ctx: Context, problem: Problem, cosines: list[list[Interval]]) -> tuple[Interval, list[list[Interval]]]:
    """L, and its symmetrized gradient in B."""
    totals, counts = problem.points
    groups, one, beta = range(len(totals)), ctx.mpf(1), enclose(ctx, problem.beta)
    # Entries with one and the same enclosure share their exponentials, rows with one and the same law their integrals.
    index: dict[object, int] = {one._mpi_: 0}
    names = [[index.setdefault(x._mpi_, len(index)) for x in row] for row in cosines]
    values = [one] * len(index)
    for g in groups:
        for h in groups:
            if names[g][h]:
                values[names[g][h]] = exp(ctx, beta * (cosines[g][h] - 1))
    laws = [_law(problem, g, names[g]) for g in groups]
    # a Fraction is slow to hash
    keys = [tuple((u, m.numerator, m.denominator) for u, m in law.items()) for law in laws]
    distinct = dict(zip(keys, laws, strict=True))
    rows = dict(
        zip(
            distinct,
            row_losses(ctx, problem.loss, problem.k, values, list(distinct.values()), problem.objective.pool),
            strict=True,
        )
    )
    found = [rows[key] for key in keys]

    loss = sum(enclose(ctx, totals[g]) * found[g][0] for g in groups)
    factors = [enclose(ctx, problem.objective.factor(m)) for m in problem.rho]
    gradient = [[ctx.mpf(0)] * len(totals) for _ in groups]
    for g in groups:
        for h in range(g if counts[g] == 1 else g + 1):
            u = names[g][h]
            slopes = factors[g] * found[g][1][u] + factors[h] * found[h][1][u]
            scale = enclose(ctx, problem.beta * totals[g] * totals[h] / 2)
            gradient[g][h] = gradient[h][g] = scale * values[u] * slopes
    return loss, gradient


def _matrices(ctx: Context, counts: list[int], means: Means) -> tuple[list[list[Interval]], list[list[Interval]]]:
    """B (2.), and the cosines."""
    rows, squares = means.rows, means.squares
    gram, cosines = [[ctx.mpf(1)] * len(rows) for _ in rows], [[ctx.mpf(1)] * len(rows) for _ in rows]
    for g in range(len(rows)):
        for h in range(g):
            product = ctx.mpf(_dot(rows[g], rows[h])) / ctx.sqrt(ctx.mpf(squares[g] * squares[h]))
            gram[g][h] = gram[h][g] = cosines[g][h] = cosines[h][g] = product
        if means.free[g]:
            p = Fraction(_dot(rows[g], rows[g]), squares[g])
            gram[g][g], cosines[g][g] = enclose(ctx, p), enclose(ctx, (counts[g] * p - 1) / (counts[g] - 1))
    return gram, cosines


def _law(problem: Problem, g: int, names: list[int]) -> Row:
    """The law of a negative of an anchor of group g: its own class, its mates, and the other groups."""
    own, factor = problem.objective.own(problem.rho[g]), problem.objective.factor(problem.rho[g])
    law: dict[int, Fraction] = {0: own} if own else {}
    for h, total in enumerate(problem.totals):
        mass = factor * (total if h != g else total - problem.rho[g])
        if mass:
            law[names[h]] = law[names[h]] + mass if names[h] in law else mass
    return dict(sorted(law.items()))


def _radius(ctx: Context, problem: Problem, gap: Interval) -> list[list[Interval]] | None:
    if not problem.loss.strict:
        return None
    weight = problem.loss.curvature(ctx, problem.k, exp(ctx, enclose(ctx, -2 * problem.beta)))
    scale, totals, largest = problem.beta**2 * problem.k, problem.totals, upper_end(ctx, gap)
    radius = [
        [
            ctx.sqrt(largest * enclose(ctx, 1 / (scale * r * s)) / weight) if g != h else ctx.mpf(0)
            for h, s in enumerate(totals)
        ]
        for g, r in enumerate(totals)
    ]
    for g, (m, r) in enumerate(zip(totals, problem.rho, strict=True)):
        if m != r:
            radius[g][g] = ctx.sqrt(largest * enclose(ctx, 2 / (scale * m * (m - r))) / weight)
    return radius


def _dot(v: list[int], w: list[int]) -> int:
    return sum(map(mul, v, w))
