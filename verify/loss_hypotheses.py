"""What the paper asks of a loss, tested on samples: a violation is a proof to the contrary, passing proves nothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.errors import InputError
from theory.float64 import jnp
from theory.losses import Loss
from theory.population import sampled_loss

PASSED = "no violation found"
HYPOTHESES = ("finite", "symmetric", "non-increasing", "convex")

_SAMPLES = 512
_TOLERANCE = 1e-9


def violation(loss: Loss, k: int, beta: float = 1.0, *, seed: int = 0) -> tuple[str, str] | None:
    """The first hypothesis that fails on sampled margins in `[-2 beta, 2 beta]^k`, and how; None if none does.

    Tried are permutations of a vector, increases of one or all coordinates, and midpoints of near and far pairs.
    """
    rng = np.random.default_rng(seed)
    # at least two coordinates, or symmetry would say nothing
    shape = (_SAMPLES, max(k, 2))
    scales = beta * 10.0 ** rng.uniform(-2, 0, size=(_SAMPLES, 1))
    v = rng.uniform(-2 * beta, 2 * beta, size=shape)
    direction = rng.normal(size=shape)
    direction[::2] *= np.eye(shape[1])[rng.integers(shape[1], size=_SAMPLES)][::2]
    w = np.clip(v + scales * direction, -2 * beta, 2 * beta)
    higher = np.clip(v + scales * np.abs(direction), -2 * beta, 2 * beta)
    at_v, at_w, middle = _values(loss, v), _values(loss, w), _values(loss, (v + w) / 2)
    swapped, at_higher = _values(loss, rng.permuted(v, axis=1)), _values(loss, higher)
    size = _TOLERANCE * (1 + np.abs(at_v) + np.abs(at_w) + np.abs(at_higher))
    excesses = {
        "finite": np.where(np.isfinite(at_v), 0.0, np.inf),
        "symmetric": np.abs(swapped - at_v) - size,
        "non-increasing": at_higher - at_v - size,
        "convex": middle - (at_v + at_w) / 2 - size,
    }
    told = {
        "finite": "l(v) is not a finite number",
        "symmetric": "l changes when coordinates are permuted",
        "non-increasing": "l grows when margins grow",
        "convex": "l at a midpoint exceeds the mean of l at the ends",
    }
    for name in HYPOTHESES:
        worst = int(np.argmax(excesses[name]))
        if not excesses[name][worst] <= 0:
            where = ", ".join(f"{x:.3g}" for x in v[worst][:4]) + (", ..." if shape[1] > 4 else "")
            return name, f"{told[name]}, by {excesses[name][worst]:.3g} near v = ({where})"
    return None


def require(loss: Loss, name: str, k: int, beta: float = 1.0, *, seed: int = 0) -> dict[str, str]:
    """What was tried, with the outcome `PASSED` for each hypothesis.

    Raises:
        InputError: naming the hypothesis that fails.
    """
    found = violation(loss, k, beta, seed=seed)
    if found is not None:
        raise InputError("loss", name, f"the loss is not {found[0]}: {found[1]}")
    return dict.fromkeys(HYPOTHESES, PASSED)


def caveat(loss: Loss, name: str, gram: Float[np.ndarray, "C C"], rho: Float[np.ndarray, " C"], k: int | float) -> str:
    """What a result about a loss that is not known to be convex does not say; empty for one that is.

    Where the loss is not summed over all negatives but estimated, the estimate's interval at `gram` is part of it.

    Raises:
        InputError: naming the hypothesis that fails on samples.
    """
    if loss.convex:
        return ""
    require(loss, name, int(min(k, 8)))
    said = f"the bound rests on the loss being convex, symmetric and non-increasing: {PASSED} on {_SAMPLES} samples"
    if loss.is_exact(len(rho), k):
        return said
    low, high = sampled_loss(loss, gram, rho, int(k)).interval()
    return f"{said}; the loss is a mean over sampled negatives (99.9% interval [{low:.6g}, {high:.6g}])"


def _values(loss: Loss, v: Float[np.ndarray, "s k"]) -> Float[np.ndarray, " s"]:
    return np.asarray(loss(jnp.asarray(v)), dtype=float)
