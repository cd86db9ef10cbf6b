r"""The block family: equal classes of equal points. More negatives necessarily hurt the minimizer.

`C` classes of mass 1/C have `m` points each, `n = C m`; `x+` is the same point with probability `1 - a`, else uniform
in the class (the gap of every class is a). A minimizer has one cosine `g` within and one, `b`, between classes
(`theory.augmentation. graph`). The loss increases in b, and the Gram matrix is psd iff `g <= 1`, `1 + (m-1) g >= m b`
and `1 + (m-1) g + (C-1) m b >= 0`; so `b = -(1 + (m-1) g) / ((C-1) m)`, and L_k is a convex function F_k of `g` in
[-1/(n-1), 1] (for real k too: `theory.augmentation.loss`).

*Downstream.* The class means have length `sqrt(s)`, `s = (1 + (m-1) g)/m`, and form a simplex; the best unit-norm
classifier is the normalized mean (Jensen over classes, as in `theory.balanced`: the mean margin is at most `sqrt(s)
C/(C-1)`), so that

    L_sup = log(1 + (C-1) exp(-beta C sqrt(s)/(C-1))),        strictly decreasing in g.

**Theorem** (logistic loss, every temperature, C and m >= 2, a > 0, real k >= 1). The minimizer's g(k) decreases
strictly in k as soon as it is below 1. So L_sup never falls with k, and rises strictly wherever a is below the
threshold alpha*(k), which itself grows with k (`theory.augmentation.thresholds`).

Proof. Put `a' = a (m-1)/m`, `p_0 = 1/n`, `p_g = (m-1)/n`, `p_b = (C-1)/C`, `X_g = e^(beta (g-1))`, `X_b = e^(beta
(b-1))`, `phi = p_0 e^-t + p_g e^(-t X_g) + p_b e^(-t X_b)`.
(1) `dF_k/dg = beta k int phi^(k-1) h dt` with

    h = [p_g X_g (1-a') - a' p_0] e^(-t (1+X_g)) - p_g X_b (1-a') e^(-t (1+X_b)) - a' X_b (p_g+p_b) e^(-t (X_g+X_b)).

In `theory.augmentation.expectation`, `dV/dz_g = a' (int X_g e^(-t X_g) phi^k dt - 1) + p_g X_g k int phi^(k-1) psi
e^(-t X_g) dt`; and `1 = int -(d/dt)(e^(-t X_g) phi^k) dt`, so the bracket is `-k int phi^(k-1) (p_0 e^-t + p_g X_g
e^(-t X_g) + p_b X_b e^(-t X_b)) e^(-t X_g) dt`. Along the family `db/dg = -p_g/p_b`. Collect; the terms in `e^(-2 t
X_g)` cancel.
(2) At `g = b = -1/(n-1)` the first bracket loses `p_g X_g (1-a')` to the second term and h < 0 throughout. F_k is
convex, so that the minimizer has g > b, and `1 + X_g` is the largest of the three rates.
(3) Let g = g(k) < 1. Then `int phi^(k-1) h = 0`; the last two coefficients are negative, so the first is positive,
and `e^(t(1+X_g)) h` decreases strictly: h changes sign once, from + to -, at some t_0.
(4) For k' > k, `int phi^(k'-1) h = int phi^(k-1) h (phi^(k'-k) - phi(t_0)^(k'-k)) dt > 0`, as phi decreases strictly
and both factors have one sign on either side of t_0. So `F_k'` increases at g(k), and by convexity g(k') < g(k). []

At a = 0 the first and second terms cancel at g = b: the simplex over all n points is optimal at every k. It has the
lowest contrastive loss of all, and knows no classes.

**Positives across classes: the sign rule.** Any law with the same symmetry is given by its density ratios `theta_0,
theta_g, theta_b` of the positive against the negative (the same point, another one of the class, another class). The
minimizer over (g, b) of the logistic loss is one of these, for each k:

(i)   the ratios themselves, `g = 1 + T log(theta_g/theta_0)`, `b = 1 + T log(theta_b/theta_0)`, if that Gram matrix
      is feasible: it is optimal at *every* k, so that more negatives do nothing;
(ii)  the classes are collapsed, g = 1, or the class means coincide, `1 + (m-1) g = m b`: as long as they do, L_sup
      does not change (g = 1 fixes b: at -1/(C-1), or else where `X_b (p_0 theta_0 + p_g theta_g) = (p_0 + p_g)
      theta_b`);
(iii) the class means sum to 0, and g is between: if `theta_g > theta_b`, g > b and g falls strictly in k (negatives
      *hurt*); if `theta_g < theta_b`, g < b and g rises strictly in k (negatives *help*); if `theta_g = theta_b`, `g =
      b = -1/(n-1)` at every k.

Where a positive is likelier in the anchor's own class than in another one, more negatives never help, also where the
minimizer leaves one case for another: it is unique, so that L_sup is continuous in real k; it has one of three values
in (ii), and rises in k wherever it has none of them.

Proof. With `u = theta_g/X_g`, `w = theta_b/X_b` the computation of (1) gives, up to positive factors,

    dL/dg ~ p_0 (theta_0 - u) J_g + p_b X_g X_b (w - u) I,    dL/db ~ p_0 (theta_0 - w) J_b + p_g X_g X_b (u - w) I,
    h = c_1 e^(-t (1+X_g)) + c_2 e^(-t (1+X_b)) + c_3 e^(-t (X_g+X_b)),
    c_1 = p_0 p_g X_g (theta_0 - u),   c_2 = p_0 p_g X_b (w - theta_0),   c_3 = (p_g+p_b) p_g X_g X_b (w - u),

`J_x = X_x int phi^(k-1) e^(-t (1+X_x)) dt`, `I = int phi^(k-1) e^(-t (X_g+X_b)) dt`. (i): all coefficients vanish at
`u = w = theta_0`, whatever k is, and L_k is convex. (iii): on the line a minimizer has `int phi^(k-1) h = 0`, which
reads

    p_0 (theta_0 - u) (J_g - J_b) + (w - u) (p_0 J_b + (p_g+p_b) X_g X_b I) = 0,

and, as the multiplier of `1 + (m-1) g + (C-1) m b >= 0`, `dL/dg >= 0` and `dL/db >= 0`. By parts, `J = 1 + int
e^(-tX) (d/dt)(phi^(k-1) e^-t) dt` increases in X. Let g > b, `J_g > J_b`. Then `theta_0 - u` and `w - u` have
opposite signs, or (i) holds. If `w > u > theta_0`, dL/db < 0. So `w < u < theta_0`: (c_1, c_2, c_3) has the signs (+,
-, -), and steps (3) and (4) apply. Let g < b, `J_g < J_b`: both signs are equal; if `u > theta_0` and `u > w`, dL/dg
< 0. So `u < theta_0`, `u < w`, c_1 > 0 < c_3, hence c_2 < 0, now with the fastest rate: h changes sign once, from -
to +, and g(k') > g(k). At g = b, `dF_k/dg` has the sign of `theta_b - theta_g`, which says on which side of b the
minimizer is. (ii): at g = 1 the two terms of dL/db have one rate. Where means coincide every classifier has the mean
margin 0. []

Downstream, for any g and b with means of equal length and cosine: `L_sup = log(1 + (C-1) exp(-beta sqrt((s-b)
C/(C-1))))`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from theory.augmentation.expectation import expected
from theory.errors import InputError


@dataclass(frozen=True)
class Block:
    """`C` equal classes of `m` equal points; the positive is the same point with probability `same`, another point of
    the class with `within`, of another class with the rest.

    Raises:
        InputError: for fewer than 2 classes or points, or shares that are no law.
    """

    C: int
    m: int
    same: int | float
    within: int | float

    def __post_init__(self) -> None:
        if self.C < 2 or self.m < 2:
            raise InputError("points", f"C = {self.C}, {self.m} points", "at least 2 classes of 2 points")
        if not (self.same >= 0 and self.within >= 0 and self.same + self.within <= 1 + 1e-12):
            raise InputError("overlap", (self.same, self.within), "probabilities with a sum of at most 1")

    @property
    def negatives(self) -> tuple[float, float, float]:
        """`(p_g, p_b, p_0)`: another point of the class, another class, the anchor itself."""
        n = self.C * self.m
        return (self.m - 1) / n, (self.C - 1) / self.C, 1 / n

    @property
    def positives(self) -> tuple[float, float, float]:
        """`(q_g, q_b, q_0)` of the positive: another point of the class, another class, the anchor itself."""
        return self.within, max(0.0, 1 - self.same - self.within), self.same

    def between(self, g: int | float) -> float:
        """`b` on the line of class means that sum to 0."""
        return -(1 + (self.m - 1) * g) / ((self.C - 1) * self.m)

    def slopes(
        self, loss: str, g: int | float, b: int | float, k: int | float, beta: int | float = 1.0
    ) -> tuple[float, float]:
        """`dL_k/dg` and `dL_k/db`."""
        z = np.array([[beta * (g - 1), beta * (b - 1), 0.0]])
        laws = (np.array([law]) for law in (self.negatives, self.positives))
        gradient = expected(loss, k, z, *laws).slopes[0]
        return beta * float(gradient[0]), beta * float(gradient[1])

    def slope_on_line(self, loss: str, g: int | float, k: int | float, beta: int | float = 1.0) -> float:
        """`dF_k/dg`."""
        within, between = self.slopes(loss, g, self.between(g), k, beta)
        p_g, p_b, _ = self.negatives
        return within - p_g / p_b * between

    def cosine(self, loss: str, k: int | float, beta: int | float = 1.0) -> float:
        """The best `g >= b` on the line, in double precision; 1 where the classes are collapsed. The minimizer of the
        loss where no positive crosses classes."""
        return _root(lambda g: self.slope_on_line(loss, g, k, beta), -1 / (self.C * self.m - 1), 1.0)

    def ratios(self, beta: int | float = 1.0) -> tuple[float, float]:
        """`(g, b)` of the density ratios: the minimizer at every k where it is feasible (-inf where a ratio is 0)."""
        theta_g, theta_b, theta_0 = (q / p for q, p in zip(self.positives, self.negatives, strict=True))

        def cosine(theta: float) -> float:
            if theta_0 == 0:
                return math.inf
            return 1 + math.log(theta / theta_0) / beta if theta > 0 else -math.inf

        return cosine(theta_g), cosine(theta_b)

    def is_feasible(self, g: int | float, b: int | float, tolerance: int | float = 0.0) -> bool:
        """Whether the Gram matrix with these cosines is psd."""
        mean = 1 + (self.m - 1) * g
        return g <= 1 + tolerance and mean >= self.m * b - tolerance and b >= self.between(g) - tolerance

    def minimizer(self, k: int | float, beta: int | float = 1.0) -> tuple[float, float, str]:
        """The minimizer (g, b) of the logistic loss, and where it lies: "ratios", "line" (class means sum to 0),
        "collapsed" (g = 1) or "merged" (class means coincide), the cases of the sign rule."""
        ratios = self.ratios(beta)
        if self.is_feasible(*ratios):
            return *ratios, "ratios"
        g = self._on_line(k, beta)
        b = self.between(g)
        least = -1 / (self.m - 1)
        if least < g and self.slopes("logistic", g, b, k, beta)[1] >= 0:
            return g, b, "collapsed" if g == 1 else "line"
        collapsed = _root(lambda x: self.slopes("logistic", 1.0, x, k, beta)[1], -1 / (self.C - 1), 1.0)
        if collapsed < 1 and self.slopes("logistic", 1.0, collapsed, k, beta)[0] <= 0:
            return 1.0, collapsed, "collapsed"

        def along(x: float) -> float:
            within, between = self.slopes("logistic", x, (1 + (self.m - 1) * x) / self.m, k, beta)
            return within + between * (self.m - 1) / self.m

        g = _root(along, least, 1.0)
        return g, (1 + (self.m - 1) * g) / self.m, "merged"

    def _on_line(self, k: int | float, beta: int | float) -> float:
        return _root(lambda g: self.slope_on_line("logistic", g, k, beta), -1 / (self.m - 1), 1.0)

    def coefficients(self, g: int | float, b: int | float, beta: int | float = 1.0) -> tuple[float, float, float]:
        """`(c_1, c_2, c_3)` of the sign rule."""
        (p_g, p_b, p_0), (q_g, q_b, q_0) = self.negatives, self.positives
        theta_0, theta_g, theta_b = q_0 / p_0, q_g / p_g, q_b / p_b
        X_g, X_b = math.exp(beta * (g - 1)), math.exp(beta * (b - 1))
        return (
            p_0 * p_g * (X_g * theta_0 - theta_g),
            p_0 * p_g * (theta_b - X_b * theta_0),
            (p_g + p_b) * p_g * (theta_b * X_g - theta_g * X_b),
        )


def _root(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where an increasing function changes sign, or the end at which it comes nearest."""
    if slope(high) <= 0:
        return high
    if slope(low) >= 0:
        return low
    return float(brentq(slope, low, high, xtol=1e-15, rtol=1e-15))


def with_overlap(C: int, m: int, overlap: int | float, across: int | float = 0.0) -> Block:
    """The block family with overlap `a`, of which the share `across` draws the positive from all points instead."""
    away, n = overlap * (m - 1) / m, C * m
    return Block(C, m, (1 - across) * (1 - away) + across / n, (1 - across) * away + across * (m - 1) / n)


def effect(block: Block, place: str) -> str:
    """What more negatives do to the downstream loss of a minimizer that lies in this place (sign rule): "hurt", "help"
    or "nothing"."""
    (p_g, p_b, _), (q_g, q_b, _) = block.negatives, block.positives
    own, other = q_g / p_g, q_b / p_b
    if place != "line" or math.isclose(own, other, rel_tol=1e-12):
        return "nothing"
    return "hurt" if own > other else "help"


def downstream_loss(C: int, m: int, g: int | float, b: int | float, beta: int | float = 1.0) -> float:
    """`L_sup = log(1 + (C-1) exp(-beta sqrt((s-b) C/(C-1))))`, `s = (1 + (m-1) g)/m`."""
    s = (1 + (m - 1) * g) / m
    return math.log1p((C - 1) * math.exp(-beta * math.sqrt(max(0.0, s - b) * C / (C - 1))))
