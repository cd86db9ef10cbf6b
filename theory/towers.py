r"""Two towers: anchors and candidates have embeddings of their own, and the loss sees the cosines between them alone.

With class embeddings `u_c` of one tower (images) and `v_c` of the other (texts), `Z_cj = u_c . v_j`, each side takes
its turn as the anchor (derived; c has the mass `rho_c`, a negative is of class j with probability `N_cj`,
`theory.objectives`):

    L(Z) = 1/2 sum_c rho_c ( R_c(Z_c1, ..., Z_cC) + R_c(Z_1c, ..., Z_Cc) )
    clip      R_c(z) = E l( (beta (z_c - z_(J_i)))_(i <= k) ),   J_i iid from N_c
    sigmoid   R_c(z) = s(-(beta z_c + b)) + k sum_j N_cj s(beta z_j + b),   s(x) = log(1 + e^x), b the bias

The first is the symmetric InfoNCE loss of CLIP (Radford et al. 2021), the second the loss of SigLIP (Zhai et al. 2023)
per anchor, of batches of `k + 1` pairs. Both are convex in Z for integer k, and so in the Gram matrix of all 2C
embeddings, of which Z is a block: a program like that of one tower, whose diagonal entries of Z are not fixed.

*Not better without collapsed classes* (derived). Let image and text be independent given the class, f and g any
encoders, `mu_c`, `nu_c` their means. Given the classes of positive and negatives, Jensen bounds the loss from below
by its value at the mean cosines `mu_c . nu_j`, and these are attained: lengths that are missing are made up by one more
dimension for each tower, which the other does not see. So the minimum over class embeddings is that over all encoders,
in as many dimensions as hold it, for every convex loss, monotone or not.

*Captions.* An image with several captions is no other problem: let the pairs be drawn uniformly, image c have m_c
captions, and `rho_c` be its share of them. Averaging Z over the permutations of the captions of each image does not
raise a convex loss, and leaves captions of one image with one cosine to each image: they may as well be one point, the
mean of theirs (lengths made up as above). A negative that is another caption of the anchor is a collision.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.augmentation.expectation import expected
from theory.expectation.expansion import Additive, Expansion
from theory.objectives import TrainingObjective


def anchor_rows(
    objective: TrainingObjective,
    loss: str,
    k: int | float,
    beta: float,
    rho: Float[np.ndarray, " C"],
    Z: Float[np.ndarray, "C C"],
) -> Expansion:
    """`R_c` of the 2C anchors, u before v, to second order in `beta z`.

    Args:
        objective: one of two towers.
        loss: one of `theory.augmentation.expectation.LOSSES`; the sigmoid loss has its own.
        k: number of negatives.
        beta: 1 / temperature.
        rho: the mass of each class.
        Z: the cosines.
    """
    C = len(rho)
    law = np.broadcast_to(objective.law(rho), (C, C))
    z, negatives, positives = np.vstack([Z, Z.T]), np.vstack([law, law]), np.vstack([np.eye(C)] * 2)
    if objective.bias is None:
        return expected(loss, k, beta * (z - 1.0), negatives, positives)
    at = beta * z + float(objective.bias)
    sigma, weights = 1 / (1 + np.exp(-at)), k * negatives
    return Additive(
        positives * np.logaddexp(0.0, -at) + weights * np.logaddexp(0.0, at),
        positives * (sigma - 1) + weights * sigma,
        (positives + weights) * sigma * (1 - sigma),
        1.0,
    )


def towers_loss(
    objective: TrainingObjective,
    loss: str,
    k: int | float,
    beta: float,
    rho: Float[np.ndarray, " C"],
    Z: Float[np.ndarray, "C C"],
) -> float:
    """`L(Z)`."""
    rows = anchor_rows(objective, loss, k, beta, rho, Z)
    return float(np.concatenate([rho, rho]) @ rows.value) / 2
