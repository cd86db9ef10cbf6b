r"""The minimum on an augmentation graph, proven: a rational point near the optimum and a dual bound at it.

The bound of `verify.optimize.barrier.dual_bound` at an exact B0, everything enclosed in balls. With S + eps Diag(pi)
psd, y_g <= 0 for groups of two or more, the minimum lies in `[L(B0) - gap, L(B0)]`,

    gap = sum_g (A B0)_gg - sum_g y_g + eps.

*The minimizer* (derived). Along B0 -> B*, with delta the difference of the cosines, the second derivative of the loss
at anchor i with positive p is a variance under softmax weights, `sum_(a<b) w_a w_b (z_a - z_b)^2` over the positive
and the negatives. A product of two weights is at least

    w = min( q^2/(2q+k-1)^2, q/(k+q)^2 ),   q = e^(-2 beta),

since `x y/(x+y+s)^2` falls in s and its minimum over `x, y in [q, 1]` is at a corner. With the positive and one
negative, and with two negatives, that gives `w k E_J (delta_ip - delta_iJ)^2` and `w k (k-1)/2 E (delta_iJ -
delta_iJ')^2 >= w k (k-1) pi_i Q delta_gh^2`, i in g and Q the mass of the points of h other than i: they all have
`delta_ij = delta_gh`. In the former, a positive p = i leaves (J in h) `Q delta_gh^2`, p in h leaves (J = i) `pi_i
delta_gh^2`, and any other p, by J = i and J in h, `pi_i Q/(pi_i+Q) delta_gh^2`, least over delta_ip. The other losses
have `w k E (delta_ip - delta_iJ)^2` alone, w = q (exponential), q/(1+q)^2 (separable). Summed over the anchors in g
and in h, `L'' >= beta^2 M_gh delta_gh^2`, and half of it is at most the gap:

    |cosine*_gh - cosine0_gh| <= sqrt(2 gap / M_gh) / beta.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, ctx, fmpz_mat
from jaxtyping import Float

from theory.augmentation.graph import Graph
from theory.problem import Problem
from verify.certify.balls import Ball, ball, bounds
from verify.certify.definite import least_shift
from verify.certify.document import document, down, ratio, up
from verify.certify.losses import LogSum, find, get, unproved
from verify.certify.rows import OutOfReach, law
from verify.graphs.rows import AnchorRow, anchor_rows
from verify.results.digits import round_up

_BITS = 80
_PLACES = 56


@dataclass(frozen=True)
class GraphProof:
    """`lower <= min L_k <= upper`, and every optimal cosine within `radius` of `cosines` (None where not enclosed).

    `rows`, over `unit`, are mean embeddings: those of groups of one point are scaled to length 1.
    """

    problem: Problem[Graph]
    lower: Fraction
    upper: Fraction
    gap: Fraction
    cosines: tuple[tuple[Fraction, ...], ...]
    radius: tuple[tuple[Fraction, ...], ...] | None
    rows: tuple[tuple[int, ...], ...]
    multipliers: tuple[Fraction, ...]
    shift: Fraction

    def certificate(self) -> dict[str, Any]:
        """The certificate `global-optimum` for a graph."""
        statement = graph_statement("global-optimum", self.problem) | {
            "lower": ratio(self.lower),
            "upper": ratio(self.upper),
        }
        return document(statement, self.witness())

    def witness(self) -> dict[str, Any]:
        """What a checker needs to see it."""
        return {
            "means": [[ratio(Fraction(x, 1 << _PLACES)) for x in row] for row in self.rows],
            "multipliers": [ratio(y) for y in self.multipliers],
            "shift": ratio(self.shift),
        }


def graph_statement(kind: str, problem: Problem[Graph]) -> dict[str, Any]:
    """The fields of a statement that say which problem is meant; of a class-level one `graph` is the addition."""
    assert isinstance(problem.k, int)
    return {
        "kind": kind,
        "loss": problem.loss_name,
        "k": problem.k,
        "temperature": ratio(problem.temperature),
        "d": max(problem.d, dimensions(problem.population)),
        "graph": graph_fields(problem.population),
    }


def dimensions(graph: Graph) -> int:
    """As many as hold every optimum with room for a classifier beside it: one more than points where positives cross
    classes, for then the optimum may have full rank."""
    return graph.points + graph.crosses


def graph_fields(graph: Graph) -> dict[str, Any]:
    """The exact law: points, mass of equal pairs and class of each group, and the masses of pairs between groups."""
    fields: dict[str, Any] = {
        "counts": list(graph.counts),
        "same": [ratio(mass) for mass in graph.same],
        "joint": [[g, h, ratio(mass)] for (g, h), mass in sorted(graph.joint.items()) if mass],
    }
    if graph.labels is not None:
        fields["labels"] = list(graph.labels)
    return fields


def prove_minimum(problem: Problem[Graph], means: Float[np.ndarray, "m m"]) -> GraphProof | str:
    """Enclose the minimum, and the minimizer, at a float64 method's end `means` (B, psd); else the reason why not."""
    if not isinstance(problem.k, int):
        return "nothing is proved at a k that is not an integer"
    if find(problem.loss_name) is None:
        return f"no proof for the loss '{problem.loss_name}'; {unproved()}"
    rows = _rational_rows(problem, means)
    bits = _BITS + 2 * problem.k.bit_length()
    with ctx.workprec(bits + 24):
        try:
            B, cosines, gradient, loss = _enclose(problem, rows, bits)
        except OutOfReach as out:
            return str(out)
        products = [sum((a * b for a, b in zip(*pair, strict=True)), arb(0)) for pair in zip(gradient, B, strict=True)]
        y = _multipliers(problem, products, B)
        slack = [list(row) for row in gradient]
        for g, multiplier in enumerate(y):
            slack[g][g] -= ball(multiplier)
        least = least_shift(slack, list(problem.population.marginal))
        if least is None:
            return "the dual slack has no factor in double precision"
        # with room for the checker's own enclosures
        shift = Fraction(float(2 * least)) + Fraction(1, 1 << 60)
        excess = sum(products, arb(0)) - sum((ball(v) for v in y), arb(0))
        gap = bounds(excess)[1] + shift
        low, high = bounds(loss)
        digits = len(str((1024 / shift).__ceil__()))
        margin = shift / 16
        gap += 2 * margin
        radius = _radius(problem, gap)
        middle = tuple(tuple(down(bounds(x)[0], digits) for x in row) for row in cosines)
    return GraphProof(
        problem,
        down(low - gap, digits),
        up(high + margin, digits),
        gap,
        middle,
        radius,
        tuple(tuple(row) for row in rows),
        tuple(y),
        shift,
    )


def _rational_rows(problem: Problem[Graph], means: Float[np.ndarray, "m m"]) -> list[list[int]]:
    """Rows of a triangular matrix whose products are near B, in units of 2^-_PLACES."""
    m = len(means)
    eigenvalues, vectors = np.linalg.eigh(means)
    root = vectors * np.sqrt(np.maximum(eigenvalues, 1e-17))
    triangular = np.linalg.qr(root.T)[1].T
    rows = [[round(x * 2.0**_PLACES) for x in triangular[g, : g + 1].tolist()] + [0] * (m - g - 1) for g in range(m)]
    for g, count in enumerate(problem.population.counts):
        # a group's mean is not longer than 1
        while count > 1 and sum(x * x for x in rows[g]) > 1 << (2 * _PLACES):
            rows[g] = [x - (x > 0) + (x < 0) for x in rows[g]]
    return rows


def _enclose(
    problem: Problem[Graph], rows: list[list[int]], bits: int
) -> tuple[list[list[Ball]], list[list[Ball]], list[list[Ball]], Ball]:
    """B, the cosines, the symmetrized gradient in B (0 where B is constant), and the loss."""
    graph, groups = problem.population, range(len(rows))
    counts = graph.counts
    matrix = fmpz_mat(rows)
    dots = matrix * matrix.transpose()
    squares = [1 << (2 * _PLACES) if counts[g] > 1 else int(dots[g, g]) for g in groups]
    B, cosines = [[arb(1)] * len(rows) for _ in groups], [[arb(1)] * len(rows) for _ in groups]
    for g in groups:
        for h in range(g):
            B[g][h] = B[h][g] = cosines[g][h] = cosines[h][g] = arb(dots[g, h]) / arb(squares[g] * squares[h]).sqrt()
        if counts[g] > 1:
            p = Fraction(int(dots[g, g]), squares[g])
            B[g][g], cosines[g][g] = ball(p), ball((counts[g] * p - 1) / (counts[g] - 1))
    loss, gradient = enclose_at(problem, cosines, bits)
    return B, cosines, gradient, loss


def enclose_at(problem: Problem[Graph], cosines: list[list[Ball]], bits: int) -> tuple[Ball, list[list[Ball]]]:
    """The loss at cosines (balls), and its symmetrized gradient in B, to about `bits` bits."""
    rows, names = anchors_at(problem, cosines, bits)
    graph, groups = problem.population, range(len(cosines))
    counts, pi = graph.counts, graph.marginal
    X = [[(ball(problem.beta) * (x - 1)).exp() for x in row] for row in cosines]
    gradient = [[arb(0)] * len(cosines) for _ in groups]
    beta = ball(problem.beta)
    for g in groups:
        for h in range(g if counts[g] == 1 else g + 1):
            mass = graph.joint.get((h, g), Fraction(0))
            total = arb(0)
            for a, b in {(g, h), (h, g)}:
                u = names[a][b]
                total += ball(pi[g] * pi[h]) * rows[a].negative[u]
                if mass:
                    stretch = Fraction(counts[g], counts[g] - 1) if g == h else 1
                    total += ball(mass * stretch) * rows[a].positive[u]
            gradient[g][h] = gradient[h][g] = beta * X[g][h] * total / (1 if g == h else 2)
    return sum((ball(pi[g]) * rows[g].loss for g in groups), arb(0)), gradient


def anchors_at(
    problem: Problem[Graph], cosines: list[list[Ball]], bits: int
) -> tuple[list[AnchorRow], list[list[int]]]:
    """The row of an anchor of each group, and the number of the value of each cosine (0 is the anchor itself)."""
    graph, groups = problem.population, range(len(cosines))
    counts, pi = graph.counts, graph.marginal
    beta, logarithms = ball(problem.beta), [arb(0)]
    names = [[0] * len(cosines) for _ in groups]
    for g in groups:
        for h in range(g if counts[g] == 1 else g + 1):
            names[g][h] = names[h][g] = len(logarithms)
            logarithms.append(beta * (cosines[g][h] - 1))
    laws = []
    for g in groups:
        negatives = [(0, pi[g] / counts[g])] + [(names[g][h], pi[h]) for h in groups if h != g]
        positives = [(0, graph.same[g] / pi[g])]
        positives += [
            (names[g][h], mass / pi[g])
            for h in groups
            if (mass := graph.joint.get((min(g, h), max(g, h)), Fraction(0)))
        ]
        if counts[g] > 1:
            negatives.append((names[g][g], pi[g] * Fraction(counts[g] - 1, counts[g])))
        laws.append((law(negatives), law(positives)))
    assert isinstance(problem.k, int)
    return anchor_rows(problem.loss_name, problem.k, logarithms, laws, bits), names


def _multipliers(problem: Problem[Graph], products: list[Ball], B: list[list[Ball]]) -> list[Fraction]:
    y = []
    for g, product in enumerate(products):
        value = float(product.mid())
        if problem.population.counts[g] > 1:
            value = min(value, 0.0) if float(B[g][g].mid()) > 1 - 1e-4 else 0.0
        y.append(Fraction(value))
    return y


def _radius(problem: Problem[Graph], gap: Fraction) -> tuple[tuple[Fraction, ...], ...] | None:
    """The module's bound for every cosine; 0 where there is none."""
    if not get(problem.loss_name).strict:
        return None
    curvature = curvatures(problem)
    scale = ball(2 * gap / problem.beta**2)
    return tuple(
        tuple(Fraction(0) if M is None else Fraction(round_up(bounds((scale / M).sqrt())[1])) for M in row)
        for row in curvature
    )


def curvatures(problem: Problem[Graph]) -> list[list[Ball | None]]:
    """`M_gh`, at least this."""
    graph, k = problem.population, problem.k
    assert isinstance(k, int)
    counts, pi, groups = graph.counts, graph.marginal, range(len(graph.counts))
    loss, q = get(problem.loss_name), (-2 * ball(problem.beta)).exp()
    assert loss.strict
    if isinstance(loss, LogSum):
        w, more = (q * q / (2 * q + k - 1) ** 2).min(q / (k + q) ** 2), k - 1
    else:
        w, more = loss.curvature(1, q, 1 / q), 0

    def share(g: int, h: int) -> Fraction:
        """What the anchors in g have of M_gh, without the factor w k."""
        i, same, joint = pi[g] / counts[g], graph.same[g], graph.joint.get((min(g, h), max(g, h)), Fraction(0))
        Q = pi[h] - (i if g == h else 0)
        return same * Q + joint * i + (pi[g] - same - joint) * i * Q / (i + Q) + more * pi[g] * i * Q

    return [
        [
            None if g == h and counts[g] == 1 else w * k * ball(share(g, h) + (share(h, g) if g != h else 0))
            for h in groups
        ]
        for g in groups
    ]
