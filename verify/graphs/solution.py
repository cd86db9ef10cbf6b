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


def solve(problem: Problem[Graph]) -> Optimum:
    """The optimum: by the barrier method for few groups, else over the points' embeddings.

    Next to a threshold rounding may stop the barrier before its bracket is closed; where points are few, embeddings go
    on then.

    Raises:
        InputError: if there are too many points.
    """
    m, points, most = len(problem.population.counts), problem.population.points, limits.GRAPH_POINTS
    if m <= limits.BARRIER_GROUPS:
        with small_matrices(m):
            found = Barrier(GraphMeans(problem)).solve()
            if found.relative_gap <= GAP_TOLERANCE / 10 or points > limits.BARRIER_GROUPS:
                return found
            return min(found, minimize(problem), key=lambda one: one.relative_gap)
    if points > most:
        raise InputError("graph", f"{points} points", f"accepted: at most {most} distinct points")
    return minimize(problem)
