"""The convex program over Gram matrices itself: projected steps in a metric of rank one.

`L_k` is convex on the elliptope `{G psd, G_cc = 1}`, and where `d >= C - 1` nothing is lost by leaving the sphere.
Three facts make it well conditioned there, however skewed the prior is (derived):

- All members of the family satisfy `D^2 L[H, H] <= beta sum_cj A_cj H_cj^2`, with `A` the gradient: the second
  derivative of a log-sum-exp is a variance, at most the second moment. So the gradient is also the metric.
- If the optimal `G` has rank `C - 1`, the dual slack `S = A - Diag(y)` has rank one: `A_cj = s_c s_j` off the
  diagonal, where `s_c^2 = -y_c`. So at the optimum the metric is `beta omega_c omega_j` with `omega = s`.
- In such a metric the step is a nearest-correlation-matrix problem, `min |O (G - T) O|_F` with
  `O = Diag(omega)^{1/2}` and `T = G0 - A / (beta omega_c omega_j)`. Its dual has one variable per class, its solution
  is the positive part of `O T O + Diag(z)`, and Newton's method on `z` takes one to three eigendecompositions
  (Qi & Sun, SIAM J. Matrix Anal. Appl. 28, 2006).

What differs from the metric (the coupling of a row through its normalization, entries of `A / omega omega^T` away from
1) decides the linear rate: for Zipf priors the gap falls by a factor of 7 to 80 a step. Every iterate is feasible to
rounding, so that its loss is an upper bound, and `verify.optimize.dual` gives the lower one. A step costs no product
with embeddings: one evaluation entry by entry, and about three eigendecompositions, the bound's included.

Equal classes are taken together: matrices have an entry for each pair of groups and, on the diagonal, for two classes
of one (`theory.groups`), which counts as often as there are such pairs. With groups of one this is the problem above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from verify.optimize.correlation import NearestCorrelation
from verify.optimize.dual import dual_bound

Slope = Callable[[Float[np.ndarray, "m m"]], tuple[float, Float[np.ndarray, "m m"]]]

#: The metric is scaled by at most this power of 2 before the search ends: rounding has the last word.
_DOUBLINGS = 12
#: What a scaled metric is multiplied with after each step, down to 1.
_RELAXATION = 0.7
#: Residual of a projection's diagonal, relative to how far the last step went.
_INEXACTNESS = 0.1
#: Steps without a better bound after which rounding is taken to have the last word.
_PATIENCE = 4


@dataclass(frozen=True)
class Step:
    """One iterate, and what it cost to get there.

    Attributes:
        value: the loss there, an upper bound on the minimum.
        lower: the dual bound there, the best so far.
        evaluations: of the loss with its gradient, so far.
        decompositions: eigendecompositions of the size of the groups, so far, those of the bound included.
    """

    value: float
    lower: float
    evaluations: int
    decompositions: int


@dataclass(frozen=True)
class Minimum:
    """Where `minimize` ended.

    Attributes:
        gram: the iterate of least loss, to rounding: cosines between groups and within them (1 for a group of one).
        value: the loss there.
        lower: the best dual bound.
        steps: every iterate, in order.
    """

    gram: Float[np.ndarray, "m m"]
    value: float
    lower: float
    steps: tuple[Step, ...]


def minimize(
    slope: Slope,
    counts: Float[np.ndarray, " m"],
    curvature: float,
    *,
    tolerance: float = 1e-12,
    settled: float = np.inf,
    max_iterations: int = 200,
    on_step: Callable[[Step], None] | None = None,
) -> Minimum:
    """Minimize a convex `L` over the elliptope, from the simplex ETF, until the gap closes or rounding stops it.

    Args:
        slope: `G -> (L, A)`, `A` the symmetrized derivative in the cosine of one pair of classes, positive; 0 on the
            diagonal for a group of one.
        counts: the classes of each group, at least 3 in all.
        curvature: `b` with `D^2 L[H, H] <= b sum_cj A_cj H_cj^2`: 1 / temperature for the losses that ship.
        tolerance: gap, relative to `max(1, |L|)`, at which to stop,
        settled: if no entry of the last step was larger than this either.
        max_iterations: steps allowed.
        on_step: called with every iterate.
    """
    m, C = len(counts), float(np.sum(counts))
    G = np.full((m, m), -1.0 / (C - 1))
    np.fill_diagonal(G, np.where(counts > 1, -1.0 / (C - 1), 1.0))
    pairs = np.outer(counts, counts)
    np.fill_diagonal(pairs, counts * (counts - 1))
    value, A = slope(G)
    best, best_value, lower, least, least_moved = G, value, -np.inf, value, np.inf
    project = NearestCorrelation(counts)
    evaluations, scale, moved, waited = 1, 1.0, 1.0, 0
    steps: list[Step] = []
    for _ in range(max_iterations):
        bound = dual_bound(value, A, G, counts).lower
        noise = 1e-14 * max(1.0, abs(value))
        # where values are flat to rounding, steps that shrink are progress all the same
        progress = bound > lower + noise or value < least - noise or moved < 0.5 * least_moved
        waited = 0 if progress else waited + 1
        lower, least, least_moved = max(lower, bound), min(least, value), min(least_moved, moved)
        # among values that only rounding tells apart, the last iterate is the best: it has the best bound
        if value <= least + noise:
            best, best_value = G, value
        steps.append(Step(value, lower, evaluations, project.decompositions + len(steps) + 1))
        if on_step is not None:
            on_step(steps[-1])
        closed = best_value - lower <= tolerance * max(1.0, abs(value))
        if (closed and moved <= settled) or waited >= _PATIENCE:
            break
        omega = _rank_one(A, counts)
        for _ in range(_DOUBLINGS):
            metric = scale * curvature * np.outer(omega, omega)
            target = G - A / metric
            # as if `A` were of rank one, its diagonal included: the multipliers vanish at such an optimum
            trial = project(target, 1.0 - 1.0 / (scale * curvature), omega, max(1e-13, _INEXACTNESS * moved))
            trial_value, trial_A = slope(trial)
            evaluations += 1
            move = trial - G
            model = float(np.sum(pairs * A * move) + 0.5 * np.sum(pairs * metric * move * move))
            if trial_value <= value + model + noise:
                break
            scale *= 2.0
        else:
            break
        scale, moved = max(1.0, scale * _RELAXATION), float(np.max(np.abs(move)))
        G, value, A = trial, trial_value, trial_A
    return Minimum(best, best_value, lower, tuple(steps))


def _rank_one(A: Float[np.ndarray, "m m"], counts: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """`omega` with `omega_c omega_j` nearest to `A_cj` off the diagonal, in the mean of squared logarithms."""
    C = np.sum(counts)
    logarithms = np.log(np.maximum(A, 1e-290))
    rows = logarithms @ counts - logarithms.diagonal()
    return np.exp((rows - counts @ rows / (2 * (C - 1))) / (C - 2))
