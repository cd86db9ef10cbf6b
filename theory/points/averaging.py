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
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array, Scalar, array_module, is_numpy, promoting
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
    xp = array_module(*f)
    F = xp.asarray(f.embeddings)
    # one batch for f and all f_x*, so that the loss is compiled once
    batch = xp.concatenate([F[None], _collapsed(F, f.labels)])
    losses = f.rho * _each(lambda F: anchor_losses(loss, f._replace(embeddings=F), k, beta), batch)
    before, after = losses[0], losses[1:]
    saved = before - f.laws.T @ after
    inside, value = xp.diagonal(saved), xp.sum(before)
    totals = xp.where(f.laws > 0, xp.sum(after, axis=-1)[:, None], xp.inf)
    return Averaging(value, inside, xp.sum(saved, axis=-1) - inside, value - xp.min(totals, axis=0))


def _each(
    function: Callable[[Float[Array, "b n d"]], Float[Array, "b *c"]], batch: Float[Array, "b n d"]
) -> Float[Array, "b *c"]:
    """The function of every member of the batch, of as many at once as fit."""
    b, n, _ = batch.shape
    if b * n * n <= _TOGETHER:
        return function(batch)
    step = max(1, _TOGETHER // n**2)
    if is_numpy(batch):
        return np.concatenate([function(batch[i : i + step]) for i in range(0, b, step)])
    from theory.float64 import jax

    return jax.lax.map(lambda F: function(F[None])[0], batch, batch_size=step)


def _collapsed(F: Float[Array, "n d"], labels: Int[Array, " n"]) -> Float[Array, "n n d"]:
    """For each point: all of its class mapped to where it is."""
    same = labels[:, None] == labels
    return array_module(F).where(same[:, :, None], F[:, None, :], F)


@promoting
def loop_over_classes(
    loss: Loss, f: Representation, k: Scalar, beta: Scalar = 1.0
) -> tuple[Float[Array, " C"], Representation]:
    """Collapse class after class to its best point, as in the talk: the loss after each class.

    Ends at a representation that is constant on classes, in the same dimension.
    """
    xp = array_module(*f)

    def losses_of(moved: Float[Array, "b n d"]) -> Float[Array, " b"]:
        return _each(lambda F: points_loss(loss, f._replace(embeddings=F), k, beta), moved)

    F, classes = xp.asarray(f.embeddings), xp.arange(len(f.rho))
    if is_numpy(F):
        values = []
        for c in classes:
            moved = _collapsed(F, f.labels)[f.labels == c]
            choices = losses_of(moved)
            best = np.argmin(choices)
            F, value = moved[best], choices[best]
            values.append(value)
        return np.array(values), f._replace(embeddings=F)
    from theory.float64 import jax

    def collapse(F: Float[Array, "n d"], c: Any) -> tuple[Float[Array, "n d"], Float[Array, ""]]:
        moved = _collapsed(F, f.labels)
        # points of other classes are no choice; shapes must not depend on which they are
        choices = xp.where(f.labels == c, losses_of(moved), xp.inf)
        best = xp.argmin(choices)
        return moved[best], choices[best]

    F, losses = jax.lax.scan(collapse, F, classes)
    return losses, f._replace(embeddings=F)
