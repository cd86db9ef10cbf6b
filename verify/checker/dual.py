r"""The minimum over all class embeddings, enclosed from both sides at one rational witness.

Let `L(G) = sum_c rho_c row_c(G)`, G the Gram matrix (psd, unit diagonal), and the loss one of `rows.LOSSES`.

1.  *Convexity.* For integer k, L is an expectation of convex functions (log-sum-exp, sums of exp) of affine
    functions of the entries of G.
2.  *Upper bound.* The exact real matrix G0 of the witness' normalized rows is feasible, so min L <= L(G0).
3.  *Lower bound.* Let A be the symmetrized gradient at G0 with zero diagonal, y = diag(A G0), S = A - Diag(y). For
    feasible G, L(G) >= L(G0) + <A, G - G0> (1.), `<A, G0> = sum y = <Diag(y), G>`, so L(G) >= L(G0) + <S, G>. If S
    + eps D is positive semidefinite, D = Diag(rho), then <S, G> >= -eps <D, G> = -eps. So min L >= L(G0) - eps.
4.  *Dimension.* Every off-diagonal derivative is positive. At a positive definite G they would have to vanish for G
    to be a minimizer over the elliptope; so minimizers are singular, of rank <= C-1, and d >= C-1 dimensions hold
    them.
5.  *All representations.* A representation f that is not constant on classes does no better: with mu_c = E[f | c],
    lift to u_c = (mu_c, sqrt(1 - |mu_c|^2) e_c) in C more dimensions. Given the classes, Jensen bounds the loss
    from below by that of the mean margins |mu_c|^2 - mu_c.mu_j; the lifted margins are 0 at a collision and else 1
    - mu_c.mu_j, not smaller; the loss does not increase in its margins. With 4. the same holds for every d >= C-1.
6.  *The minimizer* (not for the decoupled loss, which need not be strictly convex). Along G0 + tau (G* - G0), with
    delta the difference, L'' >= sum_(c != j) m_cj delta_cj^2. Exponential: L'' = beta^2 k sum rho_c rho_j X
    delta^2, so m_cj = beta^2 k rho_c rho_j w with w = min X = q := e^(-2 beta). Separable: likewise w = q/(1+q)^2
    (x/(1+x)^2 increases on [0, 1]). Logistic: with p_i = X_i/(1+S), p_0 = 1/(1+S) the Hessian of log(1 + sum e^z)
    is diag(p) - p p^T, and Cauchy-Schwarz with sum p_i = 1 - p_0 gives >= p_0 diag(p); so a row has L'' >= k beta^2
    sum_j rho_j delta^2 E[X_j/(1 + X_j + S')^2], S' the other k-1 terms, S' <= k-1, and x/(1+x+S')^2 increases for x
    <= 1: w = q/(k+q)^2. As L(G*) <= L(G0) and <S, delta> >= -eps, half of L'' is at most eps: with both (c,j) and
    (j,c), m_cj delta_cj^2 <= eps, |G*_cj - G0_cj| <= sqrt(eps / m_cj).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from verify.checker.intervals import Context, Interval, context, enclose, exp, require_positive_definite
from verify.checker.reading import MAX_K, Fields, cleared
from verify.checker.rows import LOSSES, row_losses
from verify.checker.verdict import Rejected, Unreadable


@dataclass(frozen=True)
class Problem:
    """A contrastive problem at the level of classes: `beta = 1/temperature`."""

    loss: str
    k: int
    beta: Fraction
    rho: list[Fraction]


@dataclass(frozen=True)
class Optimum:
    """The minimum lies in `loss - eps` to `loss`; G* within `radius` of `gram`, entry by entry (None if not shown)."""

    ctx: Context
    loss: Interval
    gram: list[list[Interval]]
    radius: list[list[Interval]] | None


def read_temperature(fields: Fields) -> Fraction:
    temperature = fields.rational("temperature")
    if not Fraction(1, 1000) <= temperature <= 10**6:
        raise Unreadable("temperature: only 1/1000 to 10^6 is handled")
    return temperature


def read_prior(fields: Fields) -> list[Fraction]:
    rho = fields.rationals("rho")
    numerators, denominator = cleared("rho", rho)
    if len(rho) < 2 or min(rho) <= 0 or sum(numerators) != denominator:
        raise Unreadable("rho: at least two positive masses that sum to 1 are needed")
    return rho


def read_problem(fields: Fields) -> Problem:
    """The fields loss, k, temperature, rho and d of a statement."""
    loss, k = fields.choice("loss", LOSSES), fields.integer("k", 1, MAX_K)
    rho = read_prior(fields)
    fields.integer("d", max(1, len(rho) - 1), MAX_K)
    return Problem(loss, k, 1 / read_temperature(fields), rho)


def read_embeddings(fields: Fields, C: int) -> list[list[int]]:
    """One row for each class, times a positive integer that clears its denominators (rows are normalized later)."""
    rows = [cleared("witness.embeddings", row)[0] for row in fields.matrix("embeddings")]
    if len(rows) != C or not all(any(row) for row in rows):
        raise Unreadable("witness.embeddings: one row for each class is needed, none of them zero")
    return rows


def normalized_gram(ctx: Context, rows: list[list[int]]) -> list[list[Interval]]:
    """`G_cj = w_c.w_j / sqrt(|w_c|^2 |w_j|^2)`, the diagonal exactly 1."""
    dots = [[sum(x * y for x, y in zip(v, w, strict=True)) for w in rows[: c + 1]] for c, v in enumerate(rows)]
    gram = [[ctx.mpf(1)] * len(rows) for _ in rows]
    for c in range(len(rows)):
        for j in range(c):
            gram[c][j] = gram[j][c] = ctx.mpf(dots[c][j]) / ctx.sqrt(ctx.mpf(dots[c][c] * dots[j][j]))
    return gram


def enclose_optimum(problem: Problem, embeddings: list[list[int]], shift: Fraction, bits: int) -> Optimum:
    """Steps 2, 3 and 6 at the witness' Gram matrix, with `eps = shift`.

    Raises:
        Rejected: if the witness is shown not to prove a lower bound with this shift.
        Unresolved: if the precision does not suffice.
    """
    if shift <= 0:
        raise Rejected("the shift is not positive")
    k, rho = problem.k, problem.rho
    ctx = context(bits, k)
    classes = range(len(rho))
    beta = enclose(ctx, problem.beta)
    gram = normalized_gram(ctx, embeddings)
    # Entries with one and the same enclosure share their exponentials, rows with one and the same law their integrals.
    index: dict[object, int] = {ctx.mpf(1)._mpi_: 0}
    names = [[index.setdefault(g._mpi_, len(index)) for g in row] for row in gram]
    values = [ctx.mpf(1)] * len(index)
    for c in classes:
        for j in classes:
            if names[c][j]:
                values[names[c][j]] = exp(ctx, beta * (gram[c][j] - 1))
    laws = []
    for c in classes:
        law: dict[int, Fraction] = {}
        for j in classes:
            law[names[c][j]] = law.get(names[c][j], Fraction(0)) + rho[j]
        laws.append(tuple(sorted(law.items())))
    distinct = list(dict.fromkeys(laws))
    found = dict(zip(distinct, row_losses(ctx, problem.loss, k, values, [dict(law) for law in distinct]), strict=True))

    loss = sum(enclose(ctx, rho[c]) * found[laws[c]][0] for c in classes)
    slack = [[ctx.mpf(0)] * len(rho) for _ in classes]
    for c in classes:
        for j in range(c):
            u = names[c][j]
            slopes = found[laws[c]][1][u] + found[laws[j]][1][u]
            slack[c][j] = slack[j][c] = enclose(ctx, problem.beta * rho[c] * rho[j] / 2) * values[u] * slopes
    for c in classes:
        y = sum(slack[c][j] * gram[c][j] for j in classes if j != c)
        slack[c][c] = enclose(ctx, shift * rho[c]) - y
    require_positive_definite(slack)
    return Optimum(ctx, loss, gram, _radius(ctx, problem, shift))


def _radius(ctx: Context, problem: Problem, shift: Fraction) -> list[list[Interval]] | None:
    q = exp(ctx, enclose(ctx, -2 * problem.beta))
    if problem.loss == "decoupled":
        return None
    weight = {"exponential": q, "separable": q / (1 + q) ** 2, "logistic": q / (problem.k + q) ** 2}[problem.loss]
    scale = shift / (problem.beta**2 * problem.k)
    return [
        [ctx.sqrt(enclose(ctx, scale / (r * s)) / weight) if c != j else ctx.mpf(0) for j, s in enumerate(problem.rho)]
        for c, r in enumerate(problem.rho)
    ]
