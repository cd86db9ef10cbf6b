"""[1, Lemma 1] and each step of its two proofs, on many representations at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from theory.arrays import Array, Scalar, is_numpy
from theory.compiled import runner
from theory.expectation.enumeration import fits
from theory.losses import Custom, Loss
from theory.points.averaging import Averaging, averaging_margins, loop_over_classes
from theory.points.families import draws
from theory.points.lifting import Balanced, Lifting, balanced_chain, lifting_chain
from theory.points.loss import enumerated_points_loss
from theory.points.representation import Representation

TOLERANCE = 1e-12
"""A margin below `-TOLERANCE max(1, L(f))` counts as a violation; rounding stays a thousand times below that."""

_BLOCK = 16


class Margins(NamedTuple):
    """Everything that is claimed of `t` representations.

    Attributes:
        averaging: the step for each class, and `L(f)`.
        loop: the loss after each class of the loop.
        lifting: the chain of the lifting lemma.
        spread: `sum_c rho_c E|f - mu_c|^2`.
    """

    averaging: Averaging
    loop: Float[np.ndarray, "t C"]
    lifting: Lifting
    spread: Float[np.ndarray, " t"]

    def lemma(self, *, lift: bool) -> Float[np.ndarray, " t"]:
        """`L(f) - L(f~)` for the better `f~` of the loop and, if the dimension allows to `lift`, the lifting."""
        best = np.minimum(self.loop[:, -1], self.lifting.lifted) if lift else self.loop[:, -1]
        return np.asarray(self.averaging.value - best)


@dataclass(frozen=True)
class Trials:
    """Representations that were tried, with their margins."""

    loss: Loss
    k: int
    beta: float
    families: list[str]
    representations: list[Representation]
    margins: Margins

    def violated(self, margins: Float[np.ndarray, "t *c"]) -> Int[np.ndarray, "n i"]:
        """The indices of margins that count as violations."""
        size = np.maximum(1.0, np.abs(self.margins.averaging.value)).reshape(-1, *[1] * (margins.ndim - 1))
        return np.argwhere(~(margins >= -TOLERANCE * size))


def run_trials(
    loss: Loss,
    *,
    C: int,
    points: int,
    d: int,
    k: int,
    beta: float = 1.0,
    rho: Float[np.ndarray, " C"] | None = None,
    trials: int,
    seed: int = 0,
) -> Trials:
    """Draw representations, generic and adversarial, and compute every margin. `rho = None` draws priors too."""
    drawn = draws(trials, (C, points, d), seed, rho)
    representations = [f for _, f in drawn]
    margins = evaluate(loss, stacked(representations), k, beta)
    return Trials(loss, k, beta, [family for family, _ in drawn], representations, margins)


def stacked(representations: list[Representation]) -> Representation:
    """One representation whose arrays have a leading axis."""
    return Representation(*(np.stack(parts) for parts in zip(*representations, strict=True)))


def evaluate(loss: Loss, batch: Representation, k: int, beta: float = 1.0) -> Margins:
    """All margins of a stacked batch."""
    trials = len(batch.rho)
    # a last block that is not full would be compiled once more
    order = np.minimum(np.arange(-(-trials // _BLOCK) * _BLOCK), trials - 1)
    full = Representation(*(np.asarray(part)[order] for part in batch))
    static_k = float(k) if isinstance(loss, Custom) else None
    n, C = batch.embeddings.shape[1], batch.rho.shape[1]
    run = runner(_evaluate, (n + 1) * n * n, trials * (C + 1), traced=loss.traced)
    averaging, loop, lifting, spread = run(full, float(k), beta, loss=loss.resolved(k, beta), static_k=static_k)
    return Margins(
        Averaging(*(part[:trials] for part in averaging)),
        loop[:trials],
        Lifting(*(part[:trials] for part in lifting)),
        spread[:trials],
    )


def evaluate_balanced(loss: Loss, batch: Representation, k: int, beta: float = 1.0) -> Balanced:
    """The chain of the balanced theorem for a stacked batch with uniform priors."""
    static_k = float(k) if isinstance(loss, Custom) else None
    trials, n = batch.labels.shape
    run = runner(_balanced, n * n * n, trials, traced=loss.traced)
    chain: Balanced = run(batch, float(k), beta, loss=loss.resolved(k, beta), static_k=static_k)
    return chain


def enumerated_margin(trials: Trials, trial: int, class_: int) -> float | None:
    """The averaging step's margin for one class, with every loss by enumeration; None if there are too many draws."""
    f = trials.representations[trial]
    F = np.asarray(f.embeddings)
    if not fits(len(F), trials.k):
        return None
    own = np.asarray(f.labels) == class_
    batch = [F, *(np.where(own[:, None], point, F) for point in F[own])]
    losses = [
        float(enumerated_points_loss(trials.loss, f._replace(embeddings=G), trials.k, trials.beta)) for G in batch
    ]
    return float(losses[0] - np.asarray(f.weights)[own] @ np.array(losses[1:]))


def _evaluate(
    batch: Representation,
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: float | None,
) -> tuple[Averaging, Float[Array, "t C"], Lifting, Float[Array, " t"]]:
    def one(f: Representation) -> tuple[Averaging, Float[Array, " C"], Lifting, Float[Array, ""]]:
        known = k if static_k is None else static_k
        losses, _ = loop_over_classes(loss, f, known, beta)
        return averaging_margins(loss, f, known, beta), losses, lifting_chain(loss, f, known, beta), f.spread

    result: tuple[Averaging, Array, Lifting, Array] = _mapped(one, batch, _BLOCK)
    return result


def _balanced(
    batch: Representation,
    k: Scalar,
    beta: Scalar,
    *,
    loss: Loss,
    static_k: float | None,
) -> Balanced:
    known = k if static_k is None else static_k
    chain: Balanced = _mapped(lambda f: balanced_chain(loss, f, known, beta), batch, len(batch.rho))
    return chain


def _mapped(function: Callable[[Representation], Any], batch: Representation, together: int) -> Any:
    """The function of every member of the batch, each array with a leading axis; compiled, so many at once."""
    if is_numpy(*batch):
        return _with_axis([function(Representation(*parts)) for parts in zip(*batch, strict=True)])
    from theory.float64 import jax

    return jax.lax.map(function, batch, batch_size=together)


def _with_axis(results: list[Any]) -> Any:
    """Arrays, or (named) tuples of them, stacked."""
    if not isinstance(results[0], tuple):
        return np.stack(results)
    parts = [_with_axis(list(part)) for part in zip(*results, strict=True)]
    kind = type(results[0])
    return kind(*parts) if hasattr(kind, "_fields") else tuple(parts)
