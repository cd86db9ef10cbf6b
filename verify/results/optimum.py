"""What `verify.optimum` returns, and its readable report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from verify.optimize.floor import Floor
from verify.results import Bracket, ProblemRecord, Result, SearchReport, Status, closing, shortened
from verify.results.digits import interval

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float


@dataclass(frozen=True, repr=False)
class OptimumResult(Result):
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        gram: the best Gram matrix, C x C; or, if `groups` is not None, one row and column a group: the cosines between
            classes of two groups and, on the diagonal, of two classes of one group (1 for a group of one class).
        groups: the groups of equal classes that the rows of `gram` stand for, as "NxP/Q" (`N` classes that share the
            mass `P/Q`), where there are more than 256 classes and some are equal; else None.
        gram_radius: proven bound on `max |gram - G*|`, or None (also where it would be 2 or more, and say nothing).
        rank: that of the optimal C x C Gram matrix, or None where it is not proved (`verify.certify.rank`).
        rank_numerical: the number of eigenvalues of the best Gram matrix found that are not 0 to double precision.
        floor: with `--floor`, the losses at chance and of the simplex ETF.
        search: how the minimum was found, and the starts; those of the barrier method and of the convex
            program take none, which counts as one.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    nce: Bracket
    gram: tuple[tuple[float, ...], ...]
    groups: tuple[str, ...] | None
    gram_radius: float | None
    rank: int | None
    rank_numerical: int
    search: SearchReport
    normalization: str
    note: str
    certificate: str | None
    seconds: float
    versions: dict[str, str]
    floor: Floor | None = None

    @property
    def embeddings(self) -> Float[np.ndarray, "C d"] | None:
        """Class embeddings with unit rows in `problem.d` dimensions, in the order of `problem.rho`, whose Gram matrix
        is `gram` to rounding; None where `gram` is that of groups."""
        import numpy as np

        from theory.geometry import from_gram

        return None if self.groups is not None else from_gram(np.array(self.gram), self.problem.d)

    def arrays(self) -> dict[str, Any]:
        """What `--save` writes."""
        return {"gram": self.gram, "embeddings": self.embeddings, "rho": list(self.problem.rho)}


def report(result: OptimumResult) -> str:
    """The readable report."""
    nce = result.nce
    lines = [
        f"Prior {shortened(result.problem.rho)}: C = {result.problem.C}, k = {result.problem.k}, "
        f"d = {result.problem.d}, {result.problem.losses}, "
        f"temperature {result.problem.temperature.removesuffix('/1')}",
        _found(result),
        f"  global minimum in  {interval(nce.lower, nce.upper)}, width {nce.gap:.1e}"
        if nce.gap is not None
        else f"  global minimum     at most {nce.upper:.15g}",
    ]
    if result.floor is not None:
        lines += _floor(result.floor, nce.upper)
    if len(result.gram) <= 10:
        within = (
            "in double precision, not enclosed"
            if result.gram_radius is None
            else f"to within {result.gram_radius:.1e}, proven"
        )
        of = "" if result.groups is None else " between groups, and within them on the diagonal"
        lines.append(f"  optimal cosines{of} ({within}), {_rank(result)}:")
        lines += ["    " + " ".join(f"{g:8.5f}" for g in row) for row in result.gram]
    else:
        lines.append(f"  {_rank(result)}")
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])


def _rank(result: OptimumResult) -> str:
    if result.rank is None:
        return f"rank {result.rank_numerical} in double precision"
    return f"rank {result.rank}, proven"


def _floor(floor: Floor, minimum: float | None) -> list[str]:
    lines = [f"  at chance          {floor.chance:.12g}   (all embeddings at one point)"]
    if floor.etf is not None:
        above = "" if minimum is None else f"   ({floor.etf - minimum:.2g} above the minimum)"
        lines.append(f"  simplex ETF        {floor.etf:.12g}{above}")
    return lines


def _found(result: OptimumResult) -> str:
    search, value = result.search, f"{result.nce.found:.15g}"
    if search.method == "groups":
        return f"  found in groups     {value}"
    if search.method == "convex program":
        return f"  convex program     {value}   ({search.iterations} steps)"
    return f"  best of {search.starts} starts   {value}   ({search.converged} converged)"
