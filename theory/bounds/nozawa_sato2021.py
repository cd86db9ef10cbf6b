"""Nozawa, Sato. Understanding Negative Samples in Instance Discriminative Self-supervised Representation
Learning. NeurIPS 2021, arXiv:2102.06866.

Stated for the loss `R_mu` of the mean classifier, so for `L_sup <= R_mu` as well where `f` is constant on classes.

Proof (derived, for any prior). As in `theory.bounds.saunshi2019`, `R >= E log(1 + m + B)`. Where all classes other
than the anchor's are met, which has probability `v_c` given `c`, the logarithm is at least the loss of the mean
classifier on class `c`, whatever `m` is; elsewhere it is >= 0. So `R >= sum_c rho_c v_c R_mu,c >= min_c v_c R_mu`.
Since `R >= Coll`, the published `2R - Coll` in the place of `R` follows.
"""

from theory.bounds._bound import Bound, quotient
from theory.bounds.collisions import collision_loss
from theory.bounds.coverage import log_coverage
from theory.priors import Prior


def nozawa_sato2021(prior: Prior, k: int, risk: float) -> Bound:
    """`R_mu <= (2 R - Coll) / min_c v_c` (logistic, any temperature); for a uniform prior `v_c` is `v_{k+1}`.

    The division by `min_c v_c` for other priors is derived; see the module.
    """
    return quotient(2 * risk - collision_loss(prior, k), log_coverage(prior, k, collisions=True))


def nozawa_sato2021_tight(prior: Prior, k: int, risk: float) -> Bound:
    """`R_mu <= R / min_c v_c` (derived; see the module): never worse, since `R >= Coll`."""
    return quotient(risk, log_coverage(prior, k, collisions=True))
