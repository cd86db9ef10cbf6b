"""Many distinct points: the convex program through embeddings on the sphere, in as many dimensions as the optimum
needs.

A second-order critical point `U` (n x d) whose Gram matrix has rank below d is a global minimum, since the dual slack
is then psd (the Hessian in a direction that no row uses is twice the slack); `verify.optimize.spheres` finds one, and
the dual bound says how near it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theory.augmentation.graph import Graph
from theory.problem import Problem
from verify.graphs.means import GraphMeans
from verify.optimize.barrier import Optimum, dual_bound
from verify.optimize.pairs import objective
from verify.optimize.spheres import minimize as minimize_on_spheres
from verify.optimize.spheres import random_starts

_SEED = 0


def minimize(problem: Problem[Graph]) -> Optimum:
    """The optimum over the embeddings of all points."""
    means, graph = GraphMeans(problem), problem.population
    if max(graph.counts) > 1:
        return _averaged(means, minimize(replace(problem, population=graph.expanded())))
    law, beta, scale = graph.arrays, float(problem.beta), means.scale
    n, evaluate = len(law.counts), objective(problem.loss_name, law, problem.k / scale, beta)
    run = minimize_on_spheres(evaluate, random_starts(1, n, n, _SEED), law.marginal, tolerance=1e-9)[0]
    B = run.embeddings @ run.embeddings.T
    np.fill_diagonal(B, 1.0)
    local = means.derivatives(B, hessian=False)
    lower = dual_bound(means, B, local)
    return Optimum(B, scale * local.value, scale * lower, 0.0, run.iterations)


def _averaged(means: GraphMeans, optimum: Optimum) -> Optimum:
    """The groups' mean Gram matrix of the points' one; the loss does not grow (convexity)."""
    counts = means.problem.population.counts
    owner = np.repeat(np.arange(len(counts)), counts)
    indicator = (owner[:, None] == np.arange(len(counts))) / np.array(counts)
    B = indicator.T @ optimum.means @ indicator
    local = means.derivatives(B, hessian=False)
    return Optimum(B, means.scale * local.value, optimum.lower, 0.0, optimum.steps)
