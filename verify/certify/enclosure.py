r"""Balls around the loss and its gradient at one exact matrix, by python-flint.

A row is the law of `X_j = exp(beta (G_cj - 1))` over the classes j, masses `m_u` on values `X_u`; with `phi(t) =
sum_u m_u e^(-t X_u)` the logistic row loss is `int (1 - phi^k) e^-t dt/t` and `d loss / d X_u = m_u g_u`, `g_u =
int k phi^(k-1) e^(-t X_u) e^-t dt`; the decoupled loss has `e^-t - phi^k` in the first integral and no trailing
`e^-t` in the second. With `t = e^s` and nodes `s = nh` the trapezoid rule errs by at most

    2 N / (e^(2 pi a/h) - 1),   N = 2 + 2 E_1(2 c cos(a)/K),   0 < a < pi/2       (the loss)
    2 g_u / (cos(a) (e^(2 pi a/h) - 1))                                           (the slope, relative to itself)

with K = k, c = 1 (logistic) or K = k+1, c = min(1, k min X) (decoupled): derived, from Trefethen and Weideman, SIAM
Review 2014, Theorem 5.1, with |1 - phi^k| <= min(2, k |t|) and |phi(t)| <= phi(|t| cos b) on Im s = b. The nodes
left of s_0 add at most `h K e^(s_0 - h) / (1 - e^-h)`, those right of `t_1 = e^(s_1)`, `c t_1 >= 1`, at most `2
E_1(c t_1)` and `k e^(-c t_1) / c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, log, pi
from typing import Any

from flint import arb, arb_mat, ctx, fmpq, fmpz, fmpz_mat

Ball = Any  # flint.arb, which has no type stubs
Law = tuple[tuple[int, Fraction], ...]  # (index of a value, its mass)

#: Exponentials that are kept at once, some 80 bytes each: about 128 classes in general position.
MAX_TERMS = 4_000_000

#: The losses whose rows can be enclosed.
LOSSES = ("logistic", "decoupled", "exponential", "separable")


class OutOfReach(Exception):
    """An enclosure that is not attempted; the reason is the message."""


@dataclass(frozen=True)
class Problem:
    """A contrastive problem over groups of equal classes: `beta = 1/temperature`, `k` an integer.

    `rho` is the exact mass of one class of each group, `counts` their numbers of classes (empty: one class each, so
    that the groups are the classes).
    """

    loss: str
    k: int
    beta: Fraction
    rho: tuple[Fraction, ...]
    counts: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of classes of each group."""
        return self.counts or (1,) * len(self.rho)

    @property
    def totals(self) -> tuple[Fraction, ...]:
        """The mass of each group."""
        return tuple(n * r for n, r in zip(self.sizes, self.rho, strict=True))

    @property
    def guard_bits(self) -> int:
        """What rounding in phi^k near 1, and a gradient k times larger, cost at most."""
        return 2 * self.k.bit_length() + 24


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


def ball(q: Fraction | int) -> Ball:
    """The smallest ball at hand around an exact number."""
    return arb(fmpq(q.numerator, q.denominator))


def fraction(exact: Ball) -> Fraction:
    """The dyadic number that a ball of radius zero is."""
    mantissa, exponent = exact.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def bounds(x: Ball) -> tuple[Fraction, Fraction]:
    """Exact numbers below and above everything in the ball, whatever precision is set."""
    middle, radius = fraction(x.mid()), fraction(x.rad())
    return middle - radius, middle + radius


def enclose(problem: Problem, point: Point, bits: int) -> Enclosure:
    """Loss and gradient at the point, to about `bits` bits."""
    with ctx.workprec(bits + problem.guard_bits):
        groups, totals, sizes = range(len(point.rows)), problem.totals, problem.sizes
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
        beta = ball(problem.beta)
        values = [(beta * (x - 1)).exp() for x in entries]
        laws = []
        for g in groups:
            masses = [(names[g][h], totals[h]) for h in groups if h != g]
            laws.append(law([*masses, (0, problem.rho[g]), (names[g][g], totals[g] - problem.rho[g])]))
        found = row_losses(problem.loss, problem.k, values, list(dict.fromkeys(laws)), bits)

        gradient = [[arb(0)] * len(groups) for _ in groups]
        for g in groups:
            for h in range(g if sizes[g] == 1 else g + 1):
                u = names[g][h]
                slope = ball(problem.beta * totals[g] * totals[h] / 2) * values[u]
                gradient[g][h] = gradient[h][g] = slope * (found[laws[g]][1][u] + found[laws[h]][1][u])
        loss = sum((ball(m) * found[laws[g]][0] for g, m in enumerate(totals)), arb(0))
        return Enclosure(loss, gram, [[entries[u] for u in row] for row in names], gradient, point.free)


def law(pairs: list[tuple[int, Fraction]]) -> Law:
    """The law that puts these masses on these values, each value once, without those of mass 0."""
    masses: dict[int, Fraction] = {}
    for u, m in pairs:
        if m:
            masses[u] = masses.get(u, Fraction(0)) + m
    return tuple(sorted(masses.items()))


def row_losses(
    loss: str, k: int, values: list[Ball], laws: list[Law], bits: int
) -> dict[Law, tuple[Ball, dict[int, Ball]]]:
    """The loss and the slopes of each row, at the working precision of the caller; `values[0]` is 1.

    Raises:
        OutOfReach: if it would take more memory than `MAX_TERMS` stands for.
    """
    if loss == "exponential":
        return {row: (k * _mean(row, values), {u: arb(k) for u, _ in row}) for row in laws}
    if loss == "separable":
        logs, slopes = [(1 + x).log() for x in values], [k / (1 + x) for x in values]
        return {row: (k * _mean(row, logs), {u: slopes[u] for u, _ in row}) for row in laws}
    logistic = loss == "logistic"
    K = k if logistic else k + 1
    c = arb(1) if logistic else arb(1).min(k * min(x.lower() for x in values))
    # With a = atan(2 pi/h), which is best for the slopes, this is e^(2 pi a/h) >= 2^bits.
    h = Fraction(pi * pi / (bits * log(2) + 2)).limit_denominator(1 << 20)
    digits = (bits + k.bit_length()) * log(2)
    first, last = -ceil(digits / h), ceil((log(digits) - float(c.log())) / h)
    if (last - first) * len(values) > MAX_TERMS:
        raise OutOfReach(f"{len(values)} distinct cosines at {bits} bits are more than fits")
    nodes = [ball(n * h).exp() for n in range(first, last + 1)]
    powers = [[(-t * x).exp() for t in nodes] for x in values]

    step, left_node, right_node = ball(h), ball((first - 1) * h).exp(), c * nodes[-1]
    a = (2 * arb.pi() / step).atan()
    growth = (2 * arb.pi() * a / step).exp() - 1
    left = step * K * left_node / (1 - (-step).exp())
    rule = 2 * (2 - 2 * (-2 * c * a.cos() / K).ei()) / growth
    error = arb(0, (rule + left - 2 * (-right_node).ei()).upper())
    tail = arb(0).union(left + k * (-right_node).exp() / c)
    relative = 1 + arb(0, (2 / (a.cos() * growth)).upper())
    if not right_node > 1:
        raise OutOfReach("the right tail of the integral is not reached")

    found = {}
    for row in laws:
        columns = arb_mat(
            len(nodes), len(row), [e for es in zip(*(powers[u] for u, _ in row), strict=True) for e in es]
        )
        phi = (columns * arb_mat([[ball(m)] for _, m in row])).entries()
        power = [p ** (k - 1) for p in phi]
        if logistic:
            value = sum(((1 - q * p) * e for q, p, e in zip(power, phi, powers[0], strict=True)), arb(0))
            weights = [q * t * e for q, t, e in zip(power, nodes, powers[0], strict=True)]
        else:
            value = sum((e - q * p for q, p, e in zip(power, phi, powers[0], strict=True)), arb(0))
            weights = [q * t for q, t in zip(power, nodes, strict=True)]
        slopes = (arb_mat(1, len(nodes), weights) * columns).entries()
        found[row] = (
            value * step + error,
            {u: (g * step * k + tail) / relative for (u, _), g in zip(row, slopes, strict=True)},
        )
    return found


def _mean(row: Law, values: list[Ball]) -> Ball:
    return sum((ball(m) * values[u] for u, m in row), arb(0))


def is_positive_definite(matrix: list[list[Ball]]) -> bool | None:
    """Whether every symmetric matrix in these balls is positive definite (True), none is (False), or unknown (None).

    LDL^T elimination encloses the Schur complements of each matrix; it is positive definite if and only if all
    pivots are positive. The pivot of largest lower end comes first, which keeps the balls small.
    """
    matrix, left = [list(row) for row in matrix], list(range(len(matrix)))
    while left:
        c = max(left, key=lambda i: float(matrix[i][i].lower()))
        pivot = matrix[c][c]
        if any(matrix[i][i] <= 0 for i in left):
            return False
        if not pivot > 0:
            return None
        left.remove(c)
        for n, i in enumerate(left):
            ratio = matrix[i][c] / pivot
            for j in left[n:]:
                matrix[i][j] = matrix[j][i] = matrix[i][j] - ratio * matrix[j][c]
    return True
