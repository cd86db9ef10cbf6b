"""The integral for the population loss: Frullani's formula, independence, and its derivative."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from theory.symbolic.step import Obligation, Step, equal, positive
from theory.symbolic.sums import linear

t, S, x = sp.symbols("t S x", positive=True)
k, n = sp.symbols("k n", integer=True, positive=True)
beta = sp.Symbol("beta", positive=True)
j = sp.Symbol("j", integer=True)
rho = sp.IndexedBase("rho", positive=True)
X = sp.IndexedBase("X", positive=True)


def logistic() -> Iterator[Obligation]:
    """`(1 - e^{-tS})/t = int_0^S e^{-tx} dx`; swap the integrals (Tonelli: the integrand is positive)."""
    yield equal("inner integral over x", sp.integrate(sp.exp(-t * x), (x, 0, S)), (1 - sp.exp(-t * S)) / t)
    yield positive("integrand, so the order may be swapped", sp.exp(-t * x) * sp.exp(-t))
    yield equal("integral over t first", sp.integrate(sp.exp(-t * (1 + x)), (t, 0, sp.oo)), 1 / (1 + x))
    yield equal("then over x", sp.integrate(1 / (1 + x), (x, 0, S)), sp.log(1 + S))


def decoupled() -> Iterator[Obligation]:
    """The same with the limits 1 and S, and no trailing `e^{-t}`."""
    inner = sp.integrate(sp.exp(-t * x), (x, 1, S))
    yield equal("inner integral over x", inner, (sp.exp(-t) - sp.exp(-t * S)) / t)
    yield positive("integrand, so the order may be swapped", sp.exp(-t * x))
    yield equal("integral over t first", sp.integrate(sp.exp(-t * x), (t, 0, sp.oo)), 1 / x)
    yield equal("then over x", sp.integrate(1 / x, (x, 1, S)), sp.log(S))


def power() -> Iterator[Obligation]:
    """Induction on `k`: one more independent negative multiplies the expectation by `phi(t)`."""
    Z = sp.Symbol("Z", positive=True)
    term = rho[j] * sp.exp(-t * X[j])
    phi = sp.Symbol("phi", positive=True)
    one_more = linear(sp.Sum(term * Z, (j, 1, n))).subs(sp.Sum(term, (j, 1, n)), phi)
    yield equal("one more negative multiplies by phi", one_more, phi * Z)
    yield equal("the power obeys the same recursion", phi ** (k + 1), phi * phi**k)
    yield equal("and the same start", phi**0, sp.Integer(1))


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
    yield positive("integrand of every off-diagonal derivative", claimed)


STEPS = (
    Step(
        "frullani",
        "log(1+S) = int_0^inf (1 - e^{-tS}) e^{-t} dt/t for S > 0",
        "derived: Tonelli",
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
