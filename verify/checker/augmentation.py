r"""Kinds about augmentation graphs: `indistinguishability`, and `global-optimum`, `downstream-loss`,
`conjecture-refuted` with a `graph`.

`indistinguishability` (field `verdict`): at the optimum over all embeddings the classes are ("holds") or are not
("fails") constant. No positive pair crosses classes; `rho_c` are the classes' masses, G* the class-level minimizer at
this k (points of a class on one point).

1.  *Slopes.* At G*, given an anchor of class c, let `D_cj = rho_c E sum_m l_m [negative m in class j]`, l_m =
-dl/dv_m >= 0: with X_cj =
    e^(beta (G*_cj - 1)), `D_cj = rho_c rho_j X_cj g_cj`, g the slope of `rows`. Ds = (D + D^T)/2, and `alpha_c = (Ds
    G*)_cc / (D 1)_c`.
2.  *Theorem.* The collapsed embedding is optimal iff for each class of two points or more `v^T W v <= (1 - alpha_c)
sum pi_i v_i^2` for all v on the
    class with sum pi_i v_i = 0. Proof. In the entry (i, j), c the class of i, L has at the collapsed point the
    derivative `-beta W_ij sigma_c + beta pi_i pi_j D_cj/(rho_c rho_j)`, sigma_c = (D 1)_c/rho_c, for the margins do
    not depend on which point of c the positive is. The problem is convex with interior point G = I: optimal iff S = A
    - Diag(y), A symmetrized, is psd and S G = 0; then y = diag(A G), `y_i = beta pi_i (-sigma_c + (Ds G*)_cc/rho_c)`.
    On vectors constant on classes S is the class-level slack, psd; on the v above it is `beta sigma_c ((1 - alpha_c)
    sum pi v^2 - v^T W v)`; between the two kinds, and between v of two classes, it is 0. [] If it is not optimal, no
    collapsed embedding is: one has at least the loss of G*.
3.  *Dimension.* It holds in every d that has the rank of G*, and fails if d >= C: `u_i -> (sqrt(1 - e^2 v_i^2) u_i, e
v_i)` gains `e^2 v^T S v`
    to first order, for one more dimension than rank G* <= C-1. Here d is at least the number of points.
4.  *A gap is at least a* iff `(1 - a) Diag(pi) - W` is psd on those v. For groups of exchangeable points: on vectors
of sum 0 within group g,
    W is `(same_g - joint_gg/(N_g-1))/N_g` times the identity, so `(1 - a) pi_g >= same_g - joint_gg/(N_g-1)`,
    exactly; and on vectors constant on groups `(1 - a) Diag(pi) - W_c + (1+|a|)/rho_c pi pi^T` is psd (W_c the masses
    between groups; the constant vector gives `(1 + |a| - a) rho_c > 0` and is orthogonal to the others in this form).
    It is less than a if a rational v of the witness, its mean removed, violates it, exactly.

*The other kinds.* As in `global_optimum` and `downstream`, over all embeddings of the points. The minimizer is unique
(`graph`, 3.), and enclosed in one of three ways: by means (`graph`, 2. and 3.); collapsed, G* (2. must hold); or, if
all classes are one group of m points each, of one law ("uniform"), by one number: permutations of points and classes
leave one cosine g within and one, b, between classes. L is convex in (g, b) and increases in b, since no positive is
in another class; so `b = -(1 + (m-1) g)/((C-1) m)`, the least that is feasible, and the sign of the derivative along
this line at two numbers encloses g. A task is the mass of each of its classes in each group. Averaging a classifier
over permutations of exchangeable points does not raise the loss, and leaves scores that are products with the groups'
means; then 2. and 3. of `downstream` apply to the means. There is room beside the embeddings if the optimum is
singular, which it is unless all off-diagonal derivatives vanish (S G = 0): without crossing pairs those between
classes are positive. Else d must exceed the number of points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from verify.checker import downstream
from verify.checker.dual import Problem as ClassProblem
from verify.checker.dual import enclose_optimum, read_means
from verify.checker.global_optimum import bits_for, compare_interval
from verify.checker.graph import (
    Graph,
    Matrix,
    Problem,
    enclose_minimum,
    minimizer_means,
    read_problem,
    read_witness,
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
    upper_end,
    widen,
)
from verify.checker.positives import anchors
from verify.checker.reading import MAX_K, Fields
from verify.checker.rows import row_losses
from verify.checker.verdict import Rejected, Unreadable, Unresolved

Masses = list[list[Fraction]]


def check_minimum(statement: Fields, witness: Fields) -> str:
    problem = replace(read_problem(statement), k=statement.integer("k", 1, MAX_K))
    lower, upper = statement.rational("lower"), statement.rational("upper")
    if lower >= upper:
        raise Rejected("the interval [lower, upper] has no interior")
    point = read_witness(witness, problem.graph)

    def attempt(bits: int) -> None:
        _, loss, gap, _, _ = enclose_minimum(problem, point, bits)
        compare_interval(lower, upper, loss - gap, loss)

    resolve(bits_for(min(point.shift, upper - lower)), attempt)
    return "the minimum on the graph is enclosed by a feasible point and a dual bound"


def check_indistinguishability(statement: Fields, witness: Fields) -> str:
    problem = replace(read_problem(statement), k=statement.integer("k", 1, MAX_K))
    verdict = statement.choice("verdict", ("holds", "fails"))
    level = _ClassLevel(problem, witness)
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


def check_loss(statement: Fields, witness: Fields) -> str:
    problem, masses = _read_task(statement)
    _check_point(problem, masses, statement, witness)
    return "the downstream loss of the minimizer on the graph is enclosed"


def check_refuted(statement: Fields, witness: Fields) -> str:
    problem, masses = _read_task(statement)
    rise = statement.rational("increase")
    claims, hints = statement.raw("points"), witness.raw("points")
    if not isinstance(claims, list) or not isinstance(hints, list) or len(claims) != 2 or len(hints) != 2:
        raise Unreadable("points: two are needed")
    found = []
    for n, (claim, hint) in enumerate(zip(claims, hints, strict=True)):
        fields = Fields(f"points[{n}]", claim)
        found.append(_check_point(problem, masses, fields, Fields(f"witness.points[{n}]", hint)))
        fields.done()
    (k1, _, upper), (k2, lower, _) = found
    if not k1 < k2 or not 0 < rise <= lower - upper:
        raise Rejected("the two enclosures do not show this increase")
    return "the enclosures at the two k are disjoint, the later one higher"


class _ClassLevel:
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


def _read_task(statement: Fields) -> tuple[Problem, Masses]:
    problem = read_problem(statement)
    if not problem.loss.strict:
        raise Rejected("the minimizer of this loss is not enclosed by this checker")
    masses = statement.matrix("task")
    if len(masses) != len(problem.graph.counts) or len(masses[0]) < 2 or min(x for row in masses for x in row) < 0:
        raise Unreadable("statement.task: a row for each group, of masses of two classes or more, is needed")
    if any(sum(row) != p for row, p in zip(masses, problem.graph.pi, strict=True)):
        raise Unreadable("statement.task: the masses of a group do not sum to its own")
    return problem, masses


def _check_point(problem: Problem, masses: Masses, claim: Fields, witness: Fields) -> tuple[int, Fraction, Fraction]:
    """Require `lower <= L_sup <= upper` at this k."""
    problem = replace(problem, k=claim.integer("k", 1, MAX_K))
    lower, upper = claim.rational("lower"), claim.rational("upper")
    if lower >= upper:
        raise Rejected("the interval [lower, upper] has no interior")
    minimizer = witness.choice("minimizer", ("means", "collapsed", "uniform"))
    bits = bits_for(upper - lower)
    enclosed: Callable[[int], tuple[Context, Matrix]]
    if minimizer == "means":
        labels, joint = problem.graph.labels, problem.graph.joint
        crosses = not labels or any(labels[g] != labels[h] for g, h in joint)
        if crosses and problem.d <= sum(problem.graph.counts):
            raise Rejected("d leaves no room beside the embeddings")
        point = read_witness(witness, problem.graph)
        bits = max(bits, bits_for(point.shift))

        def enclosed_at(bits: int) -> tuple[Context, Matrix]:
            return minimizer_means(problem, point, bits)

        enclosed = enclosed_at
    elif minimizer == "collapsed":
        level = _ClassLevel(problem, witness)
        bits, enclosed = max(bits, level.bits), level.require_collapse
        masses = [[sum((masses[g][y] for g in groups), Fraction(0)) for y in range(len(masses[0]))]
                  for groups in level.members]  # fmt: skip
    else:
        within, radius = witness.rational("within"), witness.rational("radius")
        bits = max(bits, bits_for(radius) if radius > 0 else 0)

        def uniform_at(bits: int) -> tuple[Context, Matrix]:
            return _uniform_means(problem, within, radius, bits)

        enclosed = uniform_at
    coefficients = witness.matrix("classifier")
    if len(coefficients) != len(masses) or len(coefficients[0]) != len(masses[0]):
        raise Unreadable("witness.classifier: a row for each mean and a column for each class are needed")

    def attempt(bits: int) -> None:
        ctx, gram = enclosed(bits)
        below, above = _bracket(ctx, problem, gram, masses, coefficients)
        if lower > high(above) or upper < low(below):
            raise Rejected("the interval does not hold the downstream loss")
        if lower > low(below) or upper < high(above):
            raise Unresolved("the interval is not decided at this precision")

    resolve(bits, attempt)
    return problem.k, lower, upper


def _uniform_means(problem: Problem, within: Fraction, radius: Fraction, bits: int) -> tuple[Context, Matrix]:
    graph = problem.graph
    C, m = len(graph.counts), graph.counts[0]
    laws: list[set[int] | set[Fraction]] = [set(graph.counts), set(graph.same), {graph.between(g, g) for g in range(C)}]
    if sorted(graph.labels) != list(range(C)) or any(len(law) > 1 for law in laws) or m < 2:
        raise Rejected("the graph is not uniform")
    if any(g != h for g, h in graph.joint) or radius <= 0 or not Fraction(-1, C * m - 1) < within - radius:
        raise Rejected("the graph is not uniform, or the enclosure not one of a minimizer")
    if within + radius >= 1:
        raise Rejected("the enclosure reaches the collapsed point")
    ctx = context(bits, problem.k)
    for g, sign in ((within - radius, -1), (within + radius, 1)):
        slope = sign * _slope_on_line(ctx, problem, g)
        if low(slope) <= 0:
            raise (Rejected if high(slope) < 0 else Unresolved)("the sign of the derivative is not the one claimed")
    g = enclose(ctx, within) + enclose(ctx, radius) * ctx.mpf([-1, 1])
    s = (1 + (m - 1) * g) / m
    return ctx, [[s if c == j else -s / (C - 1) for j in range(C)] for c in range(C)]


def _slope_on_line(ctx: Context, problem: Problem, within: Fraction) -> Interval:
    """A positive multiple of `dL/dg - (p_g/p_b) dL/db` at (g, b(g)), p_g and p_b the chances of a negative there."""
    graph = problem.graph
    C, m = len(graph.counts), graph.counts[0]
    between = -(1 + (m - 1) * within) / ((C - 1) * m)
    logarithms = [ctx.mpf(0)] + [enclose(ctx, problem.beta * (x - 1)) for x in (within, between)]
    p_g, mates = Fraction(m - 1, C * m), graph.between(0, 0) / graph.pi[0]
    negative, positive = {0: Fraction(1, C * m), 1: p_g, 2: Fraction(C - 1, C)}, {0: 1 - mates, 1: mates}
    laws = [(negative, {u: q for u, q in positive.items() if q})]
    row = anchors(ctx, problem.loss, problem.k, logarithms, laws)[0]
    slope = row.negative[1]
    if mates:
        slope += enclose(ctx, mates / p_g) * row.positive[1]
    return exp(ctx, logarithms[1]) * slope - exp(ctx, logarithms[2]) * row.negative[2]


def _bracket(
    ctx: Context, problem: Problem, gram: Matrix, masses: Masses, coefficients: list[list[Fraction]]
) -> tuple[Interval, Interval]:
    """Numbers of which the first is at most, the second at least the downstream loss (`downstream`, 2. and 3.)."""
    columns = []
    for column in zip(*coefficients, strict=True):
        a = [enclose(ctx, x) for x in column]
        scores = [_dot(ctx, row, a) for row in gram]
        squared = _dot(ctx, a, scores)
        if high(squared) <= 1:
            norm = ctx.mpf(1)
        elif low(squared) >= 1:
            norm = ctx.sqrt(squared)
        else:
            norm = 1 + (ctx.sqrt(upper_end(ctx, squared)) - 1) * ctx.mpf([0, 1])
        columns.append([s / norm for s in scores])
    value, slopes = _loss(ctx, problem, [list(row) for row in zip(*columns, strict=True)], masses)
    below = value
    for g, scores in zip(zip(*slopes, strict=True), columns, strict=True):
        squared = high(_dot(ctx, g, [_dot(ctx, row, g) for row in gram]))
        if squared > 0:
            below -= ctx.sqrt(enclose(ctx, squared))
        below -= _dot(ctx, g, scores)
    return below, value


def _loss(ctx: Context, problem: Problem, scores: Matrix, masses: Masses) -> tuple[Interval, Matrix]:
    """The loss of the scores and its slopes."""
    beta, total = enclose(ctx, problem.beta), ctx.mpf(0)
    slopes = [[ctx.mpf(0)] * len(masses[0]) for _ in scores]
    for g, row in enumerate(scores):
        for c, mass in enumerate(masses[g]):
            if not mass:
                continue
            weight, others = enclose(ctx, mass), [j for j in range(len(row)) if j != c]
            value, steps = problem.loss.at(ctx, [exp(ctx, beta * (row[j] - row[c])) for j in others])
            total += weight * value
            for j, x in zip(others, steps, strict=True):
                slopes[g][j] += beta * weight * x
                slopes[g][c] -= beta * weight * x
    return total, slopes


def _dot(ctx: Context, x: Sequence[Interval], y: Sequence[Interval]) -> Interval:
    return sum((a * b for a, b in zip(x, y, strict=True)), ctx.mpf(0))
