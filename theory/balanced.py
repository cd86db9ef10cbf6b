"""Balanced classes: what the theorem says is optimal, in closed form.

Theorem [1]. For `rho` uniform, `d >= C-1`, any `k` and any convex, symmetric, coordinatewise non-increasing loss,
the simplex ETF minimizes the NCE loss over all representations. For the logistic loss it is the only minimizer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory.losses import Loss
from theory.objectives import NCE, TrainingObjective


def target_cosine(C: int) -> float:
    """The cosine between classes of the simplex ETF, `-1/(C-1)`."""
    return -1.0 / (C - 1)


def nce_minimum(
    loss: Loss, C: int, k: int | float, beta: int | float = 1.0, objective: TrainingObjective = NCE
) -> float:
    """`L*_k = E_m l(0 (m times), beta C/(C-1) (k-m times))`, `m ~ Bin(k, 1/C)` the number of collisions [1]; none
    where the objective has none.

    At the ETF every negative has one of two margins, whatever `C` is. For `k = inf` the limit of the normalized loss.
    """
    margins = np.array([0.0, beta * C / (C - 1)])
    weights = np.array([1.0 / C, (C - 1.0) / C]) if objective.collisions else np.array([0.0, 1.0])
    return float(loss.limit(margins, weights) if k == float("inf") else loss.expected(margins, weights, k))


def downstream_minimum(loss: Loss, C: int, beta: int | float = 1.0) -> float:
    """`L_sup* = l(beta C/(C-1), ..., beta C/(C-1))` with `C-1` margins, attained at `w_c = u_c` for every `k` [1].

    Optimal for every convex, symmetric, non-increasing loss (derived). Averaged over classes and over permutations of
    their margins, convexity bounds the loss below by `l` at the mean margin, which is

        1/C sum_c <u_c, w_c> - 1/(C (C-1)) sum_c sum_{j != c} <u_c, w_j> = 1/(C-1) sum_c <u_c - mean(u), w_c>
            <= 1/(C-1) sum_c |u_c - mean(u)| <= C/(C-1),

    since `sum_c |u_c - mean(u)|^2 <= C`; and `l` does not increase.
    """
    return float(loss(np.full((C - 1,), beta * C / (C - 1))))


class Uniqueness(NamedTuple):
    """Whether the simplex ETF is the only minimizer up to rotation, and what to say where it is not."""

    unique: bool
    reason: str


def uniqueness(loss: Loss, k: int | float, beta: int | float = 1.0) -> Uniqueness:
    """Whether the balanced optimum determines the Gram matrix.

    Strict convexity along pairs makes it unique. It is not for the hinge loss where all margins of a non-collision
    lie in the flat part, `beta (1 - G_cj) >= 1`, nor for the decoupled loss with one negative, which is linear in `G`
    (derived).
    """
    ambiguity = loss.ambiguity(k, beta)
    return Uniqueness(not ambiguity, ambiguity or "the loss is strictly convex in the cosines")
