"""How far the optimal Gram matrix can be from a point whose loss is within a gap of the minimum."""

from __future__ import annotations

from fractions import Fraction

from verify.certify.balls import ball, bounds
from verify.certify.enclosure import Problem


def gram_radius(problem: Problem, gap: Fraction) -> Fraction | None:
    r"""The largest `sqrt(gap / c)`, c the curvature of L in one of the cosines; None if no curvature is known.

    `c = beta^2 k w M_g M_h` between groups of masses M, `beta^2 k w M_g (M_g - rho_g) / 2` within one. With q =
    e^(-2 beta): w = q/(k+q)^2 (logistic), q (exponential), q/(1+q)^2 (separable), from the strong convexity of the loss
    in the cosines over the elliptope (verify.checker.dual, step 6).
    """
    if problem.loss == "decoupled":
        return None
    q = ball(-2 * problem.beta).exp()
    weight = {"logistic": q / (problem.k + q) ** 2, "exponential": q, "separable": q / (1 + q) ** 2}[problem.loss]
    smallest = sorted(problem.totals)[:2]
    products = [smallest[0] * smallest[1]] if len(smallest) > 1 else []
    products += [m * (m - r) / 2 for m, r in zip(problem.totals, problem.rho, strict=True) if m != r]
    return bounds((ball(gap / (problem.beta**2 * problem.k * min(products))) / weight).sqrt())[1]
