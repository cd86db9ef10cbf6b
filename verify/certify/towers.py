"""Balls around the loss of two towers (`theory.towers`), and its gradient in the Gram matrix of all 2C embeddings.

The rows of clip are those of anchors whose positive is not at cosine 1 (`verify.graphs.rows`); those of the sigmoid
loss are sums, of the one function `s(x) = log(1 + e^x)`.
"""

from __future__ import annotations

from fractions import Fraction

from flint import arb

from theory.problem import Problem
from verify.certify.balls import Ball, ball
from verify.certify.rows import law
from verify.graphs.rows import anchor_rows


def enclose_towers(
    problem: Problem, entries: list[Ball], names: list[list[int]], bits: int
) -> tuple[Ball, list[list[Ball]]]:
    """L, and its symmetrized gradient, where the cosine of two embeddings (u before v) is the entry of their name."""
    rho, objective = problem.population.rho, problem.objective
    C, half = len(rho), [ball(r / 2) for r in rho]
    drawn = [
        [objective.own(m) if j == c else objective.factor(m) * r for j, r in enumerate(rho)] for c, m in enumerate(rho)
    ]
    # the names of the cosines that each anchor sees: u_c those of row c of Z, v_c those of column c
    seen = [[names[c][C + j] for j in range(C)] for c in range(C)]
    seen += [[names[j][C + c] for j in range(C)] for c in range(C)]
    rows = _sigmoid if objective.bias is not None else _softmax
    loss, slopes = arb(0), []
    for i, (value, row) in enumerate(rows(problem, entries, seen, drawn, bits)):
        loss += half[i % C] * value
        slopes.append([half[i % C] * slope for slope in row])
    gradient = [[arb(0)] * (2 * C) for _ in range(2 * C)]
    for c in range(C):
        for j in range(C):
            gradient[c][C + j] = gradient[C + j][c] = (slopes[c][j] + slopes[C + j][c]) / 2
    return loss, gradient


def _softmax(
    problem: Problem, entries: list[Ball], seen: list[list[int]], drawn: list[list[Fraction]], bits: int
) -> list[tuple[Ball, list[Ball]]]:
    """For each anchor `R_c` and its derivatives in the cosines that it sees."""
    beta, C = ball(problem.beta), len(drawn)
    kept = sorted({u for row in seen for u in row})
    place, logarithms = {u: n for n, u in enumerate(kept)}, [beta * (entries[u] - 1) for u in kept]
    laws = [
        (law([(place[u], m) for u, m in zip(row, drawn[i % C], strict=True)]), law([(place[row[i % C]], Fraction(1))]))
        for i, row in enumerate(seen)
    ]
    found = []
    for i, row in enumerate(anchor_rows(problem.loss_name, problem.integer_k, logarithms, laws, bits)):
        slopes = []
        for j, (name, m) in enumerate(zip(seen[i], drawn[i % C], strict=True)):
            u = place[name]
            slope = ball(m) * row.negative[u] if m else arb(0)
            slope += row.positive[u] if j == i % C else 0
            slopes.append(beta * logarithms[u].exp() * slope)
        found.append((row.loss, slopes))
    return found


def _sigmoid(
    problem: Problem, entries: list[Ball], seen: list[list[int]], drawn: list[list[Fraction]], bits: int
) -> list[tuple[Ball, list[Ball]]]:
    """The same, of the sigmoid loss."""
    assert problem.objective.bias is not None
    beta, bias, k, C = ball(problem.beta), ball(problem.objective.bias), problem.integer_k, len(drawn)
    known: dict[int, tuple[Ball, Ball, Ball]] = {}
    for u in {u for row in seen for u in row}:
        up = (beta * entries[u] + bias).exp()
        known[u] = ((1 + up).log(), (1 + 1 / up).log(), up / (1 + up))
    found = []
    for i, row in enumerate(seen):
        value, slopes = known[row[i % C]][1], []
        for j, (u, m) in enumerate(zip(row, drawn[i % C], strict=True)):
            above, _, sigma = known[u]
            weight = k * ball(m)
            value += weight * above
            slopes.append(beta * (weight * sigma + (sigma - 1 if j == i % C else 0)))
        found.append((value, slopes))
    return found
