r"""The accuracy of the best classifier at an enclosed minimizer, proven.

The loss `sum_c M_c l(beta (S_cc - S_cj)_j)` is strongly convex in the score margins `m_cj = S_cc - S_cj`, which lie in
[-2, 2] for classifiers in the unit ball. With q = e^(-2 beta) the Hessian of l is at least `kappa` times the identity,

    logistic      p_0 diag(p), p_0 p_j = x/(1+x+s)^2, q <= x <= 1/q and s <= (C-2)/q: least at an end of x
    exponential   q,      separable  q/(1+q)^2,

(verify.checker.dual, step 6, has the first). Over the unit ball, a convex set, the first-order term at the optimum is
not negative; so a classifier whose loss is within `gap` of a lower bound on the ball's has margins within

    delta_c = sqrt( 2 gap / (M_c beta^2 kappa) )

of the ball's optimal ones, and within `2 delta_c` of those of any classifier on the sphere that is as good. Where these
intervals have a sign it is known whether a class is right. Two classes that coincide exactly and weigh the same tie:
exchanging their classifiers exchanges the margins between them, which are unique, so that both are 0 (derived).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb, ctx

from verify.certify.balls import ball
from verify.supervised.bracket import Bracket, unit_scores
from verify.supervised.minimizer import Minimizer, ball_gram

Ball = Any


def proven_accuracy(
    minimizer: Minimizer, found: Bracket, weights: tuple[Fraction, ...], *, loss: str, temperature: Fraction, d: int
) -> Fraction | None:
    """The test weight of the classes that the best classifier gets right, a tie counting as an error; None if the
    enclosures leave a class open. `found` is the bracket of the best classifier."""
    coefficients = [[Fraction(a) for a in row] for row in found.witness["classifier"]]
    C, gap = len(weights), found.upper - found.lower
    bits = 128 + (gap.denominator // gap.numerator).bit_length()
    with ctx.workprec(bits):
        beta = ball(1 / temperature)
        kappa = _strength(loss, C, (-2 * beta).exp())
        scores = unit_scores(ball_gram(minimizer), coefficients, ball_suffices=d >= minimizer.rank + 1)
        right = Fraction(0)
        for c, weight in enumerate(weights):
            delta = 2 * (2 * ball(gap / weight) / (beta * beta * kappa)).sqrt()
            margins = []
            for j in range(C):
                if j != c:
                    same = minimizer.radius == 0 and weights[j] == weight and minimizer.gram[c] == minimizer.gram[j]
                    margins.append(arb(0) if same else scores[c][c] - scores[c][j] + arb(0, delta.upper()))
            if all(m > 0 for m in margins):
                right += weight
            elif not any(m <= 0 for m in margins):
                return None
        return right


def _strength(loss: str, C: int, q: Ball) -> Ball:
    if loss == "exponential":
        return q
    if loss == "separable":
        return q / (1 + q) ** 2
    others = (C - 2) / q
    return (q / (1 + q + others) ** 2).min(1 / q / (1 + 1 / q + others) ** 2)
