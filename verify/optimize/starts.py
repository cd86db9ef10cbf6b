"""Where a proof of the optimum may begin: stationary points in float64, polished by Newton's method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from jaxtyping import Bool, Float
from scipy.linalg import LinAlgError

from theory.problem import Problem
from verify.optimize.newton import Derivatives, NewtonStep, derivatives, is_factorized

_RANK_TOLERANCES = (1e-8, 1e-5, 1e-11, 1e-3)
_FLOAT_STEPS = 40
#: Relative rounding errors of a residual (measured: up to 350 times that of a number at 256 classes and k = 4096).
_ROUNDING = 1024 * float(np.finfo(float).eps)


@dataclass(frozen=True)
class Start:
    """Where a proof begins: the groups' mean embeddings U, which are of length 1 but for the `free` ones."""

    U: Float[np.ndarray, "m r"]
    free: Bool[np.ndarray, " m"]

    @property
    def exact(self) -> bool:
        """Whether the rows are signs, which need no refinement."""
        return self.U.shape[1] == 1 and not self.free.any()

    def normalized(self) -> Start:
        """The bound rows scaled to length 1, free ones that have left the ball put back into it."""
        norms = np.linalg.norm(self.U, axis=1)
        inside = np.where(norms < 1, 1.0, norms * (1 + 1e-12))
        return Start(self.U / np.where(self.free, inside, norms)[:, None], self.free)


def starts_near(U: Float[np.ndarray, "C d"]) -> list[Start]:
    """Class embeddings of the ranks that the singular values of U suggest."""
    U = U / np.linalg.norm(U, axis=1)[:, None]
    left, singular, _ = np.linalg.svd(U, full_matrices=False)
    most = len(U) - 1  # an optimal Gram matrix is singular
    ranks = dict.fromkeys(min(most, max(1, int(np.sum(singular > tolerance)))) for tolerance in _RANK_TOLERANCES)
    starts = []
    for r in ranks:
        V = left[:, :r] * singular[:r]
        if np.linalg.norm(V, axis=1).min() >= 0.5:
            starts.append(Start(np.sign(V) if r == 1 else V, np.zeros(len(U), dtype=bool)).normalized())
    return starts


def candidates(problem: Problem, starts: Sequence[Start]) -> list[Start]:
    """Stationary points near the starts, the best dual bound first."""
    totals = np.array([float(m) for m in problem.embedded.totals])
    several = np.array(problem.embedded.counts) > 1
    ranked = []
    for start in starts:
        try:
            polished = _polish(problem, start)
        except LinAlgError:
            continue
        local = _derivatives(problem, polished.U, hessian=False)
        slack = local.slack(polished.U, polished.free)
        multipliers = np.diag(local.gradient - slack) / totals
        violation = float(np.max(multipliers[several & ~polished.free], initial=0.0))
        worst = max(violation, -float(np.linalg.eigvalsh(slack / np.sqrt(np.outer(totals, totals)))[0]))
        # Below rounding the dual bounds are equal, and the smaller rank is the better conditioned.
        ranked.append((max(worst, 1e-10), polished.U.shape[1], polished))
    return [start for _, _, start in sorted(ranked, key=lambda item: item[:2])]


def _derivatives(problem: Problem, U: Float[np.ndarray, "m r"], *, hessian: bool) -> Derivatives:
    prior = problem.population
    if problem.objective.towers == 2:
        from verify.optimize.towers import towers_of

        return towers_of(problem).derivatives(U @ U.T)
    rho, sizes = (np.array([float(x) for x in exact]) for exact in (prior.masses, prior.counts))
    beta, objective = float(problem.beta), problem.objective
    return derivatives(problem.loss_name, problem.k, beta, rho, U @ U.T, sizes, objective, hessian=hessian)


def newton_step(problem: Problem, start: Start) -> NewtonStep:
    """The Hessian at the start; LinAlgError if it is factorized and not positive definite."""
    totals = np.array([float(m) for m in problem.embedded.totals])
    local = _derivatives(problem, start.U, hessian=is_factorized(start.U, start.free))
    return NewtonStep(start.U, totals, local, start.free)


def _polish(problem: Problem, start: Start) -> Start:
    """Newton's method in float64 until it stalls."""
    if start.exact:
        return start
    previous = np.inf
    for _ in range(_FLOAT_STEPS):
        newton = newton_step(problem, start)
        residual = newton.slack @ start.U
        rounding = _ROUNDING * np.abs(newton.local.gradient) @ np.abs(start.U)
        if newton.factor is None and np.all(np.abs(residual) <= rounding):
            break  # a step by conjugate gradients takes seconds, and this one would follow noise
        move = newton.step(residual)
        size = float(np.abs(move).max())
        if not isfinite(size) or size >= previous / 2:
            break
        previous = size
        start = Start(start.U + move * min(1.0, 0.3 / max(size, 1e-300)), start.free).normalized()
        if size < 1e-12:
            break
    return start
