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
lattice inequality: all five are submodular. A supermodular loss can break the step (`verify.lemma.search_loss`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int

from theory.arrays import Array, Scalar, promoting
from theory.float64 import jax, jnp
from theory.losses import Loss
from theory.points.loss import anchor_losses, points_loss
from theory.points.representation import Representation

#: So many cosines are held at once, some 50 numbers for each.
_TOGETHER = 1 << 18


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


@promoting
def averaging_margins(loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0) -> Averaging:
    """The step's margins for each class, exact wherever the loss' expectation is."""
    F, labels = jnp.asarray(f.embeddings), jnp.asarray(f.labels)
    moved = jax.vmap(lambda i: _collapsed(F, labels, i))(jnp.arange(len(F)))
    # one batch for f and all f_x*, so that the loss is compiled once
    batch = jnp.concatenate([F[None], moved])
    losses = f.rho * _each(lambda F: anchor_losses(loss, f._replace(embeddings=F), k, beta), batch)
    before, after = losses[0], losses[1:]
    saved = before - f.laws.T @ after
    inside, value = jnp.diagonal(saved), jnp.sum(before)
    totals = jnp.where(f.laws > 0, jnp.sum(after, axis=-1)[:, None], jnp.inf)
    return Averaging(value, inside, jnp.sum(saved, axis=-1) - inside, value - jnp.min(totals, axis=0))


def _each(
    function: Callable[[Float[Array, "n d"]], Float[Array, "*c"]], batch: Float[Array, "b n d"]
) -> Float[Array, "b *c"]:
    """The function of every member of the batch, of as many at once as fit."""
    b, n, _ = batch.shape
    if b * n * n <= _TOGETHER:
        return jnp.asarray(jax.vmap(function)(batch))
    return jnp.asarray(jax.lax.map(function, batch, batch_size=max(1, _TOGETHER // n**2)))


def _collapsed(F: Float[Array, "n d"], labels: Int[Array, " n"], i: Int[Array, ""]) -> Float[Array, "n d"]:
    """All of the class of point `i` mapped to `f(i)`."""
    return jnp.where((labels == labels[i])[:, None], F[i], F)


@promoting
def loop_over_classes(
    loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0
) -> tuple[Float[Array, " C"], Representation]:
    """Collapse class after class to its best point, as in the talk: the loss after each class.

    Ends at a representation that is constant on classes, in the same dimension.
    """
    labels = jnp.asarray(f.labels)

    def collapse(F: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
        # points of other classes are no choice
        moved = jax.vmap(lambda i: _collapsed(F, labels, i))(jnp.arange(len(F)))
        losses = _each(lambda F: points_loss(loss, f._replace(embeddings=F), k, beta), moved)
        choices = jnp.where(labels == c, losses, jnp.inf)
        best = jnp.argmin(choices)
        return jnp.asarray(moved)[best], choices[best]

    F, losses = jax.lax.scan(collapse, jnp.asarray(f.embeddings), jnp.arange(len(f.rho)))
    return losses, f._replace(embeddings=F)
