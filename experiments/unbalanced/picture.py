"""What a figure needs of a map: each unrefined cell once, in a compact file (`show --export FILE.npz`, `read`).

The arrays of the file, for `n` cells, `K` numbers of negatives, and shares of `g` groups:

- `family`, `temperature`: text; the family of priors as `experiments.unbalanced.families.parse` reads it.
- `ks` (K): the numbers of negatives, `inf` for the limit.
- `resolution`; `level` (n); `centre` (n, g): the shares at the centroid of a cell are `centre / (g resolution
  2^level)`. Cells that arise from each other by exchanging shares of one kind are listed once, with falling shares.
- `weight` (n): the share of the whole simplex that a cell stands for; sums to 1.
- `points` (n, K): how many of the class embeddings are distinct: 2 is a total collapse, C no collapse at all.
- `versions` (4): names like "weighted_optimal", for the test distribution and the classifier.
- `rise` (n, 4): the largest `L_sup(k2) - L_sup(k1)`, `k1 < k2`, in double precision and then rounded to three digits;
  negative where the loss falls all the way, nan where a cell did not converge. Below 1e-8 it is rounding.
- `pair` (n, 4, 2): the indices into `ks` of the `k1, k2` where it is attained.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments.unbalanced import families
from experiments.unbalanced.columns import VERSIONS
from experiments.unbalanced.grid import Cell, Grid, leaves
from experiments.unbalanced.map import Definition, Profile
from theory.errors import InputError
from verify import files
from verify.files.arrays import read_arrays

_MANTISSA_BITS = 11


@dataclass(frozen=True)
class Picture:
    """The arrays of the file (module docstring)."""

    family: np.ndarray
    temperature: np.ndarray
    ks: Float[np.ndarray, " K"]
    resolution: np.ndarray
    level: Int[np.ndarray, " n"]
    centre: Int[np.ndarray, "n g"]
    weight: Float[np.ndarray, " n"]
    points: Int[np.ndarray, "n K"]
    versions: np.ndarray
    rise: Float[np.ndarray, "n 4"]
    pair: Int[np.ndarray, "n 4 2"]

    def write(self, path: Path) -> None:
        """Write the file."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        with files.replacing(path) as stream:
            np.savez_compressed(stream, **arrays)

    @property
    def grid(self) -> Grid:
        """The grid that the cells belong to."""
        return Grid(families.parse(str(self.family)).kinds, int(self.resolution))

    @property
    def shares(self) -> Float[np.ndarray, "n g"]:
        """The shares at the centroids."""
        return self.centre / self.centre.sum(axis=1, keepdims=True)

    def tiles(self) -> tuple[Float[np.ndarray, "m g g"], Int[np.ndarray, " m"]]:
        """All cells of the simplex: the shares at the corners of each, and which of the `n` cells it is an image of.

        Of the `m` images every one is listed once, so that they tile the simplex without overlap.
        """
        kinds = self.grid.kinds
        orders = [
            order
            for order in itertools.permutations(range(len(kinds)))
            if all(kinds[i] == kinds[j] for i, j in enumerate(order))
        ]
        corners, rows, seen = [], [], set()
        for row, (level, centre) in enumerate(zip(self.level.tolist(), self.centre.tolist(), strict=True)):
            own = np.array(self.grid.vertices(Cell(level, tuple(centre))), dtype=float)
            for order in orders:
                image = (level, *(centre[i] for i in order))
                if image not in seen:
                    seen.add(image)
                    corners.append(own[:, list(order)])
                    rows.append(row)
        return np.array(corners), np.array(rows)


def take(definition: Definition, found: Mapping[Cell, Profile]) -> Picture:
    """The picture of what was found."""
    tiles = leaves(definition.grid, found)
    profiles = [found[cell] for cell in tiles]
    K, g = len(definition.ks), definition.grid.groups
    rise = np.array([p.rises if p.converged else (np.nan,) * len(VERSIONS) for p in profiles], dtype=np.float32)
    return Picture(
        family=np.array(str(definition.family)),
        temperature=np.array(str(definition.temperature)),
        ks=np.array([float(k) for k in definition.ks]),
        resolution=np.array(definition.resolution),
        level=np.array([cell.level for cell in tiles], dtype=np.int8),
        centre=np.array([cell.centre for cell in tiles], dtype=np.int32).reshape(-1, g),
        weight=np.array([float(definition.grid.weight(cell)) for cell in tiles]),
        points=np.array([p.values["points"] for p in profiles], dtype=np.int8).reshape(-1, K),
        versions=np.array(list(VERSIONS)),
        rise=_shortened(rise.reshape(-1, len(VERSIONS))),
        pair=np.array([p.pairs for p in profiles], dtype=np.int16).reshape(-1, len(VERSIONS), 2),
    )


def read(path: Path) -> Picture:
    """Read a picture; nothing in the file is executed.

    Raises:
        InputError: if it is none.
    """
    file = read_arrays(path, "picture")
    try:
        return Picture(**{field.name: file[field.name] for field in fields(Picture)})
    except KeyError as missing:
        raise InputError("picture", path, f"accepted: a picture of a map, .npz (without {missing})") from None


def _shortened(values: Float[np.ndarray, "n v"]) -> Float[np.ndarray, "n v"]:
    """Rounded to a few bits, so that the file compresses."""
    mantissas, exponents = np.frexp(values)
    scale = 2.0**_MANTISSA_BITS
    return np.ldexp(np.round(mantissas * scale) / scale, exponents).astype(np.float32)
