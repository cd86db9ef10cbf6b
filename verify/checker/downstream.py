r"""Kinds about the downstream loss of the minimizer: `downstream-loss`, `conjecture-holds`, `conjecture-refuted`.

With unit class embeddings u_c, scores s_cj = <u_c, w_j> and test weights pi (the prior, or uniform), the downstream
loss is `inf over |w_j| = 1 of L(s) = sum_c pi_c l((beta (s_cc - s_cj))_(j != c))` ("optimal" classifier), or its value
at w_j = u_j ("mean"). It is taken at the minimizer of the contrastive loss L_k, which is unique for the losses here
(strictly convex in the cosines). With G its Gram matrix:

1.  *G enclosed:* by `dual` (6.), entry by entry, the entries being in [-1, 1] in any case; or known exactly:
    - "two-classes", C = 2: the loss increases in the one cosine, so it is -1.
    - "uniform", a uniform prior: the simplex ETF, G_cj = -1/(C-1), for every k. (Jensen as in `etf_optimality`.)
    - "total-collapse" (of the objective nce): class m of largest mass p on one point, the others (masses r, q = 1 - p)
      opposite. With the symmetrized gradient A_mc = r_c a, A_cj = r_c r_j b there, the slack S = A - Diag(y), y =
      diag(A G), has S_mm = q a, S_mc = r_c a, and eliminating m leaves (a - q b)(Diag(r) - r r^T/q), psd by Cauchy-
      Schwarz if a >= q b > 0. Then L(G') >= L(G) + <S, G'> >= L(G) for every feasible G' (`dual`, 3.), with <S, G> = 0.
      Up to a common factor a = p X (g_m + g_c)/2 and b = g'_c: slopes of the rows of m and of another class at X =
      e^(-2 beta), and of the latter at X = 1.
2.  *Classifier.* Coefficients a_j give w_j = sum_i a_ij u_i: scores (G a_j), |w_j|^2 = a_j^T G a_j. Divided by max(1,
    |w_j|) they are in the unit ball. If d > rank G the missing length can be added where no embedding sees it, so
    ball and sphere have one infimum; rank G <= 1 in the cases two-classes and total-collapse, else <= C-1 (`dual`,
    4.). If d may be the rank, w_j is divided by |w_j|. Either way L(s) is an upper bound.
3.  *Lower bound.* L is convex: with g = dL/ds at any s, L(s') >= L(s) + sum_j <g_j, s'_j - s_j>, and for s'_j = U w
    with |w| <= 1, <g_j, U w> >= -|U^T g_j| = -sqrt(g_j^T G g_j).

All of it holds for each real G in the intervals, hence for the one that is meant. A rise from k1 < k2 is shown by
disjoint enclosures; a fall by enclosures that touch at most in one point; equality by one exactly known G, or for the
losses that are sums over the negatives: L_k = k L_1, and the minimizer does not depend on k.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from verify.checker.dual import Problem, enclose_optimum, read_means, read_prior, read_temperature
from verify.checker.global_optimum import bits_for
from verify.checker.intervals import (
    Context,
    Interval,
    clamp,
    context,
    enclose,
    exp,
    high,
    is_at_most,
    is_less,
    low,
    resolve,
    upper_end,
    widen,
)
from verify.checker.losses import LogSum, Sum, read_strict
from verify.checker.objectives import NCE, Objective, read_pooled_objective
from verify.checker.reading import MAX_K, Fields
from verify.checker.rows import row_losses
from verify.checker.verdict import Rejected, Unreadable, Unresolved

STRUCTURES = ("two-classes", "uniform", "total-collapse")
MAX_POINTS = 4096
MAX_CLASSES = 256
Matrix = list[list[Interval]]


@dataclass(frozen=True)
class Task:
    """What all points of one statement share."""

    loss: Sum | LogSum
    beta: Fraction
    rho: list[Fraction]
    d: int
    weights: list[Fraction]
    classifier: str
    objective: Objective


def check_loss(statement: Fields, witness: Fields) -> str:
    _check_point(_read_task(statement), statement, witness)
    return "the downstream loss of the minimizer is enclosed"


def check_refuted(statement: Fields, witness: Fields) -> str:
    task, gap = _read_task(statement), statement.rational("increase")
    (k1, _, upper, _), (k2, lower, _, _) = _check_points(task, statement, witness, 2)
    if not k1 < k2 or not 0 < gap <= lower - upper:
        raise Rejected("the two enclosures do not show this increase")
    return "the enclosures at the two k are disjoint, the later one higher"


def check_holds(statement: Fields, witness: Fields) -> str:
    task = _read_task(statement)
    points = _check_points(task, statement, witness, MAX_POINTS)
    for (k1, lower, _, before), (k2, _, upper, after) in pairwise(points):
        if k2 <= k1:
            raise Rejected("the k are not in increasing order")
        same = isinstance(task.loss, Sum) or (before is not None and before == after)
        if upper > lower and not same:
            raise Rejected(f"a fall or equality from k = {k1} to {k2} is not shown")
    return "each enclosure is at or below the one before it, or the minimizer is exactly the same"


def _read_task(statement: Fields) -> Task:
    rho = read_prior(statement)
    C = len(rho)
    if C > MAX_CLASSES:
        raise Unreadable(f"{statement.name}.rho: at most {MAX_CLASSES} classes, for a classifier takes C^3 products")
    weighted = statement.choice("weighting", ("weighted", "balanced")) == "weighted"
    return Task(
        read_strict(statement),
        1 / read_temperature(statement),
        rho,
        statement.integer("d", max(1, C - 1), MAX_K),
        rho if weighted else [Fraction(1, C)] * C,
        statement.choice("classifier", ("optimal", "mean")),
        read_pooled_objective(statement, 1, rho),
    )


Point = tuple[int, Fraction, Fraction, str | None]


def _check_points(task: Task, statement: Fields, witness: Fields, most: int) -> list[Point]:
    claims, hints = statement.raw("points"), witness.raw("points")
    if not isinstance(claims, list) or not isinstance(hints, list) or not 1 <= len(claims) == len(hints) <= most:
        raise Unreadable(f"points: two lists of one length, at most {most}, are needed")
    if len(claims) != 2 and most == 2:
        raise Unreadable("points: two are needed")
    found = []
    for n, (claim, hint) in enumerate(zip(claims, hints, strict=True)):
        fields = Fields(f"points[{n}]", claim)
        found.append(_check_point(task, fields, Fields(f"witness.points[{n}]", hint)))
        fields.done()
    return found


def _check_point(task: Task, claim: Fields, witness: Fields) -> Point:
    """Require `lower <= L_sup <= upper` at this k; the structure is returned where one gives G exactly."""
    k, C = claim.integer("k", 1, MAX_K), len(task.rho)
    if task.objective.pool is not None and k >= task.objective.pool:
        raise Unreadable(f"{claim.name}.k: the pool has no more than {task.objective.pool - 1} negatives")
    lower, upper = claim.rational("lower"), claim.rational("upper")
    if lower >= upper:
        raise Rejected("the interval [lower, upper] has no interior")
    problem = Problem(task.loss, k, task.beta, task.rho, [1] * C, task.objective)
    structure = witness.choice("structure", STRUCTURES) if "structure" in witness.data else None
    means, shift = None, upper - lower
    if structure is None:
        means, shift = read_means(witness, problem.counts), witness.rational("shift")
    if shift <= 0:
        raise Rejected("the shift is not positive")
    coefficients = witness.matrix("classifier") if task.classifier == "optimal" else None
    if coefficients is not None and not len(coefficients) == len(coefficients[0]) == C:
        raise Unreadable("witness.classifier: a C x C matrix is needed")

    def attempt(bits: int) -> None:
        if structure:
            ctx = context(bits, k)
            gram = _exact_gram(ctx, problem, structure)
        elif means:
            optimum = enclose_optimum(problem, means, shift, bits)
            ctx, radius = optimum.ctx, optimum.radius()
            assert radius is not None  # the loss is strict
            gram = [
                [clamp(ctx, widen(ctx, g, r), -1, 1) for g, r in zip(*rows, strict=True)]
                for rows in zip(optimum.cosines, radius, strict=True)
            ]
        rank = 1 if structure in ("two-classes", "total-collapse") else C - 1
        below, above = _bracket(ctx, task, gram, coefficients, roomy=task.d > rank)
        if lower > high(above) or upper < low(below):
            raise Rejected("the interval does not hold the downstream loss")
        if lower > high(below) or upper < low(above):
            raise Rejected("the witness does not prove the interval")
        if lower > low(below) or upper < high(above):
            raise Unresolved("the interval is not decided at this precision")

    resolve(bits_for(min(shift, upper - lower)), attempt)
    return k, lower, upper, structure


def _exact_gram(ctx: Context, problem: Problem, structure: str) -> Matrix:
    rho, classes = problem.rho, range(len(problem.rho))
    if structure == "uniform":
        if len(set(rho)) > 1:
            raise Rejected("the prior is not uniform")
        other = ctx.mpf(-1) / ctx.mpf(len(rho) - 1)
        return [[ctx.mpf(1) if c == j else other for j in classes] for c in classes]
    m = rho.index(max(rho))
    if structure == "two-classes":
        if len(rho) != 2:
            raise Rejected("there are not two classes")
    else:
        if problem.objective != NCE:
            raise Rejected("total collapse is not known to be optimal for this objective")
        p, q = rho[m], 1 - rho[m]
        X = exp(ctx, enclose(ctx, -2 * problem.beta))
        largest, other = row_losses(ctx, problem.loss, problem.k, [ctx.mpf(1), X], [{0: p, 1: q}, {0: q, 1: p}])
        margin = enclose(ctx, p / 2) * X * (largest[1][1] + other[1][1]) - enclose(ctx, q) * other[1][0]
        if is_less(margin, 0):
            raise Rejected("total collapse is not optimal")
        if not is_at_most(0, margin):
            raise Unresolved("total collapse is not decided at this precision")
    return [[ctx.mpf(1 if (c == m) == (j == m) else -1) for j in classes] for c in classes]


def _bracket(
    ctx: Context, task: Task, gram: Matrix, coefficients: list[list[Fraction]] | None, *, roomy: bool
) -> tuple[Interval, Interval]:
    """Numbers of which the first is at most, the second at least the downstream loss (2. and 3.)."""
    if coefficients is None:
        value, _ = _loss(ctx, task, gram)
        return value, value
    columns = []
    for column in zip(*coefficients, strict=True):
        a = [enclose(ctx, x) for x in column]
        scores = [_dot(ctx, row, a) for row in gram]
        squared = _dot(ctx, a, scores)
        if roomy and not is_less(1, squared):
            # max(1, |w|)
            norm = ctx.mpf(1) if is_less(squared, 1) else ctx.mpf([1, ctx.sqrt(upper_end(ctx, squared)).b])
        elif is_less(0, squared):
            norm = ctx.sqrt(squared)
        else:
            raise Unresolved("a classifier's norm is not decided at this precision")
        columns.append([clamp(ctx, s / norm, -1, 1) for s in scores])
    value, slopes = _loss(ctx, task, [list(row) for row in zip(*columns, strict=True)])
    below = value
    for g, scores in zip(zip(*slopes, strict=True), columns, strict=True):
        squared = _dot(ctx, g, [_dot(ctx, row, g) for row in gram])
        if not is_at_most(squared, 0):
            below -= ctx.sqrt(upper_end(ctx, squared))
        below -= _dot(ctx, g, scores)
    return below, value


def _loss(ctx: Context, task: Task, scores: Matrix) -> tuple[Interval, Matrix]:
    """The loss of the scores and its slopes `dL / ds_cj`."""
    beta, total, slopes = enclose(ctx, task.beta), ctx.mpf(0), []
    for c, row in enumerate(scores):
        weight = enclose(ctx, task.weights[c])
        value, steps = task.loss.at(ctx, [exp(ctx, beta * (s - row[c])) for j, s in enumerate(row) if j != c])
        total += weight * value
        slopes.append([beta * weight * x for x in steps])
        slopes[c].insert(c, -beta * weight * sum(steps))
    return total, slopes


def _dot(ctx: Context, x: Any, y: Any) -> Interval:
    return sum((a * b for a, b in zip(x, y, strict=True)), ctx.mpf(0))
