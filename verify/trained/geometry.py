"""The arrangement of class means beside the optimal one, and how far classes have collapsed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.geometry import effective_rank, gram, off_diagonal
from theory.neural_collapse import NeuralCollapse, neural_collapse
from verify.trained.optimum import Optimum
from verify.trained.points import Points

#: The largest errors that are named.
_NAMED = 10

#: Cosines this near to 1 are those of classes that coincide at the optimum, and so near in trained means.
_COINCIDE, _NEARLY = 1e-6, 0.05


@dataclass(frozen=True)
class Pair:
    """Two classes and the cosines of their means, found and optimal."""

    classes: tuple[int, int]
    found: float
    optimal: float


@dataclass(frozen=True)
class Cosines:
    """Cosines between class means, not centred, beside the optimal ones.

    Attributes:
        found, optimal: C x C; `found` is null in the row of a class whose mean is zero.
        max_error: the largest difference off the diagonal.
        largest: the pairs with the largest differences.
        coincide: groups of classes that coincide at the optimum (minority collapse).
        merged: for each of these groups, whether all its means are within a cosine of 0.95.
    """

    found: tuple[tuple[float | None, ...], ...]
    optimal: tuple[tuple[float, ...], ...]
    max_error: float | None
    largest: tuple[Pair, ...]
    coincide: tuple[tuple[int, ...], ...]
    merged: tuple[bool, ...]


@dataclass(frozen=True)
class Collapse:
    """Neural collapse under the best unit-norm classifier (`theory.neural_collapse`), and what remains of dimensions.

    Attributes:
        nc1: within-class over between-class variability.
        nc2: mean distance of the cosines of centred class means from `-1/(C-1)`; None where one is zero.
        nc3: self-duality of classifier and centred means.
        nc4: the share of points that the classifier puts elsewhere than the nearest class mean does.
        reason: why measures are None, or None.
        rank: effective rank of the points, `exp` of the entropy of the spectrum of `sum_i w_i f_i f_i^T`.
        spread: `E |f - mu_c|^2 = 1 - |mu_c|^2` of each class; 0 where it is a point.
    """

    nc1: float | None
    nc2: float | None
    nc3: float | None
    nc4: float | None
    reason: str | None
    rank: float
    spread: tuple[float, ...]


def class_means(points: Points) -> Float[np.ndarray, "C d"]:
    """`mu_c`, in double precision."""
    return np.stack([points.wide[points.labels == c].mean(axis=0) for c in range(points.prior.C)]).astype(float)


def cosines(means: Float[np.ndarray, "C d"], optimum: Optimum) -> Cosines:
    """The comparison; a mean shorter than rounding has no direction."""
    lengths = np.linalg.norm(means, axis=1)
    zero = lengths <= 1e-12
    found = gram(means / np.where(zero, 1.0, lengths)[:, None])
    found[zero] = found[:, zero] = np.nan
    np.fill_diagonal(found, np.where(zero, np.nan, 1.0))
    C = len(means)
    errors = np.abs(found - optimum.gram)
    rows, columns = np.triu_indices(C, 1)
    upper = errors[rows, columns]
    order = [int(i) for i in np.argsort(-np.nan_to_num(upper, nan=-1.0), kind="stable")[:_NAMED] if upper[i] >= 0]
    pairs = [(int(rows[i]), int(columns[i])) for i in order]
    named = [Pair(pair, float(found[pair]), float(optimum.gram[pair])) for pair in pairs]
    groups = _groups(optimum.gram)
    return Cosines(
        found=tuple(tuple(row) for row in found.tolist()),
        optimal=tuple(tuple(row) for row in optimum.gram.tolist()),
        max_error=float(np.nanmax(upper)) if np.any(np.isfinite(upper)) else None,
        largest=tuple(named),
        coincide=tuple(groups),
        merged=tuple(bool(np.all(off_diagonal(found[np.ix_(g, g)]) >= 1 - _NEARLY)) for g in groups),
    )


def _groups(optimal: Float[np.ndarray, "C C"]) -> list[tuple[int, ...]]:
    left, groups = set(range(len(optimal))), []
    for c in range(len(optimal)):
        if c in left:
            group = tuple(j for j in sorted(left) if optimal[c, j] >= 1 - _COINCIDE or j == c)
            left -= set(group)
            groups += [group] if len(group) > 1 else []
    return groups


def collapse(points: Points, means: Float[np.ndarray, "C d"], classifier: Float[np.ndarray, "C d"]) -> Collapse:
    """NC1 to NC4, with the means of these points and the classifier without bias."""
    F = points.embeddings
    measures: NeuralCollapse = neural_collapse(F, points.labels, classifier, np.zeros(len(means)), means)
    return Collapse(
        nc1=measures.nc1,
        nc2=measures.nc2_means.maximal_angle,
        nc3=measures.nc3,
        nc4=measures.nc4,
        reason=measures.reason,
        rank=effective_rank((F * points.masses[:, None]).T @ F),
        spread=tuple((1 - np.sum(means**2, axis=1)).tolist()),
    )
