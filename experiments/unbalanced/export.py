"""The rows of a map in a file of another kind, by its suffix: `.csv`, `.parquet`, or `.npz` (`picture`).

One row a prior and `k`, in the order of the store. Columns: `level` of the cell; `weight`, the share of the family's
simplex that it stands for (0 if it was refined); `share_1, ...` and `rho`, exact, as "p/q" strings (`rho` a list in
Parquet, in CSV separated by spaces); `k`, a double, `inf` for the limit; then the columns of the store, null (in CSV
empty) where a number is not finite.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from experiments.unbalanced.columns import COLUMNS
from experiments.unbalanced.grid import Cell, leaves
from experiments.unbalanced.map import Definition, Profile
from theory.errors import InputError
from verify import files

SUFFIXES = (".csv", ".parquet", ".npz")


def check_suffix(path: Path) -> None:
    """Refuse what cannot be written, before anything is computed.

    Raises:
        InputError: for another suffix, or if a package is missing.
    """
    if path.suffix not in SUFFIXES:
        raise InputError("export", path, f"accepted: a file that ends in {', '.join(SUFFIXES)}")
    if path.suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise InputError("export", path, "Parquet needs pyarrow: pip install 'nce-verifier[cluster]'") from None


def export(definition: Definition, found: Mapping[Cell, Profile], path: Path) -> None:
    """Write all that was found, whole or not at all.

    Raises:
        InputError: as `check_suffix`.
    """
    check_suffix(path)
    if path.suffix == ".npz":
        from experiments.unbalanced.picture import take

        take(definition, found).write(path)
    else:
        as_bytes = _csv if path.suffix == ".csv" else _parquet
        files.write(path, as_bytes(columns(definition, found)))


def columns(definition: Definition, found: Mapping[Cell, Profile]) -> dict[str, list[Any]]:
    """The table by columns (module docstring), as Python values."""
    grid, tiles = definition.grid, set(leaves(definition.grid, found))
    ks = [float(k) for k in definition.ks]
    shares = [f"share_{i + 1}" for i in range(grid.groups)]
    table: dict[str, list[Any]] = {name: [] for name in ("level", "weight", *shares, "rho", "k", *COLUMNS)}
    for cell, profile in found.items():
        head: list[Any] = [cell.level, float(grid.weight(cell)) if cell in tiles else 0.0]
        head += [_exact(share) for share in grid.shares(cell)]
        head.append(definition.prior(cell).as_strings())
        for name, value in zip(table, head, strict=False):
            table[name] += [value] * len(ks)
        table["k"] += ks
        for name, kind in COLUMNS.items():
            table[name] += [kind(v) if math.isfinite(v) else None for v in profile.values[name].tolist()]
    return table


def _exact(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _csv(table: dict[str, list[Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(table)
    for row in zip(*table.values(), strict=True):
        writer.writerow(_as_text(row))
    return text.getvalue().encode()


def _as_text(row: Iterable[Any]) -> Iterable[Any]:
    for value in row:
        if isinstance(value, list):
            yield " ".join(value)
        elif isinstance(value, float) and value.is_integer():
            yield int(value)
        else:
            yield int(value) if isinstance(value, bool) else value


def _parquet(table: dict[str, list[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = dict.fromkeys(table, pa.float64())
    types |= {name: pa.string() for name in table if name.startswith("share_")}
    types |= {"rho": pa.list_(pa.string()), "level": pa.int8()}
    of_kind = {float: pa.float64(), int: pa.int32(), bool: pa.bool_()}
    types |= {name: of_kind[kind] for name, kind in COLUMNS.items()}
    arrays = [pa.array(values, types[name]) for name, values in table.items()]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, names=list(table)), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
