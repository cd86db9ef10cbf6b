"""From a problem to its minimizer, in double precision: the one path that all commands take.

The problem is convex in the Gram matrix, so there is one minimum and no question of starts. It is stated in groups of
equal classes (`theory.groups`; a class that equals no other is a group of one), solved by the barrier method, and
polished by Newton's method in coordinates that keep relative accuracy for the rarest classes, which also says how far
the minimizer can be (`verify.optimize.graded`). With too many groups for the barrier it comes from the projected steps
of `verify.optimize.elliptope`: in groups where there are more classes than an error is estimated for, else class by
class. What is proved starts here too (`verify.certify`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from theory.geometry import root
from theory.groups import cosines, mean_gram
from theory.priors import Prior
from theory.problem import Problem
from verify import limits
from verify.certify.losses import find
from verify.optimize.barrier import Barrier, Optimum, dual_bound
from verify.optimize.graded import Polished, polish
from verify.optimize.means import GroupedLoss, MeansProblem
from verify.optimize.starts import Start, starts_near
from verify.optimize.towers import towers_of

#: Singular values and spreads below this are taken for zero, in turn.
_ZERO = (1e-8, 1e-5, 1e-11, 1e-3)


@dataclass(frozen=True)
class Solution:
    """The minimizer of `L_k` over Gram matrices of any rank, in double precision.

    Attributes:
        groups: the prior, classes of equal mass in one group each, or those of two towers (`theory.problem`); all
            matrices are in its order.
        U: the groups' mean embeddings, `B = U U^T`, of length 1 but for the `free` ones.
        free: groups of two or more classes that do not coincide.
        value: the loss there.
        lower: a lower bound on the minimum, to rounding.
        errors: for each group how far an embedding of one of its classes is from the minimizer's, estimated; None if
            there is no estimate, and then `reason` says why.
        starts: where a proof may begin, the most likely first.
        steps: Newton steps or projected steps, in all.
        method: how it was found.
    """

    groups: Prior
    U: Float[np.ndarray, "m r"]
    free: Bool[np.ndarray, " m"]
    value: float
    lower: float
    errors: Float[np.ndarray, " m"] | None
    reason: str
    starts: list[Start]
    steps: int
    method: str
    converged: bool

    @property
    def means(self) -> Float[np.ndarray, "m m"]:
        """B, with diagonal 1 where the classes of a group coincide."""
        B: np.ndarray = self.U @ self.U.T
        np.fill_diagonal(B, np.where(self.free, B.diagonal(), 1.0))
        return B

    @property
    def smallest_cosine(self) -> float:
        """The least cosine between two classes."""
        return float(cosines(self.means, self.groups).min())

    @property
    def rank(self) -> int:
        """That of the C x C Gram matrix."""
        spread = sum(n - 1 for n, free in zip(self.groups.counts, self.free.tolist(), strict=True) if free)
        return min(self.groups.C - 1, self.U.shape[1] + spread)


def in_groups(problem: Problem) -> bool:
    """Whether the problem is solved in groups of equal classes, and not class by class."""
    groups, C = len(_groups(problem).masses), problem.population.C
    many = problem.objective.towers == 1 and limits.PROBED_CLASSES < C and groups < C
    few = limits.OPTIMUM_CLASSES if many else limits.BARRIER_GROUPS
    return find(problem.loss_name) is not None and groups <= few


def _groups(problem: Problem) -> Prior:
    """Groups of equal classes; in two towers every class for itself."""
    return problem.population.merged() if problem.objective.towers == 1 else problem.embedded


def solve(problem: Problem, *, near: Solution | None = None, progress: Callable[[str], None] | None = None) -> Solution:
    """The minimizer of a loss of `verify.certify.losses`; `k` may be real, or inf.

    `near` is that of a problem with the same prior, where this one's may be: it is found ten times as fast then.
    """
    if not in_groups(problem):
        return _one_by_one(problem, progress)
    groups = _groups(problem)
    if len(groups.masses) > limits.BARRIER_GROUPS:
        return _many_groups(problem, groups, progress)
    rho, counts = np.array([float(r) for r in groups.masses]), np.array(groups.counts, dtype=float)
    grouped = (
        GroupedLoss(rho, counts, problem.loss_name, problem.k, float(problem.beta), problem.objective)
        if problem.objective.towers == 1
        else towers_of(problem)
    )
    start = near.starts[0] if near is not None and near.groups == groups else None
    end = minimize(grouped, start)
    best = end.ends[0]
    return Solution(
        groups,
        best.start.U,
        best.start.free,
        end.value,
        end.lower,
        best.errors if end.known else None,
        "" if end.known else "rounding leaves the minimizer open",
        [one.start for one in end.ends],
        end.optimum.steps,
        end.method,
        end.optimum.converged,
    )


@dataclass(frozen=True)
class End:
    """Where a problem in groups ended: the barrier's last point, and stationary points near it, the best first."""

    optimum: Optimum
    ends: list[Polished]
    value: float
    lower: float
    method: str = "barrier method"

    @property
    def known(self) -> bool:
        """Whether the first of the points is the minimizer to within its estimated errors."""
        # a point that is no better than the barrier's is another one
        return self.ends[0].known and self.value <= self.optimum.value + 1e-12 * max(1.0, abs(self.optimum.value))


def minimize(problem: MeansProblem, near: Start | None = None) -> End:
    """Solve and polish; from `near`, if a stationary point is found there whose slack says that it is the minimum."""
    if near is not None:
        ends = _polished(problem, near)
        if ends[0].known:
            B, value, lower = _at(problem, ends[0].start)
            return End(Optimum(B, value, lower, 0.0, 1), ends, value, lower, "Newton's method")
    barrier = Barrier(problem)
    optimum = barrier.solve()
    ends = _polished(problem, barrier.start(optimum))
    _, value, lower = _at(problem, ends[0].start)
    return End(optimum, ends, value, max(lower, optimum.lower))


def _at(problem: MeansProblem, start: Start) -> tuple[Float[np.ndarray, "m m"], float, float]:
    """B, the loss there, and the dual bound."""
    B: np.ndarray = start.U @ start.U.T
    np.fill_diagonal(B, np.where(start.free, B.diagonal(), 1.0))
    local, scale = problem.derivatives(B), problem.scale
    return B, scale * local.value, scale * dual_bound(problem, B, local)


def _polished(problem: MeansProblem, start: Start) -> list[Polished]:
    """Stationary points of the ranks, and with the free groups, that the first one suggests; the best one first."""

    def at(start: Start) -> Polished:
        return polish(problem.derivatives, problem.totals, problem.counts > 1, start)

    first = at(start)
    ends, seen = [first], {(start.U.shape[1], *start.free)}
    U = first.start.U
    left, singular, _ = np.linalg.svd(U, full_matrices=False)
    spread = np.sqrt(np.maximum(1 - np.sum(U**2, axis=1), 0.0))
    for zero in _ZERO:
        # an optimal Gram matrix is singular
        r = max(1, min(len(U) - 1, int(np.sum(singular > zero))))
        free = first.start.free & (spread > zero)
        V = left[:, :r] * singular[:r]
        if (r, *free) not in seen and np.linalg.norm(V[~free], axis=1).min(initial=1.0) > 0.5:
            seen.add((r, *free))
            signs = np.sign(V) if r == 1 and not free.any() else V
            ends.append(at(Start(signs, free).normalized()))
    # below rounding violations are equal, and the smaller rank is the better conditioned
    return sorted(ends, key=lambda end: (max(end.violation, 1e-13), end.start.U.shape[1]))


def _reason(C: int) -> str:
    if C > limits.PROBED_CLASSES:
        return f"the error is estimated for at most {limits.PROBED_CLASSES} classes"
    return "rounding leaves the minimizer open"


def _many_groups(problem: Problem, groups: Prior, progress: Callable[[str], None] | None) -> Solution:
    from verify.optimize import elliptope
    from verify.optimize.objective import grouped_value_and_gradient
    from verify.optimize.search import GAP, SETTLED

    rho, counts = np.array([float(r) for r in groups.masses]), np.array(groups.counts, dtype=float)
    loss, k, beta = problem.loss, problem.k, float(problem.beta)

    def slope(G: Float[np.ndarray, "m m"]) -> tuple[float, Float[np.ndarray, "m m"]]:
        value, gradient = grouped_value_and_gradient(loss, G, rho, counts, k, beta, problem.objective)
        return value, (gradient + gradient.T) / 2

    def show(step: elliptope.Step) -> None:
        if progress is not None:
            progress(f"convex program: {step.evaluations} evaluations, gap {step.value - step.lower:.1e}")

    found = elliptope.minimize(slope, counts, beta, settled=SETTLED, on_step=show)
    B = mean_gram(found.gram, groups)
    free = (counts > 1) & (B.diagonal() < 1 - _ZERO[0])
    start = Start(root(B)[:, ::-1], free).normalized()
    closed = found.value - found.lower <= GAP * max(1.0, abs(found.value))
    reason = _reason(problem.population.C)
    steps, method = len(found.steps), "convex program"
    lower = min(found.lower, found.value)
    return Solution(groups, start.U, free, found.value, lower, None, reason, [start], steps, method, closed)


def _one_by_one(problem: Problem, progress: Callable[[str], None] | None) -> Solution:
    from theory.geometry import gram
    from verify.optimize import dual
    from verify.optimize.objective import gram_value_and_gradient
    from verify.optimize.probing import polish_and_probe
    from verify.optimize.search import minimum

    prior, loss, k, beta = problem.population, problem.loss, problem.k, float(problem.beta)
    objective = problem.objective
    rho = prior.as_array()
    searched = minimum(loss, rho, k, prior.C, beta, progress=progress, objective=objective)
    U, errors = polish_and_probe(loss, rho, k, beta, searched.best.embeddings, objective=objective)
    G = gram(U)
    value, gradient = gram_value_and_gradient(loss, G, rho, k, beta, objective)
    return Solution(
        prior.split(),
        U,
        np.zeros(prior.C, dtype=bool),
        value,
        min(dual.dual_bound(value, gradient, G).lower, value),
        errors,
        "" if errors is not None else _reason(prior.C),
        starts_near(U),
        searched.best.iterations,
        searched.method,
        searched.converged > 0,
    )
