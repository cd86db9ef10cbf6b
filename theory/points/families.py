"""Random representations on points, and adversarial ones: where a step is nearly an equality, or ill-scaled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from theory.geometry import normalized
from theory.points.representation import Representation, representation

Draw = Callable[[np.random.Generator, int, int, int], tuple[np.ndarray, np.ndarray]]


def _sphere(rng: np.random.Generator, *shape: int) -> Float[np.ndarray, "*s d"]:
    points: Float[np.ndarray, "*s d"] = normalized(rng.normal(size=shape))
    return points


def _weights(rng: np.random.Generator, C: int, N: int) -> Float[np.ndarray, "C N"]:
    return _positive(rng.dirichlet(np.ones(N), size=C))


def _positive(masses: Float[np.ndarray, "*b n"]) -> Float[np.ndarray, "*b n"]:
    floored: Float[np.ndarray, "*b n"] = np.maximum(masses, 1e-12)
    floored /= np.sum(floored, axis=-1, keepdims=True)
    return floored


def _generic(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return _sphere(rng, C, N, d), _weights(rng, C, N)


def _nearly_collapsed(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    noise = 10.0 ** rng.uniform(-6, -1)
    return normalized(_sphere(rng, C, 1, d) + noise * rng.normal(size=(C, N, d))), _weights(rng, C, N)


def _collapsed(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(_sphere(rng, C, 1, d), N, axis=1), _weights(rng, C, N)


def _antipodal(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return _sphere(rng, C, 1, d) * rng.choice([-1.0, 1.0], size=(C, N, 1)), _weights(rng, C, N)


def _one_line(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return _sphere(rng, 1, 1, d) * rng.choice([-1.0, 1.0], size=(C, N, 1)), _weights(rng, C, N)


def _degenerate_weights(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return _sphere(rng, C, N, d), _positive(10.0 ** rng.uniform(-10, 0, size=(C, N)))


def _one_heavy_point(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    weights = np.full((C, N), 1e-3)
    weights[:, 0] = 1.0
    return _sphere(rng, C, N, d), _positive(weights)


def _coincident_classes(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(_sphere(rng, 1, N, d), C, axis=0), _weights(rng, C, N)


def _one_spread_class(rng: np.random.Generator, C: int, N: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    F, weights = _collapsed(rng, C, N, d)
    F[0] = _sphere(rng, N, d)
    return F, weights


FAMILIES: dict[str, Draw] = {
    "generic": _generic,
    "nearly collapsed": _nearly_collapsed,
    "collapsed": _collapsed,
    "antipodal": _antipodal,
    "one line": _one_line,
    "degenerate weights": _degenerate_weights,
    "one heavy point": _one_heavy_point,
    "coincident classes": _coincident_classes,
    "one spread class": _one_spread_class,
}


def draw(
    family: str,
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    rho: Float[np.ndarray, " C"] | None = None,
    sizes: Sequence[int] | None = None,
) -> Representation:
    """One representation of shape `(C, N, d)`: `N` points of each class, or `sizes` of them.

    If no prior is given it is uniform or a more or less even draw.
    """
    C, N, d = shape
    F, weights = FAMILIES[family](rng, C, N if sizes is None else max(sizes), d)
    kept = np.arange(F.shape[1]) < np.array([N] * C if sizes is None else sizes)[:, None]
    labels, weights = np.nonzero(kept)[0], np.where(kept, weights, 0.0)
    weights /= np.sum(weights, axis=1, keepdims=True)
    if rho is None:
        concentration = rng.choice([0.2, 1.0, np.inf])
        rho = np.full(C, 1.0 / C) if np.isinf(concentration) else _positive(rng.dirichlet(np.full(C, concentration)))
    return representation(F[kept], labels, weights[kept], rho)


def draws(
    trials: int, shape: tuple[int, int, int], seed: int, rho: Float[np.ndarray, " C"] | None = None
) -> list[tuple[str, Representation]]:
    """`trials` representations, half of them generic and the rest spread evenly over the adversarial families."""
    rng = np.random.default_rng(seed)
    adversarial = [name for name in FAMILIES if name != "generic"]
    names = ["generic" if i % 2 == 0 else adversarial[(i // 2) % len(adversarial)] for i in range(trials)]
    return [(name, draw(name, rng, shape, rho)) for name in names]
