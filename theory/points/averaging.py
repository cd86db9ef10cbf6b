"""The proof step of [1, Lemma 1]: replace a class by one of its own points, drawn at random.

For a class `c*` and `x* ~ D_c*` let `f_x*` agree with `f` except that it maps all of `c*` to `f(x*)`. The step claims
`E_x*[L(f_x*)] <= L(f)`. Split `L = sum_c rho_c L_c` by the anchor's class (derived):

- *Anchors in c\\**: always. Given the anchor `x`, average `x+` and the negatives of `c*`: by Jensen `l` is at least
  its value at mean margins, `0` for a negative in `c*` and `f(x).mu - f(x).f(x-) <= 1 - f(x).f(x-)` elsewhere; `l` does
  not increase. With `x` renamed `x*` the right side is the averaged loss of `f_x*`.
- *Anchors elsewhere*: if `l` is submodular. Given everything but the negatives in `c*`, these are iid under `f` and
  all equal under `f_x*`, with the same marginals. Comonotone coordinates have the smallest expectation of a submodular
  function among all couplings (Lorentz 1953, Tchen 1980). For `k = 1`, or where fewer than two negatives fall in
  `c*`, both sides are equal.

Logistic, decoupled, exponential and separable have mixed derivatives <= 0, and `max(0, 1 + max_i(-v_i))` obeys the
lattice inequality: all five are submodular. A supermodular loss can break the step (`verify.search_loss`).
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float

from theory.arrays import Array, Scalar
from theory.float64 import jax, jnp
from theory.losses import Loss
from theory.points.loss import anchor_losses, points_loss
from theory.points.representation import Representation


class Averaging(NamedTuple):
    """`L(f)` and the margins of the step for every class `c*`, each claimed to be >= 0.

    Attributes:
        value: `L(f)`.
        inside: the part of anchors in `c*` in `L(f) - E_x*[L(f_x*)]`.
        elsewhere: the part of all other anchors.
        best: `L(f) - min_x* L(f_x*)`, for the best single point.
    """

    value: Float[Array, ""]
    inside: Float[Array, " C"]
    elsewhere: Float[Array, " C"]
    best: Float[Array, " C"]

    @property
    def margin(self) -> Float[Array, "*t C"]:
        """`L(f) - E_x*[L(f_x*)]`."""
        return self.inside + self.elsewhere


def averaging_margins(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Averaging:
    """The step's margins for each class, exact wherever the loss' expectation is."""
    C, N, _ = f.embeddings.shape
    F = jnp.asarray(f.embeddings)
    classes, points = jnp.divmod(jnp.arange(C * N), N)
    moved = jax.vmap(lambda c, i: F.at[c].set(F[c, i]))(classes, points)
    # one batch for f and all f_x*, so that the loss is compiled once
    batch = jnp.concatenate([F[None], moved])
    losses = f.rho * jax.vmap(lambda F: anchor_losses(loss, f._replace(embeddings=F), k, beta))(batch)
    before, after = losses[0], losses[1:].reshape(C, N, C)
    saved = before - jnp.einsum("ci,cia->ca", f.weights, after)
    inside, value = jnp.diagonal(saved), jnp.sum(before)
    best = value - jnp.min(jnp.sum(after, axis=-1), axis=-1)
    return Averaging(value, inside, jnp.sum(saved, axis=-1) - inside, best)


def loop_over_classes(
    loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0
) -> tuple[Float[Array, " C"], Representation]:
    """Collapse class after class to its best point, as in the talk: the loss after each class.

    Ends at a representation that is constant on classes, in the same dimension.
    """
    C, N, _ = f.embeddings.shape

    def collapse(F: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
        moved = jax.vmap(lambda i: F.at[c].set(F[c, i]))(jnp.arange(N))
        choices = jax.vmap(lambda F: points_loss(loss, f._replace(embeddings=F), k, beta))(moved)
        best = jnp.argmin(choices)
        return jnp.asarray(moved)[best], jnp.asarray(choices)[best]

    F, losses = jax.lax.scan(collapse, jnp.asarray(f.embeddings), jnp.arange(C))
    return losses, f._replace(embeddings=F)
