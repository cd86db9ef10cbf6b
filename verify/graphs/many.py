"""Many distinct points: the convex program through embeddings on the sphere, in as many dimensions as the optimum
needs.

A second-order critical point `U` (n x d) whose Gram matrix has rank below d is a global minimum, since the dual slack
is then psd (the Hessian in a direction that no row uses is twice the slack); `verify.optimize.spheres` finds one, and
the dual bound says how near it is.
"""

from __future__ import annotations

import numpy as np

from verify.graphs.problem import GraphProblem
from verify.optimize.barrier import Optimum, dual_bound
from verify.optimize.pairs import objective
from verify.optimize.spheres import minimize as minimize_on_spheres
from verify.optimize.spheres import random_starts

_SEED = 0


def minimize(problem: GraphProblem) -> Optimum:
    """The optimum for a graph of one point a group."""
    if max(problem.graph.counts) > 1:
        expanded = GraphProblem(problem.graph.expanded(), problem.loss, problem.k, problem.temperature)
        optimum = minimize(expanded)
        return _averaged(problem, optimum)
    law, beta, k = problem.graph.arrays, float(problem.beta), problem.k / problem.scale
    n, evaluate = len(law.counts), objective(problem.loss, law, k, beta)
    run = minimize_on_spheres(evaluate, random_starts(1, n, n, _SEED), law.marginal, tolerance=1e-9)[0]
    B = run.embeddings @ run.embeddings.T
    np.fill_diagonal(B, 1.0)
    local = problem.derivatives(B, hessian=False)
    scale = problem.scale
    lower = dual_bound(problem, B, local)
    return Optimum(B, scale * local.value, scale * lower, 0.0, run.iterations)


def _averaged(problem: GraphProblem, optimum: Optimum) -> Optimum:
    """The groups' mean Gram matrix of the points' one; the loss does not grow (convexity)."""
    counts = problem.graph.counts
    owner = np.repeat(np.arange(len(counts)), counts)
    indicator = (owner[:, None] == np.arange(len(counts))) / np.array(counts)
    B = indicator.T @ optimum.means @ indicator
    local = problem.derivatives(B, hessian=False)
    return Optimum(B, problem.scale * local.value, optimum.lower, 0.0, optimum.steps)
