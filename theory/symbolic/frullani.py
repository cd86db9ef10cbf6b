"""The integral for the population loss: Frullani's formula, independence, and its derivative."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import linear

t, S, T, x = sp.symbols("t S T x", positive=True)
k, n = sp.symbols("k n", integer=True, positive=True)
beta = sp.Symbol("beta", positive=True)
j = sp.Symbol("j", integer=True)
rho = sp.IndexedBase("rho", positive=True)
X = sp.IndexedBase("X", positive=True)


def logistic() -> Iterator[Obligation]:
    """`(1 - e^{-tS})/t = int_0^S e^{-tx} dx`; swap the integrals over t and x.

    For `t <= T` both orders agree, the integrand being continuous on a rectangle. What the swapped order lacks of the
    integral over all t is `int_0^S e^{-T(1+x)}/(1+x) dx`: between 0 and `S e^{-T}`, which tends to 0 (Tonelli).
    """
    yield equal("inner integral over x", sp.integrate(sp.exp(-t * x), (x, 0, S)), (1 - sp.exp(-t * S)) / t)
    cut = sp.integrate(sp.exp(-t * (1 + x)), (t, 0, T))
    rest = sp.exp(-T * (1 + x)) / (1 + x)
    yield equal("integral over t <= T first", cut, 1 / (1 + x) - rest)
    yield equal("then over x, without what is cut off", sp.integrate(1 / (1 + x), (x, 0, S)), sp.log(1 + S))
    # e^{Tx} = 1 + u with u >= 0
    u = sp.Symbol("u", nonnegative=True)
    yield nonnegative("which is at most e^{-T}", sp.exp(-T) * (1 - 1 / ((1 + u) * (1 + x))))
    yield equal("so that it vanishes in the limit", sp.limit(S * sp.exp(-T), T, sp.oo), sp.Integer(0))


def decoupled() -> Iterator[Obligation]:
    """The same with the limits 1 and S, and no trailing `e^{-t}`; with `x >= min(1, S)` for `1 + x >= 1`."""
    inner = sp.integrate(sp.exp(-t * x), (x, 1, S))
    yield equal("inner integral over x", inner, (sp.exp(-t) - sp.exp(-t * S)) / t)
    cut = sp.integrate(sp.exp(-t * x), (t, 0, T))
    yield equal("integral over t <= T first", cut, 1 / x - sp.exp(-T * x) / x)
    yield equal("then over x, without what is cut off", sp.integrate(1 / x, (x, 1, S)), sp.log(S))
    # x = least (1 + s) and e^{T (x - least)} = 1 + u, with s, u >= 0
    least = sp.Symbol("a", positive=True)
    s, u = sp.symbols("s u", nonnegative=True)
    bound = sp.exp(-T * least) / least
    yield nonnegative("which is at most e^{-aT}/a for x >= a > 0", bound * (1 - 1 / ((1 + u) * (1 + s))))
    yield equal("so that it vanishes in the limit", sp.limit(bound, T, sp.oo), sp.Integer(0))


def power() -> Iterator[Obligation]:
    """Induction on `k`: one more independent negative multiplies the expectation by `phi(t)`, at `k = 1` it is that."""
    Z = sp.Symbol("Z", positive=True)
    term = rho[j] * sp.exp(-t * X[j])
    phi = sp.Symbol("phi", positive=True)
    one_more = linear(sp.Sum(term * Z, (j, 1, n))).subs(sp.Sum(term, (j, 1, n)), phi)
    yield equal("one more negative multiplies by phi", one_more, phi * Z)
    mean = sp.Function("E")
    solved = sp.rsolve(mean(k + 1) - phi * mean(k), mean(k), {mean(1): phi})
    yield equal("the recursion from phi at k = 1 has the power as solution", solved, phi**k)


def derivative() -> Iterator[Obligation]:
    """`phi = R + rho_j e^{-t X_j}`, `X_j = exp(beta (G - 1))`; the t cancels against `dt/t`.

    The derivative is at most `k beta rho_j X_j e^{-t}` uniformly in `G`, which justifies differentiation under
    the integral sign.
    """
    G = sp.Symbol("G", real=True)
    R, r = sp.symbols("R r", positive=True)
    cosine = sp.exp(beta * (G - 1))
    phi = R + r * sp.exp(-t * cosine)
    integrand = (1 - phi**k) * sp.exp(-t) / t
    claimed = beta * r * cosine * k * phi ** (k - 1) * sp.exp(-t * cosine) * sp.exp(-t)
    yield equal("derivative of the integrand", sp.diff(integrand, G), claimed)
    # phi <= 1 and t X >= 0: phi^{k-1} = 1/(1 + u) and e^{-tX} = 1/(1 + v), with u, v >= 0
    u, v = sp.symbols("u v", nonnegative=True)
    bound = beta * r * cosine * k * sp.exp(-t)
    as_stated = claimed.subs({phi ** (k - 1): 1 / (1 + u), sp.exp(-t * cosine): 1 / (1 + v)})
    yield nonnegative("it is at most its bound", sp.factor(bound - as_stated))
    yield positive("and positive", sp.diff(integrand, G))


STEPS = (
    Step(
        "frullani",
        "log(1+S) = int_0^inf (1 - e^{-tS}) e^{-t} dt/t for S > 0",
        "derived: Tonelli, by cutting off at T",
        logistic,
    ),
    Step(
        "frullani-decoupled",
        "log S = int_0^inf (e^{-t} - e^{-tS}) dt/t for S > 0",
        "derived: Tonelli (for S < 1 both sides change sign together)",
        decoupled,
    ),
    Step(
        "independent-negatives",
        "E e^{-t (X_J1 + ... + X_Jk)} = phi(t)^k, phi(t) = sum_j rho_j e^{-t X_j}, for J iid ~ rho over n classes",
        "derived: induction on k",
        power,
    ),
    Step(
        "loss-derivative",
        "dL_k/dG_cj = beta rho_c rho_j X_cj int_0^inf k phi_c^{k-1} e^{-t X_cj} e^{-t} dt, and it is positive",
        "derived",
        derivative,
    ),
)
