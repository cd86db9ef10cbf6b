"""Balls around the loss and its gradient at one exact matrix of mean embeddings, by python-flint.

The groups of the problem's prior are those that are worked with; `k` is an integer.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flint import arb, ctx, fmpz, fmpz_mat

from theory.problem import Problem
from verify.certify.balls import Ball, ball
from verify.certify.rows import law, row_losses


@dataclass(frozen=True)
class Point:
    """A matrix B of the groups' mean embeddings, exactly.

    Row w of integers stands for the mean `w / |w|` of a group whose classes coincide, and for `w / unit`, shorter than
    1, if it is one of the `free` rows: a group of two or more classes, spread evenly around their mean.
    """

    rows: list[list[int]]
    free: frozenset[int] = frozenset()
    unit: int = 1


@dataclass(frozen=True)
class Enclosure:
    """Balls around L, the entries of B, the cosines, and the symmetrized gradient in B (constants have slope 0).

    `cosines[g][g]` is that of two classes of group g, 1 for a group of one class.
    """

    loss: Ball
    gram: list[list[Ball]]
    cosines: list[list[Ball]]
    gradient: list[list[Ball]]
    free: frozenset[int]

    def products(self) -> list[Ball]:
        """`diag(A B)`."""
        return [
            sum((a * g for a, g in zip(row, gram, strict=True)), arb(0))
            for row, gram in zip(self.gradient, self.gram, strict=True)
        ]

    def slack(self) -> list[list[Ball]]:
        """`S = A - Diag(y)`, `y = diag(A B)` but for the free rows, where it is 0."""
        slack = [list(row) for row in self.gradient]
        for c, y in enumerate(self.products()):
            if c not in self.free:
                slack[c][c] -= y
        return slack


def guard_bits(problem: Problem) -> int:
    """What rounding in phi^k near 1, and a gradient k times larger, cost at most."""
    return 2 * problem.integer_k.bit_length() + 24


def enclose(problem: Problem, point: Point, bits: int) -> Enclosure:
    """Loss and gradient at the point, to about `bits` bits."""
    with ctx.workprec(bits + guard_bits(problem)):
        groups, sizes = range(len(point.rows)), problem.embedded.counts
        means = fmpz_mat(point.rows)
        dots = means * means.transpose()
        squares = [fmpz(point.unit) ** 2 if g in point.free else dots[g, g] for g in groups]
        # Entries known as equal from the integers share their exponentials, rows of one law their integrals.
        index: dict[object, int] = {"diagonal": 0}
        entries = [arb(1)]

        gram, names = [[arb(1)] * len(groups) for _ in groups], [[0] * len(groups) for _ in groups]
        for g in groups:
            for h in range(g):
                dot, square = dots[g, h], squares[g] * squares[h]
                pair = (int(dot), int(square))
                if pair not in index:
                    index[pair] = len(entries)
                    entries.append(arb(dot) / arb(square).sqrt())
                names[g][h] = names[h][g] = index[pair]
                gram[g][h] = gram[h][g] = entries[index[pair]]
            if g in point.free:
                p = Fraction(int(dots[g, g]), int(squares[g]))
                within = (sizes[g] * p - 1) / (sizes[g] - 1)
                if within not in index:
                    index[within] = len(entries)
                    entries.append(ball(within))
                gram[g][g], names[g][g] = ball(p), index[within]
        return _at(problem, gram, entries, names, point.free, bits)


def enclose_near(problem: Problem, cosines: list[list[Ball]], bits: int) -> Enclosure:
    """The same at every Gram matrix whose cosines (within groups on the diagonal) lie in these balls, and in [-1, 1].

    All groups of two or more count as free in `Enclosure.slack`: whether their classes coincide is not known.
    """
    with ctx.workprec(bits + guard_bits(problem)):
        groups, sizes = range(len(cosines)), problem.population.counts
        entries, names = [arb(1)], [[0] * len(cosines) for _ in cosines]
        for g in groups:
            for h in range(g + (sizes[g] > 1)):
                names[g][h] = names[h][g] = len(entries)
                entries.append(cosines[g][h].min(1).max(-1))
        gram = [[entries[u] for u in row] for row in names]
        for g in groups:
            gram[g][g] = ((1 + (sizes[g] - 1) * gram[g][g]) / sizes[g]).max(0)
        free = frozenset(g for g in groups if sizes[g] > 1)
        return _at(problem, gram, entries, names, free, bits)


def _at(
    problem: Problem,
    gram: list[list[Ball]],
    entries: list[Ball],
    names: list[list[int]],
    free: frozenset[int],
    bits: int,
) -> Enclosure:
    """Loss and gradient where the cosines are `entries`, named by their place there; entry 0 is 1."""
    prior, objective = problem.population, problem.objective
    cosines = [[entries[u] for u in row] for row in names]
    if objective.towers == 2:
        from verify.certify.towers import enclose_towers

        loss, gradient = enclose_towers(problem, entries, names, bits)
        return Enclosure(loss, gram, cosines, gradient, free)
    groups, totals, sizes = range(len(gram)), prior.totals, prior.counts
    beta = ball(problem.beta)
    values = [(beta * (x - 1)).exp() for x in entries]
    laws, factors = [], [objective.factor(m) for m in prior.masses]
    for g, (m, factor) in enumerate(zip(prior.masses, factors, strict=True)):
        # to multiply Fractions takes as long as the rest together
        seen = totals if factor == 1 else tuple(factor * total for total in totals)
        others = [(names[g][h], seen[h]) for h in groups if h != g]
        laws.append(law([*others, (0, objective.own(m)), (names[g][g], factor * (totals[g] - m))]))
    found = row_losses(problem.loss_name, problem.integer_k, values, laws, bits, objective.pool)

    gradient = [[arb(0)] * len(groups) for _ in groups]
    masses = [ball(m) for m in totals]
    for g in groups:
        for h in range(g if sizes[g] == 1 else g + 1):
            u = names[g][h]
            slope = beta / 2 * masses[g] * masses[h] * values[u]
            one, other = (found[a][1][u] if factors[a] == 1 else ball(factors[a]) * found[a][1][u] for a in (g, h))
            gradient[g][h] = gradient[h][g] = slope * (one + other)
    loss = sum((m * found[g][0] for g, m in enumerate(masses)), arb(0))
    return Enclosure(loss, gram, cosines, gradient, free)
