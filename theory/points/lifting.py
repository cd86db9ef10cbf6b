"""[1, Lemma 1] by lifting, and the balanced theorem over all representations: two chains of two and three steps.

*Lifting lemma* (derived). Let `l` be convex and non-increasing in each coordinate (symmetric or not, submodular or
not), any prior, any `k`. With `mu_c = E[f | c]` put `f~_c = (mu_c, sqrt(1 - |mu_c|^2) e_c)`, constant on classes. Then

    L(f) >= J(f) >= L(f~),   J(f) = sum_c rho_c E_{c_i ~ rho} l(beta (|mu_c|^2 - mu_c . mu_{c_i})).

1. *Jensen*: given all classes, `x, x+, x-_i` are independent, so the mean margin is `|mu_c|^2 - mu_c . mu_{c_i}`.
2. *Monotonicity*: `f~_c . f~_j = mu_c . mu_j` for `j != c`, so the margins of `f~` are `0` at a collision, as before,
   and `1 - mu_c . mu_j = |mu_c|^2 - mu_c . mu_j + (1 - |mu_c|^2)` elsewhere, no smaller.

The `C` vectors `f~_c` span at most `C` dimensions, so this is [1, Lemma 1] for `d >= C`. If `l` is strictly decreasing
and `f` is not constant on classes, some `|mu_c| < 1` and the second step is strict.

*Balanced theorem over all f* (derived). `rho` uniform, `l` symmetric too, `A` the mean of `|mu_c|^2` and `B` that of
`mu_c . mu_j` over pairs of classes. Then `L(f) >= J(f) >= E_m l(0 (m times), beta (A-B) (k-m times)) >= L*_k`:

3. *Jensen over pairs*: given the collision pattern, the classes that do not collide are exchangeable: each margin has
   mean `A - B`.
4. *The bound*: `C A + C (C-1) B = |sum_c mu_c|^2 >= 0` and `A <= 1` give `A - B <= C/(C-1)`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from theory.arrays import Array, Scalar, array_module, promoting
from theory.losses import Loss
from theory.points.loss import points_loss
from theory.points.representation import Representation


class Lifting(NamedTuple):
    """The chain `L(f) >= middle >= lifted`: `J(f)` and `L(f~)`."""

    middle: Float[Array, ""]
    lifted: Float[Array, ""]


class Balanced(NamedTuple):
    """The chain `value >= middle >= pairs >= bound`, from `L(f)` to `L*_k`."""

    value: Float[Array, ""]
    middle: Float[Array, ""]
    pairs: Float[Array, ""]
    bound: Float[Array, ""]


@promoting
def lifted_gram(f: Representation) -> Float[Array, "C C"]:
    """The Gram matrix of `f~`: `mu_c . mu_j` off the diagonal, 1 on it; psd by construction."""
    mu = f.means
    return array_module(mu).where(np.eye(len(mu), dtype=bool), 1.0, mu @ mu.T)


@promoting
def lifting_chain(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Lifting:
    """What bounds `L(f)` from below in the lifting lemma, step by step."""
    xp, rho = array_module(*f), f.rho
    products = f.means @ f.means.T
    mean_margins = xp.diagonal(products)[:, None] - products
    lifted_margins = xp.where(np.eye(len(rho), dtype=bool), 0.0, 1.0 - products)
    both = loss.expected(beta * xp.stack([mean_margins, lifted_margins]), rho, k) @ rho
    return Lifting(both[0], both[1])


@promoting
def balanced_chain(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Balanced:
    """What bounds `L(f)` from below in the balanced theorem over all `f`, step by step (`f.rho` must be uniform)."""
    xp, C, mu = array_module(*f), len(f.rho), f.means
    A = xp.mean(xp.sum(mu * mu, axis=-1))
    B = (xp.sum(xp.sum(mu, axis=0) ** 2) - C * A) / (C * (C - 1))
    margins = beta * xp.stack([A - B, xp.asarray(C / (C - 1))])
    two_points = xp.stack([xp.zeros(2), margins], axis=-1)
    pairs, bound = loss.expected(two_points, np.array([1 / C, 1 - 1 / C]), k)
    return Balanced(points_loss(loss, f, k, beta), lifting_chain(loss, f, k, beta).middle, pairs, bound)
