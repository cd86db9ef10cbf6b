r"""A contrastive problem on an augmentation graph: its law, and the minimum and minimizer enclosed at a rational
witness.

The graph: group g has N_g points. `same_g` is the mass of pairs x = x+ in it, `joint_gh` that of pairs of different
points with x in g and x+ in h, spread evenly (for g < h the pairs from h to g have the same mass again); `pi` is the
marginal. Negatives are iid from pi. The loss is `L(G) = sum_ip W_ip E l((beta (G_ip - G_iJ_m))_m)`, over psd G of
unit diagonal.

1.  *Convexity, groups.* As in `dual` (1., 2.): L is convex in G for integer k; the mean over permutations within
groups is feasible and
    no worse; so the minimum is over matrices B of the groups' means, psd, `B_gg <= 1`, and `B_gg = 1` for N_g = 1,
    with cosines `B_gh` between groups and `(N_g B_gg - 1)/(N_g - 1)` within. Each such B is attained in as many
    dimensions as there are points.
2.  *Bounds.* The witness gives B0 = V V^T: its rows are scaled to length 1 for N_g = 1, and not longer than 1 for N_g
> 1. With A the
    symmetrized gradient in B (0 where B is constant), any y with `y_g <= 0` for N_g > 1, and S = A - Diag(y) such
    that S + eps Diag(pi) is positive semidefinite: for feasible B, `<A, B> = <S, B> + sum y_g B_gg >= -eps + sum
    y_g`, since `sum pi_g B_gg <= 1` and `y_g B_gg >= y_g`. So `L(B0) >= min L >= L(B0) - <A, B0> + sum y_g - eps =:
    L(B0) - gap`.
3.  *The minimizer* (logistic, exponential, separable). Along B0 -> B*, delta the difference of the cosines, at anchor
i with positive
    p, the second derivative of the logistic loss is a variance under softmax weights, `beta^2 sum_(a<b) w_a w_b (z_a
    - z_b)^2`; with q = e^(-2 beta), `w_a w_b = xy/(x+y+s)^2 >= w := min(q^2/(2q+k-1)^2, q/(k+q)^2)` for x, y in [q,
    1], s <= k - 1 (it falls in s; in x it rises, then falls: least at a corner, and at (1, 1) not less than at (q,
    1)). The positive with each negative gives `w k E_J (delta_ip - delta_iJ)^2`, pairs of negatives, with i in g and Q
    the mass of the points of h other than i, which all have delta_ij = delta_gh, `w k (k-1)/2 E (delta_iJ -
    delta_iJ')^2 >= w k (k-1) pi_i Q delta_gh^2`. In the former p = i (J in h) leaves `Q delta_gh^2`, p in h (J = i)
    `pi_i delta_gh^2`, other p (J = i and J in h, least over delta_ip) `pi_i Q/(pi_i+Q) delta_gh^2`.
    Exponential and separable: `w k E (delta_ip - delta_iJ)^2` alone, w = q and q/(1+q)^2. Summed over the anchors in
    g and in h, `L'' >= beta^2 M_gh delta_gh^2`; half of that is at most gap: `|delta_gh| <= sqrt(2 gap/M_gh)/beta`.
    It also shows that the minimizer is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from verify.checker.dual import read_temperature
from verify.checker.intervals import (
    Context,
    Interval,
    context,
    enclose,
    exp,
    high,
    low,
    require_positive_definite,
)
from verify.checker.losses import LOSSES, LogSum, Sum
from verify.checker.positives import Anchor, anchors
from verify.checker.reading import MAX_K, Fields, cleared, rational
from verify.checker.verdict import Rejected, Unreadable

MAX_GROUPS = 64
Matrix = list[list[Interval]]


@dataclass(frozen=True)
class Graph:
    """`joint` has both orders of each pair of groups; `labels` are the classes of the groups, empty if not given."""

    counts: list[int]
    same: list[Fraction]
    joint: dict[tuple[int, int], Fraction]
    labels: list[int]
    pi: list[Fraction]

    def between(self, g: int, h: int) -> Fraction:
        return self.joint.get((g, h), Fraction(0))


@dataclass(frozen=True)
class Problem:
    loss: Sum | LogSum
    k: int
    beta: Fraction
    graph: Graph
    d: int


@dataclass(frozen=True)
class Witness:
    """Rows of integers, their common unit squared, multipliers, and the shift."""

    rows: list[list[int]]
    unit: int
    multipliers: list[Fraction]
    shift: Fraction


def read_graph(fields: Fields) -> Graph:
    own = fields.object("graph")
    counts = own.integers("counts", 1, MAX_K)
    same = own.rationals("same")
    m = len(counts)
    if m > MAX_GROUPS or len(same) != m:
        raise Unreadable(f"graph: at most {MAX_GROUPS} groups, and a mass of equal pairs for each")
    entries, joint = own.raw("joint"), dict[tuple[int, int], Fraction]()
    if not isinstance(entries, list) or len(entries) > m * m:
        raise Unreadable("graph.joint: a list of [g, h, mass] is needed")
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 3 or any(type(x) is not int for x in entry[:2]):
            raise Unreadable("graph.joint: a list of [g, h, mass] is needed")
        g, h, mass = entry[0], entry[1], rational("graph.joint", entry[2])
        if not 0 <= g <= h < m or (g, h) in joint or mass <= 0 or (g == h and counts[g] == 1):
            raise Unreadable("graph.joint: every pair of groups once, g <= h, with a positive mass")
        joint[g, h] = joint[h, g] = mass
    labels = own.integers("labels", 0, m) if "labels" in own.data else []
    if labels and (len(labels) != m or set(labels) != set(range(max(labels) + 1)) or max(labels) == 0):
        raise Unreadable("graph.labels: a class for each group, all of 0 to C-1, at least two")
    own.done()
    cleared("graph", same + list(joint.values()))
    pi = [same[g] + sum((joint[g, h] for h in range(m) if (g, h) in joint), Fraction(0)) for g in range(m)]
    if min(same) < 0 or min(pi) <= 0 or sum(pi) != 1:
        raise Unreadable("graph: masses that are not negative, of sum 1, and some for every group are needed")
    return Graph(counts, same, joint, labels, pi)


def read_problem(statement: Fields) -> Problem:
    """The fields loss, temperature, d, graph; k is read by the caller."""
    loss, graph = LOSSES[statement.choice("loss", tuple(LOSSES))], read_graph(statement)
    d = statement.integer("d", sum(graph.counts), MAX_K)
    return Problem(loss, 1, 1 / read_temperature(statement), graph, d)


def read_witness(witness: Fields, graph: Graph) -> Witness:
    means, y, shift = witness.matrix("means"), witness.rationals("multipliers"), witness.rational("shift")
    m = len(graph.counts)
    if len(means) != m or len(y) != m or shift <= 0:
        raise Unreadable("witness: a row of means and a multiplier for each group, and a positive shift")
    flat, denominator = cleared("witness.means", [x for row in means for x in row])
    width = len(means[0])
    rows = [flat[g * width : (g + 1) * width] for g in range(m)]
    for g, row in enumerate(rows):
        square = sum(x * x for x in row)
        if graph.counts[g] > 1 and (square > denominator**2 or y[g] > 0):
            raise Rejected("a group's mean is longer than 1, or its multiplier positive")
        if square == 0 and graph.counts[g] == 1:
            raise Unreadable("witness.means: the row of a single point is zero")
    return Witness(rows, denominator**2, y, shift)


def enclose_minimum(
    problem: Problem, witness: Witness, bits: int
) -> tuple[Context, Interval, Interval, Matrix, Matrix]:
    """The context, L(B0), gap, B0 and its cosines (2.).

    Raises:
        Rejected: if the witness is shown not to prove a lower bound with this shift.
        Unresolved: if the precision does not suffice.
    """
    ctx = context(bits, problem.k)
    graph, groups = problem.graph, range(len(problem.graph.counts))
    squares = [witness.unit if graph.counts[g] > 1 else sum(x * x for x in witness.rows[g]) for g in groups]
    B, cosines = [[ctx.mpf(1)] * len(squares) for _ in groups], [[ctx.mpf(1)] * len(squares) for _ in groups]
    for g in groups:
        for h in range(g):
            dot = sum(a * b for a, b in zip(witness.rows[g], witness.rows[h], strict=True))
            entry = ctx.mpf(dot) / ctx.sqrt(ctx.mpf(squares[g] * squares[h]))
            B[g][h] = B[h][g] = cosines[g][h] = cosines[h][g] = entry
        n = graph.counts[g]
        if n > 1:
            p = Fraction(sum(x * x for x in witness.rows[g]), witness.unit)
            B[g][g], cosines[g][g] = enclose(ctx, p), enclose(ctx, (n * p - 1) / (n - 1))
    loss, gradient = slopes(ctx, problem, cosines)
    gap = enclose(ctx, witness.shift)
    slack = [list(row) for row in gradient]
    for g in groups:
        y = enclose(ctx, witness.multipliers[g])
        gap += sum((a * b for a, b in zip(gradient[g], B[g], strict=True)), ctx.mpf(0)) - y
        slack[g][g] += enclose(ctx, witness.shift * graph.pi[g]) - y
    require_positive_definite(slack)
    return ctx, loss, gap, B, cosines


def rows_at(ctx: Context, problem: Problem, cosines: Matrix) -> tuple[list[Anchor], list[list[int]]]:
    """The anchors of all groups, and the number of the value of each cosine (0 is the anchor itself)."""
    graph, groups = problem.graph, range(len(cosines))
    beta, logarithms, names = enclose(ctx, problem.beta), [ctx.mpf(0)], [[0] * len(cosines) for _ in groups]
    for g in groups:
        for h in range(g if graph.counts[g] == 1 else g + 1):
            names[g][h] = names[h][g] = len(logarithms)
            logarithms.append(beta * (cosines[g][h] - 1))
    laws = []
    for g in groups:
        n = graph.counts[g]
        negative = {0: graph.pi[g] / n} | {names[g][h]: graph.pi[h] for h in groups if h != g}
        if n > 1:
            negative[names[g][g]] = graph.pi[g] * Fraction(n - 1, n)
        positive = {0: graph.same[g] / graph.pi[g]} if graph.same[g] else {}
        positive |= {names[g][h]: graph.between(g, h) / graph.pi[g] for h in groups if graph.between(g, h)}
        laws.append((negative, positive))
    return anchors(ctx, problem.loss, problem.k, logarithms, laws), names


def slopes(ctx: Context, problem: Problem, cosines: Matrix) -> tuple[Interval, Matrix]:
    """L, and its symmetrized gradient in B."""
    graph, groups = problem.graph, range(len(cosines))
    rows, names = rows_at(ctx, problem, cosines)
    beta, gradient = enclose(ctx, problem.beta), [[ctx.mpf(0)] * len(cosines) for _ in groups]
    for g in groups:
        for h in range(g if graph.counts[g] == 1 else g + 1):
            u, mass = names[g][h], graph.between(g, h)
            # within a group, d cosine / d B = N/(N-1), which turns pi (N-1)/N into pi
            stretch = Fraction(graph.counts[g], graph.counts[g] - 1) if g == h else Fraction(1)
            total = ctx.mpf(0)
            for a in (g, h):
                total += enclose(ctx, graph.pi[g] * graph.pi[h]) * rows[a].negative[u]
                if mass:
                    total += enclose(ctx, mass * stretch) * rows[a].positive[u]
            X = exp(ctx, beta * (cosines[g][h] - 1))
            gradient[g][h] = gradient[h][g] = beta * X * total / 2
    loss = sum((enclose(ctx, graph.pi[g]) * rows[g].loss for g in groups), ctx.mpf(0))
    return loss, gradient


def minimizer_means(problem: Problem, witness: Witness, bits: int) -> tuple[Context, Matrix]:
    """B* enclosed (3.)."""
    if not problem.loss.strict:
        raise Rejected("the minimizer of this loss is not enclosed by this checker")
    ctx, _, gap, B, _ = enclose_minimum(problem, witness, bits)
    graph, k = problem.graph, problem.k
    q = exp(ctx, enclose(ctx, -2 * problem.beta))
    w, more = problem.loss.curvature(ctx, k, q), 0
    if isinstance(problem.loss, LogSum):
        w, more = enclose(ctx, min(low(w), low(q * q / (2 * q + k - 1) ** 2))), k - 1
    scale = 2 * enclose(ctx, max(Fraction(0), high(gap)) / problem.beta**2)
    found = [list(row) for row in B]
    for g, n in enumerate(graph.counts):
        for h in range(g + 1):
            if g == h and n == 1:
                continue
            shares = share(graph, g, h, more) + (share(graph, h, g, more) if g != h else 0)
            radius = ctx.sqrt(scale / (w * k * enclose(ctx, shares)))
            if g == h:
                radius = radius * enclose(ctx, Fraction(n - 1, n))
            found[g][h] = found[h][g] = B[g][h] + radius * ctx.mpf([-1, 1])
    return ctx, found


def share(graph: Graph, g: int, h: int, more: int) -> Fraction:
    """What the anchors in g have of M_gh, without the factor w k (3.)."""
    i, same, joint = graph.pi[g] / graph.counts[g], graph.same[g], graph.between(g, h)
    Q = graph.pi[h] - (i if g == h else 0)
    return same * Q + joint * i + (graph.pi[g] - same - joint) * i * Q / (i + Q) + more * graph.pi[g] * i * Q
