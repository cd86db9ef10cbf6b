r"""The kind `indistinguishability`, about an augmentation graph.

Claim (field `verdict`): at the optimum over all embeddings the classes are ("holds") or are not
("fails") constant. No positive pair crosses classes; `rho_c` are the classes' masses, G* the class-level minimizer at
this k (points of a class on one point).

1.  *Slopes.* At G*, given an anchor of class c, let `D_cj = rho_c E sum_m l_m [negative m in class j]`, l_m = -dl/dv_m
    >= 0: with X_cj = e^(beta (G*_cj - 1)), `D_cj = rho_c rho_j X_cj g_cj`, g the slope of `rows`. Ds = (D + D^T)/2, and
    `alpha_c = (Ds G*)_cc / (D 1)_c`.
2.  *Theorem.* The collapsed embedding is optimal iff for each class of two points or more `v^T W v <= (1 - alpha_c) sum
    pi_i v_i^2` for all v on the class with sum pi_i v_i = 0. Proof. In the entry (i, j), c the class of i, L has at the
    collapsed point the derivative `-beta W_ij sigma_c + beta pi_i pi_j D_cj/(rho_c rho_j)`, sigma_c = (D 1)_c/rho_c,
    for the margins do not depend on which point of c the positive is. The problem is convex with interior point G = I:
    optimal iff S = A - Diag(y), A symmetrized, is psd and S G = 0; then y = diag(A G), `y_i = beta pi_i (-sigma_c + (Ds
    G*)_cc/rho_c)`. On vectors constant on classes S is the class-level slack, psd; on the v above it is `beta sigma_c
    ((1 - alpha_c) sum pi v^2 - v^T W v)`; between the two kinds, and between v of two classes, it is 0. [] If it is not
    optimal, no collapsed embedding is: one has at least the loss of G*.
3.  *Dimension.* It holds in every d that has the rank of G*, and fails if d >= C: `u_i -> (sqrt(1 - e^2 v_i^2) u_i, e
    v_i)` gains `e^2 v^T S v` to first order, for one more dimension than rank G* <= C-1. Here d is at least the number
    of points.
4.  *A gap is at least a* iff `(1 - a) Diag(pi) - W` is psd on those v. For groups of exchangeable points: on vectors of
    sum 0 within group g, W is `(same_g - joint_gg/(N_g-1))/N_g` times the identity, so `(1 - a) pi_g >= same_g -
    joint_gg/(N_g-1)`, exactly; and on vectors constant on groups `(1 - a) Diag(pi) - W_c + (1+|a|)/rho_c pi pi^T` is
    psd (W_c the masses between groups; the constant vector gives `(1 + |a| - a) rho_c > 0` and is orthogonal to the
    others in this form). It is less than a if a rational v of the witness, its mean removed, violates it, exactly.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from verify.checker import downstream
from verify.checker.dual import Problem as ClassProblem
from verify.checker.dual import enclose_optimum, read_means
from verify.checker.global_optimum import bits_for
from verify.checker.graph import (
    Graph,
    Matrix,
    Problem,
    read_problem,
)
from verify.checker.intervals import (
    Context,
    Interval,
    clamp,
    context,
    enclose,
    exp,
    high,
    low,
    require_positive_definite,
    resolve,
    widen,
)
from verify.checker.reading import MAX_K, Fields
from verify.checker.rows import row_losses
from verify.checker.verdict import Rejected, Unreadable, Unresolved


def check(statement: Fields, witness: Fields) -> str:
    problem = replace(read_problem(statement), k=statement.integer("k", 1, MAX_K))
    verdict = statement.choice("verdict", ("holds", "fails"))
    level = ClassLevel(problem, witness)
    if verdict == "holds":
        resolve(level.bits, level.require_collapse)
        return "every gap exceeds its threshold"
    c = witness.integer("class", 0, len(level.rho) - 1)
    vector = witness.rationals("vector") if "vector" in witness.data else None

    def attempt(bits: int) -> None:
        ctx, gram = level.gram(bits)
        if not _is_below(problem.graph, c, low(level.thresholds(ctx, gram)[c]), vector):
            raise Unresolved("no gap is shown to be below its threshold")

    resolve(level.bits, attempt)
    return "the gap of a class is below its threshold"


class ClassLevel:
    """The class-level problem of a graph without crossing pairs, and the witness of its minimizer."""

    def __init__(self, problem: Problem, witness: Fields) -> None:
        graph = problem.graph
        if not graph.labels:
            raise Unreadable("graph.labels is missing")
        if not problem.loss.strict:
            raise Rejected("the minimizer of this loss is not enclosed by this checker")
        if any(graph.labels[g] != graph.labels[h] for g, h in graph.joint):
            raise Rejected("a positive pair crosses classes")
        self.graph = graph
        self.members = [[g for g, c in enumerate(graph.labels) if c == d] for d in range(max(graph.labels) + 1)]
        self.rho = [sum((graph.pi[g] for g in groups), Fraction(0)) for groups in self.members]
        self.problem = ClassProblem(problem.loss, problem.k, problem.beta, self.rho, [1] * len(self.rho))
        self.structure = witness.choice("structure", downstream.STRUCTURES) if "structure" in witness.data else None
        self.means, self.shift = None, Fraction(1, 1 << 60)
        if self.structure is None:
            self.means, self.shift = read_means(witness, self.problem.counts), witness.rational("shift")
        if self.shift <= 0:
            raise Rejected("the shift is not positive")
        self.bits = bits_for(self.shift)

    def gram(self, bits: int) -> tuple[Context, Matrix]:
        """G* enclosed."""
        if self.structure is not None:
            ctx = context(bits, self.problem.k)
            return ctx, downstream._exact_gram(ctx, self.problem, self.structure)
        assert self.means is not None
        optimum = enclose_optimum(self.problem, self.means, self.shift, bits)
        radius = optimum.radius()
        assert radius is not None  # the loss is strict
        ctx = optimum.ctx
        return ctx, [
            [clamp(ctx, widen(ctx, g, r), -1, 1) for g, r in zip(*rows, strict=True)]
            for rows in zip(optimum.cosines, radius, strict=True)
        ]

    def thresholds(self, ctx: Context, gram: Matrix) -> list[Interval]:
        """alpha (1.)."""
        classes, beta = range(len(self.rho)), enclose(ctx, self.problem.beta)
        values, names = [ctx.mpf(1)], [[0] * len(self.rho) for _ in classes]
        for c in classes:
            for j in classes:
                if c != j:
                    names[c][j] = len(values)
                    values.append(exp(ctx, beta * (gram[c][j] - 1)))
        laws = [{names[c][j]: self.rho[j] for j in classes} for c in classes]
        rows = row_losses(ctx, self.problem.loss, self.problem.k, values, laws)
        D = [
            [enclose(ctx, self.rho[c] * self.rho[j]) * values[names[c][j]] * rows[c][1][names[c][j]] for j in classes]
            for c in classes
        ]
        return [
            sum(((D[c][j] + D[j][c]) / 2 * gram[c][j] for j in classes), ctx.mpf(0)) / sum(D[c], ctx.mpf(0))
            for c in classes
        ]

    def require_collapse(self, bits: int) -> tuple[Context, Matrix]:
        """The enclosure of G*, if every gap is shown to be at least its threshold."""
        ctx, gram = self.gram(bits)
        for c, alpha in enumerate(self.thresholds(ctx, gram)):
            _require_gap(ctx, self.graph, self.members[c], high(alpha))
        return ctx, gram


def _require_gap(ctx: Context, graph: Graph, groups: list[int], a: Fraction) -> None:
    """4., "at least"."""
    for g in groups:
        n = graph.counts[g]
        if n > 1 and (1 - a) * graph.pi[g] < graph.same[g] - graph.between(g, g) / (n - 1):
            raise Unresolved("a gap is not shown to exceed its threshold")
    if len(groups) == 1:
        return
    rho = sum(graph.pi[g] for g in groups)
    matrix = [
        [
            (1 + abs(a)) / rho * graph.pi[g] * graph.pi[h]
            - graph.between(g, h)
            + ((1 - a) * graph.pi[g] - graph.same[g] if g == h else 0)
            for h in groups
        ]
        for g in groups
    ]
    try:
        require_positive_definite([[enclose(ctx, x) for x in row] for row in matrix])
    except Rejected:
        # it may be shown with a narrower enclosure of the threshold
        raise Unresolved("a gap is not shown to exceed its threshold") from None


def _is_below(graph: Graph, c: int, a: Fraction, vector: list[Fraction] | None) -> bool:
    """4., "less than"."""
    groups = [g for g, label in enumerate(graph.labels) if label == c]
    if vector is None:
        return any(
            (1 - a) * graph.pi[g] < graph.same[g] - graph.between(g, g) / (graph.counts[g] - 1)
            for g in groups
            if graph.counts[g] > 1
        )
    if len(vector) != len(groups):
        raise Unreadable("witness.vector: an entry for each group of the class is needed")
    mean = sum(graph.pi[g] * v for g, v in zip(groups, vector, strict=True)) / sum(graph.pi[g] for g in groups)
    v = {g: x - mean for g, x in zip(groups, vector, strict=True)}
    squares = sum((graph.pi[g] * x * x for g, x in v.items()), Fraction(0))
    form = sum((graph.same[g] * x * x for g, x in v.items()), Fraction(0))
    form += sum((graph.between(g, h) * v[g] * v[h] for g in groups for h in groups), Fraction(0))
    return (1 - a) * squares < form
