"""pymanopt's trust regions on the product of spheres, given this project's exact loss, gradient and Hessian.

Without them it would have to enumerate; so this compares the optimizers alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.benchmarks.problem import Problem

PACKAGES = ("pymanopt",)
COMPILES = True


def solver(problem: Problem, budget: int) -> Callable[[], np.ndarray]:
    """Trust regions from one random start, to a gradient norm of 1e-8."""
    import pymanopt
    from pymanopt.manifolds import Oblique
    from pymanopt.optimizers import TrustRegions

    from verify.optimize.objective import Objective

    del budget
    C, d = problem.prior.C, problem.d
    objective = Objective(problem.loss, problem.rho, problem.k)
    manifold = Oblique(d, C)  # unit columns

    wrap = pymanopt.function.numpy(manifold)
    # lambdas, since pymanopt reads signatures, which type checkers that decorate functions would change
    program = pymanopt.Problem(
        manifold,
        wrap(lambda point: float(objective(point.T[None])[0][0])),
        euclidean_gradient=wrap(lambda point: objective(point.T[None])[1][0].T),
        euclidean_hessian=wrap(lambda point, tangent: objective(point.T[None], tangent.T[None])[2][0].T),
    )
    optimizer = TrustRegions(min_gradient_norm=1e-8, max_time=250, verbosity=0)
    U = np.random.default_rng(0).normal(size=(d, C))
    U /= np.linalg.norm(U, axis=0)

    def solve() -> np.ndarray:
        found = optimizer.run(program, initial_point=U).point
        return np.asarray(found.T @ found)

    return solve
