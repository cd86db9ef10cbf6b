"""What `verify.etf` returns, and its readable report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from verify.results import NOT_IN_JSON, Bracket, ProblemRecord, Result, SearchReport, Status, closing
from verify.results.digits import interval

if TYPE_CHECKING:
    import numpy as np

#: Cosines this close to those of the simplex ETF are the same to what a flat minimum fixes in double precision.
COSINE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Geometry:
    """The best embeddings beside the simplex ETF.

    Attributes:
        target_cosine: `-1/(C-1)`, or None if `d < C-1`.
        max_cosine_error: largest `|cosine - target_cosine|` between two classes of the best start, in double precision.
        rank: that of every optimal Gram matrix, C-1, where it is proved that the ETF is the only one; else None.
        rank_numerical: the number of eigenvalues of the best Gram matrix that are not 0 to double precision.
        unique: whether the theorem makes the ETF the only optimum up to rotation.
    """

    target_cosine: float | None
    max_cosine_error: float | None
    rank: int | None
    rank_numerical: int
    unique: bool | None


@dataclass(frozen=True, repr=False)
class EtfResult(Result):
    """What `run` found; its fields are the keys of `--json`."""

    claim: str
    status: Status
    problem: ProblemRecord
    nce: Bracket
    geometry: Geometry
    search: SearchReport
    normalization: str
    note: str
    certificate: str | None
    seconds: float
    versions: dict[str, str]
    embeddings: np.ndarray | None = field(default=None, repr=False, compare=False, metadata=NOT_IN_JSON)

    def arrays(self) -> dict[str, Any]:
        """What `--save` writes: the best embeddings found, unrounded, and the prior."""
        return {"embeddings": self.embeddings, "rho": list(self.problem.rho)}


def report(result: EtfResult) -> str:
    """The readable report."""
    nce, geometry, searched = result.nce, result.geometry, result.search
    minimum = f"  global minimum in  {interval(nce.lower, nce.upper)}, width {nce.gap:.1e}"
    loss = f"{result.problem.losses}, temperature {result.problem.temperature.removesuffix('/1')}"
    lines = [
        f"Balanced classes: C = {result.problem.C}, k = {result.problem.k}, d = {result.problem.d}, {loss}",
        f"  best of {searched.starts} starts   {nce.found:.15g}   ({searched.converged} converged, at most "
        f"{searched.iterations} iterations)",
    ]
    if nce.etf is not None and geometry.target_cosine is not None:
        lines += [
            f"  simplex ETF        {nce.etf:.15g}",
            minimum,
            _cosines(geometry),
        ]
    else:
        lines.append(minimum)
    if result.normalization != "none":
        lines.append(f"  in the limit k -> inf of the normalized loss ({result.normalization.replace('_', ' ')})")
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])


def _cosines(geometry: Geometry) -> str:
    """Of the best start, in double precision: at the simplex ETF, or how far from it."""
    target, error = geometry.target_cosine, geometry.max_cosine_error
    assert target is not None and error is not None
    shape = f"rank {geometry.rank_numerical}, in double precision"
    if error <= COSINE_TOLERANCE:
        return f"  cosines found      {target:.6f} = -1/(C-1) to within {error:.1e}, {shape}"
    return f"  cosines found      up to {error:.1e} off -1/(C-1) = {target:.6f}, {shape}"
