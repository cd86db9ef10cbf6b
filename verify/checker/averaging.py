r"""Kind `averaging-step-refuted`: a loss and a representation for which the averaging step fails.

Statement: a loss l(v) = s sum_i exp(-b v_i) + a exp(-c sum_i v_i) + g log(1 + sum_i exp(-v_i)), integer k, a
temperature T, a prior rho, N points for each class with weights (C x N, rows sum to 1) and embeddings (C N x d, class
after class, exactly of length 1), a class c*, and a number excess_lower > 0. Claim: with f_x* the representation that
maps all of c* to f(x*), and x* drawn from c*,

    E_x*[L_k(f_x*)] - L_k(f) >= excess_lower > 0     (excess_of "average"), or
    L_k(f_x*) - L_k(f) >= excess_lower > 0           for every x* (excess_of "every point"),

and l satisfies the hypotheses of the lemma whose proof takes that step. Proof: s, b, c > 0 and a, g >= 0 make l
symmetric, strictly decreasing in each margin, and strictly convex (the first part has a positive diagonal Hessian; the
others are convex functions of linear ones). Both losses are finite sums of l at rational margins with rational weights:
the weights are collected exactly, margin by margin, and what remains of sum q l(v) is enclosed. There is no witness.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations_with_replacement
from math import factorial, prod

from verify.checker.dual import read_prior, read_temperature
from verify.checker.intervals import Context, Interval, context, enclose, exp, high, log, low, resolve
from verify.checker.reading import Fields
from verify.checker.verdict import Rejected, Unreadable, Unresolved

MAX_K = 8
MAX_TERMS = 300_000
MAX_EXPONENT = 1000
Vector = list[Fraction]
Law = dict[tuple[Fraction, ...], Fraction]


def check(statement: Fields, witness: Fields) -> str:
    loss = statement.object("loss")
    parameters = [loss.rational(name) for name in ("separable", "separable_rate", "joint", "joint_rate", "logistic")]
    loss.done()
    s, b, a, c, g = parameters
    if min(s, b, c) <= 0 or min(a, g) < 0:
        raise Rejected("the loss is outside the family: s, b, c > 0 and a, g >= 0 are needed")
    k = statement.integer("k", 1, MAX_K)
    beta, rho = 1 / read_temperature(statement), read_prior(statement)
    C = len(rho)
    d = statement.integer("d", 1, 256)
    weights, rows = statement.matrix("weights"), statement.matrix("embeddings")
    N, collapsed = len(weights[0]), statement.integer("class", 0, C - 1)
    if len(weights) != C or len(rows) != C * N or len(rows[0]) != d:
        raise Unreadable("statement: weights are C x N and embeddings C N x d")
    if any(sum(row) != 1 or min(row) <= 0 for row in weights):
        raise Unreadable("statement.weights: every row is positive with sum 1")
    if any(sum(x * x for x in row) != 1 for row in rows):
        raise Rejected("an embedding is not exactly of length 1")
    if (N + 1) * C * N * N * prod(C * N + i for i in range(k)) // factorial(k) > MAX_TERMS:
        raise Unreadable("statement: too many points or negatives to enumerate")
    excess_of = statement.choice("excess_of", ["average", "every point"])
    claimed = statement.rational("excess_lower")
    if claimed <= 0:
        raise Rejected("excess_lower is not positive")
    if 2 * beta * max(b, k * c, Fraction(1)) > MAX_EXPONENT:
        raise Unreadable("statement: exponents beyond 1000 are not handled")
    witness.done()

    # Points are numbered class after class; `at` says whose embedding each of them has.
    measure = [[rho[j] * w for w in weights[j]] for j in range(C)]
    gram = [[beta * _dot(x, y) for y in rows] for x in rows]
    before = _law(gram, list(range(C * N)), measure, k)
    start = collapsed * N
    changes = []
    for i in range(N):
        at = [start + i if start <= n < start + N else n for n in range(C * N)]
        changes.append(_combined([(Fraction(-1), before), (Fraction(1), _law(gram, at, measure, k))]))
    if excess_of == "average":
        changes = [_combined(list(zip(weights[collapsed], changes, strict=True)))]

    def attempt(bits: int) -> None:
        ctx = context(bits, k)
        for masses in changes:
            terms = (enclose(ctx, q) * _loss(ctx, v, parameters) for v, q in masses.items() if q)
            excess = sum(terms, ctx.mpf(0))  # all may cancel
            if high(excess) < claimed:
                raise Rejected("the excess is smaller than claimed")
            if low(excess) < claimed:
                raise Unresolved("the excess is not decided at this precision")

    resolve(128, attempt)
    return f"the loss rises by more than claimed ({excess_of}), for a loss that satisfies the lemma's hypotheses"


def _combined(parts: list[tuple[Fraction, Law]]) -> Law:
    """The linear combination of these laws."""
    total: Law = {}
    for factor, law in parts:
        for v, q in law.items():
            total[v] = total.get(v, Fraction(0)) + factor * q
    return total


def _law(gram: list[Vector], at: list[int], measure: list[Vector], k: int) -> Law:
    """The law of the sorted margins beta f(x).(f(x+) - f(x-_i)); `measure` is rho_c times the weights of class c."""
    flat = [(c, mass) for c, row in enumerate(measure) for mass in row]
    N = len(measure[0])
    draws = []
    for draw in combinations_with_replacement(range(len(flat)), k):
        repeats = prod(factorial(draw.count(n)) for n in set(draw))
        draws.append((draw, prod((flat[n][1] for n in draw), start=Fraction(factorial(k), repeats))))
    law: Law = {}
    for x, (c, mass) in enumerate(flat):
        cosines = [gram[at[x]][at[n]] for n in range(len(flat))]
        for y in range(c * N, (c + 1) * N):
            pair = mass * flat[y][1] / sum(measure[c])
            for draw, probability in draws:
                v = tuple(sorted(cosines[y] - cosines[n] for n in draw))
                law[v] = law.get(v, Fraction(0)) + pair * probability
    return law


def _dot(x: Vector, y: Vector) -> Fraction:
    return sum((p * q for p, q in zip(x, y, strict=True)), Fraction(0))


def _loss(ctx: Context, v: tuple[Fraction, ...], parameters: list[Fraction]) -> Interval:
    s, b, a, c, g = parameters
    value = enclose(ctx, a) * exp(ctx, enclose(ctx, -c * sum(v)))
    for x in v:
        value += enclose(ctx, s) * exp(ctx, enclose(ctx, -b * x))
    return value + enclose(ctx, g) * log(ctx, 1 + sum(exp(ctx, enclose(ctx, -x)) for x in v))
