"""Saunshi, Plevrakis, Arora, Khodak, Khandeparkar. A Theoretical Analysis of Contrastive Unsupervised
Representation Learning. ICML 2019, arXiv:1902.09229.

Stated for the loss `R_mu` of the mean classifier, so for `L_sup <= R_mu` as well where `f` is constant on classes.

Proof (derived, for any prior). By Jensen over the positives and negatives within their classes, the NCE loss
`R` is at least `E log(1 + m + B)`, with `m` collisions and `B` the sum over the other negatives. Where there is no
collision and all other classes are met, `log(1 + B)` is at least the loss of the mean classifier on the anchor's
class; everywhere `log(1 + m + B) >= log(1 + m)`, whose mean is `Coll`. So

    R >= Coll + sum_c rho_c u_c R_mu,c >= Coll + min_c u_c R_mu,    u_c = P(no collision, all others met | c).
"""

from theory.bounds._bound import Bound, quotient
from theory.bounds.collisions import collision_loss, log_no_collision
from theory.bounds.coverage import log_coverage
from theory.priors import Prior


def saunshi2019(prior: Prior, k: int, risk: float) -> Bound:
    """An upper bound on `R_mu` from the NCE loss `risk` (logistic, any temperature).

    Uniform prior, as published: `(R - Coll) / ((1 - tau_k) v_{k+1})`. Other priors: `saunshi2019_exact`.
    """
    if not prior.is_uniform:
        return saunshi2019_exact(prior, k, risk)
    divisor = log_no_collision(prior, k) + log_coverage(prior, k, collisions=True)
    return quotient(risk - collision_loss(prior, k), divisor)


def saunshi2019_exact(prior: Prior, k: int, risk: float) -> Bound:
    """`(R - Coll) / min_c P(no collision, all other classes met | c)` (derived; see the module).

    Never worse than the published uniform form: there `P(all others met | no collision) >= v_{k+1}`, since
    `v_{k+1}` lets some of the `k` draws be wasted on the anchor's class.
    """
    return quotient(risk - collision_loss(prior, k), log_coverage(prior, k, collisions=False))
