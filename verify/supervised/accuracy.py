r"""The accuracy of the best classifier at an enclosed minimizer, proven.

The loss `sum_c M_c l(beta (S_cc - S_cj)_j)` is strongly convex in the score margins `m_cj = S_cc - S_cj`, which lie in
[-2, 2] for classifiers in the unit ball. So `X_j = e^(-beta m_cj)` is between e^(-2 beta) and e^(2 beta), and the
Hessian of l is at least `kappa` times the identity, kappa the `curvature` of `verify.certify.losses`. Over the unit
ball, a convex set, the first-order term at the optimum is not negative; so a classifier whose loss is within `gap` of a
lower bound on the ball's has margins within

    delta_c = sqrt( 2 gap / (M_c beta^2 kappa) )

of the ball's optimal ones, and within `2 delta_c` of those of any classifier on the sphere that is as good. Where these
intervals have a sign it is known whether a class is right. Two classes that coincide exactly and weigh the same tie:
exchanging their classifiers exchanges the margins between them, which are unique, so that both are 0 (derived).
"""

from __future__ import annotations

from fractions import Fraction

from flint import arb, ctx

from verify.certify.balls import ball
from verify.certify.losses import find, get
from verify.supervised.bracket import Bracket, group_weights
from verify.supervised.estimate import head
from verify.supervised.minimizer import Enclosing, Minimizer
from verify.supervised.sequence import Point


def proven_accuracy(enclosing: Enclosing, minimizer: Minimizer, found: Bracket, weighting: str) -> Fraction | None:
    """The test weight of the classes that the best classifier gets right, a tie counting as an error; None if the
    enclosures leave a class open. `found` is the bracket of the best classifier."""
    weights, counts, gap = group_weights(enclosing.groups, weighting), minimizer.counts, found.upper - found.lower
    groups = range(len(counts))
    with ctx.workprec(128 + (gap.denominator // gap.numerator).bit_length()):
        beta = ball(enclosing.problem.beta)
        loss, C = get(enclosing.problem.loss_name), enclosing.problem.population.C
        kappa = loss.curvature(C - 1, (-2 * beta).exp(), (2 * beta).exp())
        right = Fraction(0)
        for g, weight in enumerate(weights):
            # the margins of all classes of a group are alike, for the best classifier too: they are unique
            delta = 2 * (2 * ball(gap / weight) / (beta * beta * kappa)).sqrt()
            rivals = [h for h in groups if h != g or counts[g] > 1]
            margins = [
                arb(0) if _tied(minimizer, weights, g, h) else arb(0, delta.upper()) - found.exponents[g][h]
                for h in rivals
            ]
            if all(m > 0 for m in margins):
                right += weight
            elif not any(m <= 0 for m in margins):
                return None
        return right


def _tied(minimizer: Minimizer, weights: tuple[Fraction, ...], g: int, h: int) -> bool:
    """Whether classes of the two groups, or two of one, coincide exactly and weigh the same."""
    cosines, counts = minimizer.cosines, minimizer.counts
    alike = weights[g] / counts[g] == weights[h] / counts[h]
    return minimizer.radius == 0 and alike and cosines[g][h] == 1


def accuracy_numerical(enclosing: Enclosing, found: Point, weighting: str) -> float | None:
    """The same in double precision, a tie being one to 1e-9; None where the minimizer is not known."""
    if found.sup is None:
        return None
    if found.bracket is not None and found.bracket.head is not None:
        return found.bracket.head.accuracy
    if find(enclosing.problem.loss_name) is None:
        return 1.0  # at the simplex ETF, where every class is nearest to itself
    return head(enclosing, weighting).accuracy
