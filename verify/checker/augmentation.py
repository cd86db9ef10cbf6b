r"""Kinds about augmentation graphs: `global-optimum`, `downstream-loss` and `conjecture-refuted` with a `graph`.

As in `global_optimum` and `downstream`, over all embeddings of the points. The minimizer is unique (`graph`, 3.), and
enclosed in one of three ways: by means (`graph`, 2. and 3.); collapsed, G* (`indistinguishability`, 2. must hold); or,
if all classes are one group of m points each, of one law ("uniform"), by one number: permutations of points and classes
leave one cosine g within and one, b, between classes. L is convex in (g, b) and increases in b, since no positive is in
another class; so `b = -(1 + (m-1) g)/((C-1) m)`, the least that is feasible, and the sign of the derivative along this
line at two numbers encloses g. A task is the mass of each of its classes in each group. Averaging a classifier over
permutations of exchangeable points does not raise the loss, and leaves scores that are products with the groups' means;
then 2. and 3. of `downstream` apply to the means. There is room beside the embeddings if the optimum is singular, which
it is unless all off-diagonal derivatives vanish (S G = 0): without crossing pairs those between classes are positive.
Else d must exceed the number of points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from verify.checker.global_optimum import bits_for, compare_interval
from verify.checker.graph import (
    Matrix,
    Problem,
    enclose_minimum,
    minimizer_means,
    read_problem,
    read_witness,
)
from verify.checker.indistinguishability import ClassLevel
from verify.checker.intervals import (
    Context,
    Interval,
    context,
    enclose,
    exp,
    high,
    low,
    resolve,
    upper_end,
)
from verify.checker.positives import anchors
from verify.checker.reading import MAX_K, Fields
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
        level = ClassLevel(problem, witness)
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
