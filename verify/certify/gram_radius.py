"""How far the optimal Gram matrix can be from a point whose loss is within a gap of the minimum."""

from __future__ import annotations

from fractions import Fraction

from theory.problem import Problem
from verify.certify import losses
from verify.certify.balls import ball, bounds


def gram_radius(problem: Problem, gap: Fraction) -> Fraction | None:
    r"""The largest `sqrt(gap / c)`, c the curvature of L in one of the cosines; None if no curvature is known.

    `c = beta^2 k w M_g M_h` between groups of masses M, `beta^2 k w M_g (M_g - rho_g) / 2` within one, from the strong
    convexity of the loss in the cosines over the elliptope (verify.checker.dual, step 6), w the `curvature` of
    `verify.certify.losses`. Where no negative collides they are drawn more often, and the curvature is larger.
    """
    loss, k, prior = losses.get(problem.loss_name), problem.integer_k, problem.population
    if not loss.strict:
        return None
    weight = loss.curvature(k, ball(-2 * problem.beta).exp(), ball(1))
    smallest = sorted(prior.totals)[:2]
    products = [smallest[0] * smallest[1]] if len(smallest) > 1 else []
    products += [m * (m - r) / 2 for m, r in zip(prior.totals, prior.masses, strict=True) if m != r]
    return bounds((ball(gap / (problem.beta**2 * k * min(products))) / weight).sqrt())[1]
