"""When all minority classes collapse to one point: the Schur complement, and the threshold at both ends of k.

One majority class of mass `p`, the others of masses `r_i` that sum to `q = 1-p`. Candidate: all minority
embeddings coincide, opposite to the majority. There `X = x = e^{-2 beta}` between majority and minority, 1 within,
and (loss-derivative, binomial-theorem) with `m` a number of collisions among `k-1` negatives,

    A_1i = beta k p r_i a,   a = (x/2) (E_Bin(k-1,p) + E_Bin(k-1,q)) [1/(1 + m + x + (k-1-m) x)]
    A_ij = beta k r_i r_j b, b = E_Bin(k-1,q) [1/(2 + m + (k-1-m) x)]

The common factor `beta k` is dropped below.
"""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import linear

p, q, a, b, s = sp.symbols("p q a b s", positive=True)
r_i, r_j = sp.symbols("r_i r_j", positive=True)
x = 1 / (1 + s)  # in (0, 1)
n, i = sp.symbols("n i", integer=True, positive=True)
k = sp.Symbol("k", integer=True, positive=True)


def schur_complement() -> Iterator[Obligation]:
    """Sums over the other minority classes use `sum_{j != i} r_j = q - r_i`, whatever their number.

    `S G = 0` leaves no choice of multipliers, so the candidate is optimal iff `S` is psd iff (`S_11 > 0`) its
    Schur complement is; `Diag(r) - r r^T/q` is psd and, for two or more minorities, not zero.
    """
    r, z = sp.IndexedBase("r", positive=True), sp.IndexedBase("z", real=True)
    mass = sp.Sum(r[i], (i, 1, n))
    # y = diag(A G), with G = -1 between the majority and a minority, and 1 between minorities
    majority = linear(sp.Sum(-p * r[i] * a, (i, 1, n))).subs(mass, q)
    minority = -p * r_i * a + linear(sp.Sum(r_i * r[i] * b, (i, 1, n))).subs(mass, q) - r_i**2 * b
    S_11, S_1i, S_1j = -majority, p * r_i * a, p * r_j * a
    S_ij, S_ii = r_i * r_j * b, -minority
    gap = p * a - q * b
    yield equal("pivot S_11, minus the sum of the majority's row, is p q a > 0", S_11, p * q * a)
    yield equal("Schur complement, i != j", S_ij - S_1i * S_1j / S_11, gap * (-r_i * r_j / q))
    yield equal("Schur complement, i = j", S_ii - S_1i**2 / S_11, gap * (r_i - r_i**2 / q))
    first_row = S_11 - linear(sp.Sum(p * r[i] * a, (i, 1, n))).subs(mass, q)
    row_i = S_1i - S_ii - (linear(sp.Sum(r_i * r[i] * b, (i, 1, n))).subs(mass, q) - r_i**2 * b)
    yield equal("complementarity, row of the majority", first_row, sp.Integer(0))
    yield equal("complementarity, row i", row_i, sp.Integer(0))
    mean = sp.Symbol("m", real=True)
    spread = linear(sp.Sum(r[i] * (z[i] - mean) ** 2, (i, 1, n)))
    first = sp.Sum(r[i] * z[i], (i, 1, n))
    second = sp.Sum(r[i] * z[i] ** 2, (i, 1, n))
    yield equal(
        "z^T (Diag(r) - r r^T/q) z is a weighted spread",
        spread.subs(first, q * mean).subs(mass, q),
        (second - first**2 / q).subs(first, q * mean),
    )
    yield nonnegative("which is a sum of squares", r[i] * (z[i] - mean) ** 2)


def one_negative() -> Iterator[Obligation]:
    """`k = 1`: `m = 0`, so `a = x/(1+x)` and `b = 1/2`."""
    a_1, b_1 = x / 2 * 2 / (1 + x), sp.Rational(1, 2)
    threshold = (1 + x) / (1 + 3 * x)
    condition = p * a_1 - (1 - p) * b_1
    yield equal("p a >= q b is linear in p", condition, (1 + 3 * x) / (2 * (1 + x)) * (p - threshold))
    yield positive("with a positive slope", (1 + 3 * x) / (2 * (1 + x)))
    y = sp.Symbol("y", positive=True)  # e^{2 beta}
    yield equal("in terms of e^{2 beta}", ((1 + 1 / y) / (1 + 3 / y)), (1 + y) / (3 + y))


def expectation_limit() -> Iterator[Obligation]:
    """`k E[1/(c + m + (k-1-m) x)] -> 1/(pi + (1-pi) x)` for `m ~ Bin(k-1, pi)`, `c = 1 + x` or 2.

    With `Y = (c + m + (k-1-m) x)/k >= x` and mean `mu`: `1/Y = 1/mu - (Y-mu)/mu^2 + (Y-mu)^2/(mu^2 Y)`, so
    `0 <= E[1/Y] - 1/mu <= Var(Y)/(mu^2 x)`. `m` is a sum of `k-1` independent Bernoulli variables.
    """
    Y, mu, m, other, c = sp.symbols("Y mu m l c", positive=True)
    share = 1 / (1 + sp.Symbol("o", positive=True))  # pi in (0, 1)
    expansion = 1 / mu - (Y - mu) / mu**2 + (Y - mu) ** 2 / (mu**2 * Y)
    yield equal("exact second-order expansion", 1 / Y, expansion)
    count = m + other + 1
    for label, constant in (("1 + x", 1 + x), ("2", sp.Integer(2))):
        yield positive(f"Y > x, c = {label}", sp.factor((constant + m + other * x) / count - x))
    bernoulli = share * (1 - share) ** 2 + (1 - share) * share**2
    yield equal("variance of one Bernoulli", bernoulli, share * (1 - share))
    mean = (c + (k - 1) * (share + (1 - share) * x)) / k
    variance = ((1 - x) / k) ** 2 * (k - 1) * share * (1 - share)
    yield equal("limit of the mean of Y", sp.limit(mean, k, sp.oo), share + (1 - share) * x)
    yield equal("limit of its variance", sp.limit(variance, k, sp.oo), sp.Integer(0))


def many_negatives() -> Iterator[Obligation]:
    """Put the limits of `k a` and `k b` into `p a >= q b`: a quadratic in `p` with one root in (0, 1)."""
    share, y = sp.symbols("p y", positive=True)
    rest = 1 - share
    a_inf = y / 2 * (1 / (share + rest * y) + 1 / (rest + share * y))
    b_inf = 1 / (rest + share * y)
    quadratic = 2 * (1 - y) * share**2 - (2 - 5 * y - y**2) * share - 2 * y
    denominator = 2 * (share + rest * y) * (rest + share * y)
    yield equal("p a - q b over a positive denominator", (share * a_inf - rest * b_inf) * denominator, quadratic)
    half = (2 - 5 * y - y**2) / (4 * (1 - y))
    square = (share - half) ** 2 - (half**2 + y / (1 - y))
    yield equal("completed square, so p = h + sqrt(h^2 + y/(1-y))", quadratic, 2 * (1 - y) * square)
    inside = quadratic.subs(y, x)  # 0 < x < 1
    yield positive("at p = 0 it is negative", -inside.subs(share, 0))
    yield positive("at p = 1 it is positive", sp.factor(inside.subs(share, 1)))
    yield positive("and it is convex, so the root in (0, 1) is unique", sp.factor(sp.diff(inside, share, 2)))


STEPS = (
    Step(
        "collapse-schur-complement",
        "all minorities coincide opposite to the majority iff p a_k >= q b_k: the Schur complement of the dual "
        "slack is (p a - q b)(Diag(r) - r r^T/q), for any number of minorities >= 2 and any split of q",
        "derived",
        schur_complement,
    ),
    Step(
        "collapse-threshold-k-1",
        "for k = 1 the threshold is p = (1 + e^{2 beta})/(3 + e^{2 beta})",
        "derived",
        one_negative,
    ),
    Step(
        "collapse-expectation-limit",
        "k E_{m ~ Bin(k-1,pi)} [1/(c + m + (k-1-m) x)] -> 1/(pi + (1-pi) x) as k -> inf",
        "derived",
        expectation_limit,
    ),
    Step(
        "collapse-threshold-limit",
        "for fixed p and k -> inf, p a_k >= q b_k ends up true above, and false below, the one root in (0,1) of "
        "2(1-x)p^2 - (2 - 5x - x^2)p - 2x, x = e^{-2 beta}",
        "derived",
        many_negatives,
    ),
)
