"""From a problem on a graph to its optimum in double precision."""

from __future__ import annotations

from theory.augmentation.graph import Graph
from theory.errors import InputError
from theory.problem import Problem
from verify import limits
from verify.graphs.many import minimize
from verify.graphs.means import GraphMeans
from verify.optimize.barrier import Barrier, Optimum
from verify.optimize.threads import small_matrices

#: The relative gap that a float64 bracket must reach for the word `numerical`.
GAP_TOLERANCE = 1e-9


def check_points(problem: Problem[Graph]) -> None:
    """Refuse a graph that `solve` would.

    Raises:
        InputError: if there are too many points.
    """
    graph, most = problem.population, limits.GRAPH_POINTS
    if len(graph.counts) > limits.BARRIER_GROUPS and graph.points > most:
        raise InputError("graph", f"{graph.points} points", f"accepted: at most {most} distinct points")


def solve(problem: Problem[Graph]) -> Optimum:
    """The optimum: by the barrier method for few groups, else over the points' embeddings.

    Next to a threshold rounding may stop the barrier before its bracket is closed; where points are few, embeddings go
    on then.

    Raises:
        InputError: if there are too many points.
    """
    check_points(problem)
    m, points = len(problem.population.counts), problem.population.points
    if m <= limits.BARRIER_GROUPS:
        with small_matrices(m):
            found = Barrier(GraphMeans(problem)).solve()
            if found.relative_gap <= GAP_TOLERANCE / 10 or points > limits.BARRIER_GROUPS:
                return found
            return min(found, minimize(problem), key=lambda one: one.relative_gap)
    return minimize(problem)
