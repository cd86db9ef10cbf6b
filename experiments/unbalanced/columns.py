"""The columns of a map, named once: what is kept of each prior at each `k`, and the versions of the conjecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from verify.supervised.batched import Cells

#: The versions of the conjecture, (test distribution, classifier), by the columns that hold their downstream losses.
VERSIONS = {
    f"{weighting}_{classifier}": (weighting, classifier)
    for classifier in ("optimal", "mean")
    for weighting in ("weighted", "balanced")
}

#: Every column, with its type.
COLUMNS: dict[str, type[float] | type[int] | type[bool]] = {
    "nce": float,
    "nce_gap": float,
    **dict.fromkeys(VERSIONS, float),
    "sup_gap": float,
    "points": int,
    "converged": bool,
}


def columns_of(cells: Cells) -> dict[str, np.ndarray]:
    """The columns of what was solved; arrays of shape (priors, ks)."""
    from verify.supervised.batched import WEIGHTINGS

    losses = {"optimal": cells.optimal, "mean": cells.mean}
    versions = {name: losses[classifier][..., WEIGHTINGS.index(w)] for name, (w, classifier) in VERSIONS.items()}
    return {name: versions[name] if name in versions else getattr(cells, name) for name in COLUMNS}
