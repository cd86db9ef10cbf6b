"""Many distinct points: the convex program through embeddings on the sphere, in as many dimensions as the optimum
needs.

A second-order critical point `U` (n x d) whose Gram matrix has rank below d is a global minimum, since the dual slack
is then psd (the Hessian in a direction that no row uses is twice the slack); `verify.optimize.spheres` finds one, and
the dual bound says how near it is. Columns that the optimum does not need fade slowly (the loss is of fourth order in
them), so those that have faded are dropped, and the bound tells whether they were needed: if the slack has negative
eigenvalues, the loss falls along their eigenvectors, which are then the new columns.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from theory.augmentation.graph import Graph
from theory.geometry import normalized
from theory.problem import Problem
from verify.graphs.means import GraphMeans
from verify.optimize.barrier import Optimum, dual_bound
from verify.optimize.pairs import objective
from verify.optimize.spheres import Run, Stop, random_starts
from verify.optimize.spheres import minimize as minimize_on_spheres

_SEED = 0
#: The relative duality gap at which the search ends.
_GAP = 1e-10
#: Residuals at which columns are looked at first, and below which rounding has the last word.
_COARSE, _FINE = 1e-2, 1e-9
#: Singular values, relative to the largest, of columns that are dropped at first, and later.
_FADED, _ZERO = 2e-2, 1e-6
#: How long the new columns are at most, and how often there may be new ones.
_NEW, _ROUNDS = 0.1, 10


def minimize(problem: Problem[Graph]) -> Optimum:
    """The optimum over the embeddings of all points."""
    means, graph = GraphMeans(problem), problem.population
    if max(graph.counts) > 1:
        return _averaged(means, minimize(replace(problem, population=graph.expanded())))
    law, beta = graph.arrays, float(problem.beta)
    n, evaluate = len(law.counts), objective(problem.loss_name, law, problem.k / means.scale, beta)
    found: list[Optimum] = []

    def is_closed(U: Float[np.ndarray, "n d"]) -> bool:
        found.append(_at(means, U))
        return found[-1].relative_gap <= _GAP

    def descend(U: Float[np.ndarray, "n d"], tolerance: float) -> Run:
        return minimize_on_spheres(evaluate, U[None], law.marginal, tolerance=tolerance, is_closed=is_closed)[0]

    run = descend(random_starts(1, n, n, _SEED)[0], _COARSE)
    steps, faded = run.iterations, _FADED
    for _ in range(_ROUNDS):
        if run.stop is Stop.GAP:
            break
        U = _without_faded(run.embeddings, faded)
        run = descend(U if faded is _FADED else _with_new(means, U), _FINE)
        steps, faded = steps + run.iterations, _ZERO
    least, lower = min(found, key=lambda one: one.value), max(one.lower for one in found)
    return Optimum(least.means, least.value, min(lower, least.value), 0.0, steps)


def _at(means: GraphMeans, U: Float[np.ndarray, "n d"]) -> Optimum:
    B = U @ U.T
    np.fill_diagonal(B, 1.0)
    local, scale = means.derivatives(B, hessian=False), means.scale
    return Optimum(B, scale * local.value, scale * dual_bound(means, B, local), 0.0, 0)


def _without_faded(U: Float[np.ndarray, "n d"], faded: float) -> Float[np.ndarray, "n r"]:
    left, singular, _ = np.linalg.svd(U, full_matrices=False)
    kept = singular > faded * singular[0]
    return normalized(left[:, kept] * singular[kept])


def _with_new(means: GraphMeans, U: Float[np.ndarray, "n r"]) -> Float[np.ndarray, "n s"]:
    """With columns along which the loss falls, in second order."""
    roots = np.sqrt(means.totals)
    slack = means.derivatives(U @ U.T, hessian=False).slack(U) / np.outer(roots, roots)
    eigenvalues, vectors = np.linalg.eigh(slack)
    new = vectors[:, eigenvalues < -_GAP][:, : len(U) - U.shape[1]] / roots[:, None]
    return normalized(np.hstack([U, _NEW * new / np.max(np.abs(new), axis=0)]))


def _averaged(means: GraphMeans, optimum: Optimum) -> Optimum:
    """The groups' mean Gram matrix of the points' one; the loss does not grow (convexity)."""
    counts = means.problem.population.counts
    owner = np.repeat(np.arange(len(counts)), counts)
    indicator = (owner[:, None] == np.arange(len(counts))) / np.array(counts)
    B = indicator.T @ optimum.means @ indicator
    local = means.derivatives(B, hessian=False)
    return Optimum(B, means.scale * local.value, optimum.lower, 0.0, optimum.steps)
