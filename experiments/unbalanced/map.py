"""A map: the downstream loss over a grid of priors and a list of `k`, refined where the behaviour changes.

Round 0 solves the whole grid; every later round solves the children of the cells that touch a cell of another
behaviour, until all of these have the last level. Each round follows from the finished rounds before it, so that a
sweep which was stopped, or is shared by several processes, ends in the same rows as one that was not.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from experiments.unbalanced.columns import COLUMNS, VERSIONS, columns_of
from experiments.unbalanced.evolution import NOISE, largest_rise
from experiments.unbalanced.families import Family, parse
from experiments.unbalanced.grid import Cell, Grid, boundary_children
from experiments.unbalanced.store import Batch, Row, Store
from experiments.unbalanced.workers import Workers
from theory.errors import InputError
from theory.losses import Logistic
from theory.priors import Prior

#: The most priors that are solved together; part of the definition, since warm starts tie the last digits to it.
BATCH = 512
_LEAST_BATCH = 32


@dataclass(frozen=True)
class Definition:
    """What a map is of: everything that its rows depend on.

    Raises:
        InputError: if `levels` is negative, or `Grid` refuses the resolution.
    """

    family: Family
    resolution: int
    levels: int
    ks: tuple[int | float, ...]
    temperature: Fraction = Fraction(1)
    batch: int = BATCH

    def __post_init__(self) -> None:
        if not 0 <= self.levels <= 20:
            raise InputError("levels", self.levels, "accepted: an integer from 0 to 20")
        Grid(self.family.kinds, self.resolution)

    @property
    def grid(self) -> Grid:
        return Grid(self.family.kinds, self.resolution)

    def prior(self, cell: Cell) -> Prior:
        """The prior at the centroid of a cell."""
        return self.family.prior(self.grid.shares(cell))

    def as_json(self) -> dict[str, Any]:
        """JSON types; `inf` as a string, the temperature exactly, the family as a user writes it."""
        ks = ["inf" if math.isinf(k) else k for k in self.ks]
        return asdict(self) | {"family": str(self.family), "ks": ks, "temperature": str(self.temperature)}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Definition:
        """The inverse of `as_json`."""
        ks = tuple(math.inf if k == "inf" else k for k in found["ks"])
        exact = {"family": parse(found["family"]), "ks": ks, "temperature": Fraction(found["temperature"])}
        return cls(**(found | exact))


class Profile(NamedTuple):
    """All that was found at one prior, as `k` rises.

    Attributes:
        values: one array a column of the store, over the `k`.
        rises: for each of `VERSIONS` the largest `L_sup(k2) - L_sup(k1)`, `k1 < k2`; negative where none rises.
        pairs: the indices into the list of `k` where these are attained.
    """

    values: dict[str, np.ndarray]
    rises: tuple[float, ...]
    pairs: tuple[tuple[int, int], ...]

    @property
    def converged(self) -> bool:
        return bool(self.values["converged"].all())

    @property
    def behaviour(self) -> tuple[object, ...]:
        """Which versions fail, and how many distinct points the classes have at each `k`."""
        return self.converged, tuple(r > NOISE for r in self.rises), tuple(self.values["points"])


def batch_size(cells: int) -> int:
    """Priors to solve together in a map of so many cells: a power of 2, so that there are some batches to share out."""
    size = BATCH
    while size > _LEAST_BATCH and 8 * size > cells:
        size //= 2
    return size


def solve_batch(definition: Definition, batch: Batch) -> tuple[list[Row], float]:
    """The rows of a batch, and the seconds that they took. Runs on a worker."""
    from verify.supervised.batched import solve

    begun = time.perf_counter()
    rho = np.array([definition.prior(cell).as_array() for cell in batch.cells])
    # always the same shape, so that one compiled function serves all batches
    padded = np.resize(rho, (definition.batch, rho.shape[1]))
    cells = solve(Logistic(), padded, definition.ks, beta=float(1 / definition.temperature))
    columns = columns_of(cells)
    rows = []
    for i, cell in enumerate(batch.cells):
        for j, k in enumerate(definition.ks):
            numbers = (columns[name][i, j].item() for name in COLUMNS)
            rows.append(Row(cell, k, tuple(v if math.isfinite(v) else None for v in numbers)))
    return rows, time.perf_counter() - begun


def profiles(definition: Definition, store: Store) -> Iterator[tuple[Cell, Profile]]:
    """Every finished prior."""
    for cell, rows in groupby(store.rows(), key=lambda row: row.cell):
        table = np.array([row.values for row in rows], dtype=float)
        values = dict(zip(COLUMNS, table.T, strict=True))
        if len(definition.ks) < 2:
            yield cell, Profile(values, (-math.inf,) * len(VERSIONS), ((0, 0),) * len(VERSIONS))
            continue
        sup = np.array([values[name] for name in VERSIONS])
        rises, pairs = largest_rise(sup, range(len(definition.ks)))
        yield cell, Profile(values, tuple(rises.tolist()), tuple((int(a), int(b)) for a, b in pairs))


def next_round(definition: Definition, store: Store) -> list[Cell]:
    """The cells that are to be solved next, once all planned ones are done; none if the map is complete."""
    if store.rounds() == 0:
        return definition.grid.base()
    labels = {cell: profile.behaviour for cell, profile in profiles(definition, store)}
    return boundary_children(definition.grid, labels, definition.levels)


def sweep(
    definition: Definition, store: Store, workers: Workers, progress: Callable[[str], None] = lambda text: None
) -> None:
    """Work until the map is complete."""
    owner = f"{os.getpid()}-{time.time_ns()}"
    while True:
        # the round is counted before the last is known to be done: whoever plans it first, it is planned once
        number = store.rounds()
        _drain(definition, store, workers, owner, progress)
        cells = next_round(definition, store)
        if cells:
            store.plan(number, cells, definition.batch)
        elif store.rounds() == number:
            return


def _drain(definition: Definition, store: Store, workers: Workers, owner: str, progress: Callable[[str], None]) -> None:
    """Work until no planned batch is left."""
    flying: dict[Future[tuple[list[Row], float]], Batch] = {}
    while left := store.unfinished():
        progress(f"round {store.rounds()}: {left} batches left")
        capacity = workers.capacity()
        while len(flying) < capacity:
            batch = store.claim(owner)
            # another process may have taken over a batch that is in flight here, and this one takes it back
            if batch is None or any(batch.id == other.id for other in flying.values()):
                break
            flying[workers.pool.submit(solve_batch, definition, batch)] = batch
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            store.finish(flying.pop(future).id, *future.result())
    for future in flying:
        future.cancel()
