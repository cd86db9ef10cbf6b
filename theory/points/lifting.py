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

from jaxtyping import Array, Float

from theory.float64 import jnp
from theory.losses import Loss
from theory.points.loss import points_loss
from theory.points.representation import Representation
from theory.population import population_loss


class Lifting(NamedTuple):
    """`L(f) - J(f)` (Jensen) and `J(f) - L(f~)` (monotonicity), both claimed to be >= 0, and `L(f~)`."""

    jensen: Float[Array, ""]
    monotonicity: Float[Array, ""]
    lifted: Float[Array, ""]


class Balanced(NamedTuple):
    """The margins of steps 1, 3 and 4 of the balanced theorem, each claimed to be >= 0."""

    jensen: Float[Array, ""]
    pairs: Float[Array, ""]
    bound: Float[Array, ""]


def lifted_gram(f: Representation) -> Float[Array, "C C"]:
    """The Gram matrix of `f~`: `mu_c . mu_j` off the diagonal, 1 on it; psd by construction."""
    mu = f.means
    return jnp.where(jnp.eye(len(mu), dtype=bool), 1.0, mu @ mu.T)


def lifting_margins(
    loss: Loss, f: Representation, k: Float[Array, ""] | float, beta: Float[Array, ""] | float = 1.0
) -> Lifting:
    """The two steps of the lifting lemma, separately."""
    middle = jensen_value(loss, f, k, beta)
    lifted = population_loss(loss, lifted_gram(f), jnp.asarray(f.rho), k, beta)
    return Lifting(points_loss(loss, f, k, beta) - middle, middle - lifted, lifted)


def balanced_margins(
    loss: Loss, f: Representation, k: Float[Array, ""] | float, beta: Float[Array, ""] | float = 1.0
) -> Balanced:
    """The three steps of the balanced theorem over all representations, separately; `rho` is taken as uniform."""
    C = f.embeddings.shape[0]
    f = f._replace(rho=jnp.full(C, 1.0 / C))
    mu = f.means
    A = jnp.mean(jnp.sum(mu * mu, axis=-1))
    B = (jnp.sum(jnp.sum(mu, axis=0) ** 2) - C * A) / (C * (C - 1))

    def two_point(margin: Float[Array, ""]) -> Float[Array, ""]:
        return loss.expected(beta * jnp.stack([jnp.zeros(()), margin]), jnp.array([1 / C, 1 - 1 / C]), k)

    middle, pairs = jensen_value(loss, f, k, beta), two_point(A - B)
    bound = two_point(jnp.asarray(C / (C - 1)))
    return Balanced(points_loss(loss, f, k, beta) - middle, middle - pairs, pairs - bound)


def jensen_value(
    loss: Loss, f: Representation, k: Float[Array, ""] | float, beta: Float[Array, ""] | float = 1.0
) -> Float[Array, ""]:
    """`J(f)`: the loss at the mean margins given the classes."""
    products = f.means @ f.means.T
    return jnp.asarray(f.rho) @ loss.expected(
        beta * (jnp.diagonal(products)[:, None] - products), jnp.asarray(f.rho), k
    )
