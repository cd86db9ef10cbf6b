"""Groups of equal classes: the contrastive problem in the number of groups, whatever the number of classes is.

Averaging over the permutations of equal classes keeps a Gram matrix feasible and does not raise a convex loss, so the
minimum over all Gram matrices is attained at one with a single cosine for each pair of groups, and a single cosine
within each group (derived). With m groups of `N_g` classes of mass `rho_g`, `M_g = N_g rho_g`:

- *cosines*, m x m: between groups off the diagonal, within a group on it (1 by convention for a group of one class);
- *mean Gram matrix* B, m x m: the products of the groups' mean embeddings, `B_gh = cosine_gh` off the diagonal and
  `B_gg = p_g = (1 + (N_g - 1) cosine_gg) / N_g`.

The C x C Gram matrix is psd if and only if B is and every `p_g <= 1`: it is that of `(mean_g, sqrt(1 - p_g) s_i)`,
s_i the vertices of a regular simplex in N_g - 1 dimensions of the group's own. Its rank is that of B plus `N_g - 1` for
each group with `p_g < 1`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module
from theory.losses import Loss
from theory.objectives import NCE, TrainingObjective
from theory.population import limit_or_expectation
from theory.priors import Prior


def mean_gram(cosines: Float[np.ndarray, "m m"], prior: Prior) -> Float[np.ndarray, "m m"]:
    """B from the cosines."""
    B, counts = cosines.copy(), np.array(prior.counts, dtype=float)
    np.fill_diagonal(B, np.where(counts > 1, (1 + (counts - 1) * cosines.diagonal()) / counts, 1.0))
    return B


def cosines(B: Float[np.ndarray, "m m"], prior: Prior) -> Float[np.ndarray, "m m"]:
    """The cosines from B."""
    within, counts = B.copy(), np.array(prior.counts, dtype=float)
    several = np.maximum(counts - 1, 1)
    np.fill_diagonal(within, np.where(counts > 1, 1 - counts / several * (1 - B.diagonal()), 1.0))
    return within


def class_gram(cosines: Float[np.ndarray, "m m"], groups: Prior, prior: Prior) -> Float[np.ndarray, "C C"]:
    """The C x C Gram matrix, in the order of the classes of `prior`, from the cosines of `groups = prior.merged()`."""
    number = {mass: g for g, mass in enumerate(groups.masses)}
    of_class = np.repeat([number[mass] for mass in prior.masses], prior.counts)
    gram = cosines[np.ix_(of_class, of_class)]
    np.fill_diagonal(gram, 1.0)
    return gram


def grouped_loss(
    loss: Loss,
    cosines: Float[Array, "m m"],
    rho: Float[Array, " m"],
    counts: Float[Array, " m"],
    k: Scalar,
    beta: Scalar = 1.0,
    objective: TrainingObjective = NCE,
) -> Float[Array, ""]:
    """`L_k` at the Gram matrix with these cosines, at the cost of m classes, however many the groups have.

    `rho` is the mass of one class of each group. All but `math.inf` for `k` may be traced, as in `population_loss`.
    A negative is of the anchor's own class (unless the objective has no collisions), of another one of its group, or of
    another group: m + 1 atoms.
    """
    margins, masses = group_rows(cosines, rho, counts, beta, objective)
    xp = array_module(margins, masses, k)
    totals = xp.asarray(rho) * xp.asarray(counts)
    return totals @ limit_or_expectation(loss, margins, masses, k)


def group_rows(
    cosines: Float[Array, "m m"],
    rho: Float[Array, " m"],
    counts: Float[Array, " m"],
    beta: Scalar,
    objective: TrainingObjective = NCE,
) -> tuple[Float[Array, "m n"], Float[Array, "m n"]]:
    """Margins and weights of the m + 1 atoms of each row: the groups, the anchor's mates on the diagonal, and last the
    anchor's own class."""
    xp, m = array_module(cosines, rho, counts, beta), cosines.shape[0]
    rho = xp.asarray(rho)
    totals = rho * xp.asarray(counts)
    mates = xp.where(xp.eye(m, dtype=bool), totals - rho, totals)
    masses = objective.atoms(mates, rho)
    return xp.concatenate([beta * (1.0 - xp.asarray(cosines)), xp.zeros((m, 1))], axis=1), masses
