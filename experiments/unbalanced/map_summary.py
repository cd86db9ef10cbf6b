"""What a map says: where each version of the conjecture fails, and by how much; where classes collapse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from experiments.unbalanced.columns import VERSIONS
from experiments.unbalanced.evolution import NOISE
from experiments.unbalanced.grid import Cell, leaves
from experiments.unbalanced.map import Definition, Profile, next_round, profiles
from experiments.unbalanced.store import Store

if TYPE_CHECKING:
    from experiments.unbalanced.prove import Proven
    from experiments.unbalanced.regions import Regions

LARGEST = 3


@dataclass(frozen=True)
class Increase:
    """A rise in double precision: `L_sup(k2) - L_sup(k1)` at this exact prior."""

    rho: tuple[str, ...]
    k1: int | float | str
    k2: int | float | str
    increase: float


@dataclass(frozen=True)
class Version:
    """One version of the conjecture.

    Attributes:
        share: the share of the family's simplex (the whole simplex of priors, a slice, a range of log-factors or of
            exponents) in cells at whose centroid the loss rises by more than 1e-8.
        largest: the largest rises.
    """

    weighting: str
    classifier: str
    share: float
    largest: tuple[Increase, ...]


@dataclass(frozen=True)
class Collapse:
    """The shares of the family's simplex in which the classes have 2 distinct points (of C >= 3), and fewer than C."""

    k: int | float | str
    total: float
    any: float


@dataclass(frozen=True)
class MapResult:
    """A map; its fields are the keys of `--json`. All is in double precision, but `regions` and `proven` are proved.

    Attributes:
        family: the priors, as `experiments.unbalanced.families.parse` reads them.
        levels: how often cells may be halved.
        complete: whether nothing is left to solve.
        priors: how many were solved; `cells` counts them with every `k`.
        unconverged: cells whose duality gaps are not within 1e-9; their priors count as no rise.
        largest_gap: the largest duality gap among the others, relative to max(1, |loss|).
        seconds: summed over the batches, each on its worker.
        regions: the shares of the simplex in which total collapse is proved or excluded, if that was asked for.
        proven: the strongest rises with certificates, if these were asked for.
    """

    claim: str
    store: str
    family: str
    resolution: int
    levels: int
    k: tuple[int | float | str, ...]
    temperature: str
    complete: bool
    priors: int
    cells: int
    unconverged: int
    largest_gap: float
    versions: tuple[Version, ...]
    collapse: tuple[Collapse, ...]
    seconds: float
    export: str | None
    regions: Regions | None = None
    proven: Proven | None = None
    status: int = 0


def summarize(store: Store, export: Path | None = None) -> MapResult:
    """Summarize a store, and write it as `experiments.unbalanced.export` does if `export` is given."""
    definition = Definition.from_json(store.definition)
    found = dict(profiles(definition, store))
    tiles = leaves(definition.grid, found)
    if export is not None:
        from experiments.unbalanced.export import export as write

        write(definition, found, export)
    return MapResult(
        claim="unbalanced-map",
        store=str(store.path),
        family=str(definition.family),
        resolution=definition.resolution,
        levels=definition.levels,
        k=tuple(definition.as_json()["ks"]),
        temperature=str(definition.temperature),
        complete=store.rounds() > 0 and store.unfinished() == 0 and not next_round(definition, store),
        priors=len(found),
        cells=len(found) * len(definition.ks),
        unconverged=sum(int((p.values["converged"] == 0).sum()) for p in found.values()),
        largest_gap=max((_relative_gap(p) for p in found.values() if p.converged), default=0.0),
        versions=tuple(_version(definition, found, tiles, i) for i in range(len(VERSIONS))),
        collapse=tuple(_collapse(definition, found, tiles, j) for j in range(len(definition.ks))),
        seconds=store.seconds(),
        export=None if export is None else str(export),
    )


def largest_rises(found: Mapping[Cell, Profile], version: int, count: int) -> list[tuple[Cell, Profile]]:
    """The converged priors where this version of the conjecture fails most, worst first."""
    failing = [(c, p) for c, p in found.items() if p.converged and p.rises[version] > NOISE]
    return sorted(failing, key=lambda item: -item[1].rises[version])[:count]


def _version(definition: Definition, found: dict[Cell, Profile], tiles: list[Cell], i: int) -> Version:
    weighting, classifier = list(VERSIONS.values())[i]
    ks = definition.as_json()["ks"]
    largest = tuple(
        Increase(tuple(definition.prior(cell).as_strings()), ks[p.pairs[i][0]], ks[p.pairs[i][1]], p.rises[i])
        for cell, p in largest_rises(found, i, LARGEST)
    )
    failing = (cell for cell in tiles if found[cell].converged and found[cell].rises[i] > NOISE)
    return Version(weighting, classifier, _share(definition, failing), largest)


def _collapse(definition: Definition, found: dict[Cell, Profile], tiles: list[Cell], j: int) -> Collapse:
    points = {cell: int(found[cell].values["points"][j]) for cell in tiles if found[cell].values["converged"][j]}
    C = definition.family.C
    return Collapse(
        definition.as_json()["ks"][j],
        _share(definition, (cell for cell, n in points.items() if n == 2)),
        _share(definition, (cell for cell, n in points.items() if n < C)),
    )


def _share(definition: Definition, cells: Iterator[Cell]) -> float:
    return float(sum((definition.grid.weight(cell) for cell in cells), Fraction(0)))


def _relative_gap(profile: Profile) -> float:
    """The largest gap at one prior, as `verify.supervised.batched` measures it."""
    values = profile.values
    sup = np.maximum(1.0, np.maximum(values["weighted_optimal"], values["balanced_optimal"]))
    return float(max(np.max(values["nce_gap"] / np.maximum(1.0, values["nce"])), np.max(values["sup_gap"] / sup)))
