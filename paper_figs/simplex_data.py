"""The data of the maps over the simplex: read, or swept again with `experiments.unbalanced`."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from paper_figs.data import Data, as_bytes, committed, document, read, significant
from theory.errors import InputError
from verify.files import write as write_file

_FINDINGS = files("experiments.unbalanced") / "findings"
#: How often boxes of priors are halved to prove that the loss of the mean classifier rises there.
_DEPTH = 16
_ROUNDING = 1e-12
#: The corner with the rises of the best classifier: the largest and the smallest mass, cells along each axis.
CORNER = {"largest": (0.8, 0.94, 84), "smallest": (0.0, 0.0075, 45)}


def load(folder: Path, *, recompute: bool, progress: Callable[[str], None]) -> Data:
    """The data in `folder`, else the committed one, whose map is that of `experiments.unbalanced`.

    The sweep of `recompute` is kept in a store, so that a stopped one goes on.
    """
    from experiments.unbalanced import picture, region_file

    def data(found: dict[str, Any], map_file: Path, boxes_file: Path, source: str) -> Data:
        read_parts = {"map": picture.read(map_file), "boxes": region_file.read_rises(boxes_file)}
        return Data(found["parts"] | read_parts, source, found["command"], found["versions"])

    folder = folder / "paper_figs"
    if recompute:
        _sweep(folder, progress)
    path = folder / "simplex.json"
    own = read(path, "simplex")
    if own is not None:
        try:
            return data(own, folder / "simplex.npz", folder / "simplex-boxes.npz", str(path))
        except InputError:
            pass  # a damaged file is none
    kept = committed("simplex")
    assert kept is not None, "it is part of the package"
    with as_file(_FINDINGS / "map-C3.npz") as map_file, as_file(_FINDINGS / "map-C3-boxes.npz") as boxes_file:
        return data(kept, map_file, boxes_file, "committed")


def _sweep(folder: Path, progress: Callable[[str], None]) -> None:
    """Map, prove, and only then replace what was there."""
    from experiments.unbalanced.export import export
    from experiments.unbalanced.map import Definition, profiles, sweep
    from experiments.unbalanced.map_proofs import prove_strongest
    from experiments.unbalanced.region_file import write
    from experiments.unbalanced.regions import settle
    from experiments.unbalanced.store import Store
    from experiments.unbalanced.workers import local
    from verify.results import as_json

    asked = json.loads((_FINDINGS / "map-C3.json").read_text())["map"]
    keys = {key: asked[key] for key in ("family", "resolution", "levels", "temperature")}
    definition = Definition.from_json(keys | {"ks": asked["k"]})
    path = folder / "simplex.unfinished.sqlite"
    try:
        store = Store(path, definition.as_json())
    except InputError:  # of another version, or damaged: nothing in it can be used
        _remove(path)
        store = Store(path, definition.as_json())
    with store:
        with local(os.cpu_count() or 1) as workers:
            sweep(definition, store, workers, lambda text: progress(f"simplex: {text}"))
        found = dict(profiles(definition, store))
    ks = [k for k in definition.ks if isinstance(k, int)]
    proved = settle(
        ks, temperature=definition.temperature, depth=_DEPTH, progress=lambda text: progress(f"simplex: {text}")
    )
    parts = {
        "regions": as_json(proved),
        "proven": as_json(prove_strongest(definition, found, 1, folder / "simplex-certificates")),
        "corner": corner(ks),
    }
    export(definition, found, folder / "simplex.npz")
    write(proved, folder / "simplex-boxes.npz")
    write_file(folder / "simplex.json", as_bytes(document("simplex", parts)))
    _remove(path)


def _remove(store: Path) -> None:
    """The store, with the journals that SQLite keeps beside it."""
    for file in store.parent.glob(f"{store.name}*"):
        file.unlink()


def corner(ks: list[int]) -> dict[str, Any]:
    """The largest rise of the best classifier's loss at the centres of the cells of `CORNER`, in double precision."""
    from experiments.unbalanced.evolution import largest_rise
    from theory.losses import get_loss
    from verify.supervised.batched import solve

    largest, smallest = (np.linspace(lo, hi, 2 * n + 1)[1::2] for lo, hi, n in CORNER.values())
    p, r = (axis.ravel() for axis in np.meshgrid(largest, smallest))
    cells = solve(get_loss("logistic"), np.column_stack([p, 1 - p - r, r]), ks)
    rise = np.where(cells.converged.all(axis=1), largest_rise(cells.optimal[..., 0], range(len(ks)))[0], np.nan)
    return {
        "largest": significant(largest),
        "smallest": significant(smallest),
        "k": ks,
        "rise": [[_shown(value) for value in row] for row in rise.reshape(len(smallest), len(largest)).tolist()],
    }


def _shown(rise: float) -> float | None:
    """Three digits; 0 for what is rounding alone, which differs from run to run; None where nothing converged."""
    if not math.isfinite(rise):
        return None
    return float(f"{rise:.3g}") if abs(rise) > _ROUNDING else 0.0
