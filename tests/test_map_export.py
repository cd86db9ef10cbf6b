"""What is exported of a map is what its store holds: every row, exact priors, typed columns."""

import csv
import json
import math
import sys
from fractions import Fraction

import numpy as np
import pytest
from test_store import quick_batch

from experiments.unbalanced import map as maps
from experiments.unbalanced import picture
from experiments.unbalanced.columns import COLUMNS, VERSIONS
from experiments.unbalanced.export import export
from experiments.unbalanced.families import groups, parse
from experiments.unbalanced.grid import leaves
from experiments.unbalanced.map import Definition, profiles, sweep
from experiments.unbalanced.store import Store
from experiments.unbalanced.workers import HERE
from theory.errors import InputError

DEFINITIONS = [
    Definition(groups((1, 1, 1)), 9, 1, (1, math.inf), batch=8),
    Definition(parse("1/3,2x*,*"), 7, 1, (3,), batch=8),
    Definition(parse("longtail:100,C=5"), 6, 0, (1, 2, 4), Fraction(1, 2), batch=8),
]


def swept(definition, path, monkeypatch):
    """A quick stand-in for the solver; one row did not converge, and has no loss."""

    def batch_with_a_failure(definition, batch):
        rows, seconds = quick_batch(definition, batch)
        if batch.id == 1:
            values = [None if name == "nce" else 0.0 if name == "converged" else 1.0 for name in COLUMNS]
            rows[0] = rows[0]._replace(values=tuple(values))
        return rows, seconds

    monkeypatch.setattr(maps, "solve_batch", batch_with_a_failure)
    with Store(path, definition.as_json()) as store:
        sweep(definition, store, HERE)
        return list(store.rows()), dict(profiles(definition, store))


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.family.name)
def test_parquet_is_the_store(definition, tmp_path, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    rows, found = swept(definition, tmp_path / "s", monkeypatch)
    export(definition, found, tmp_path / "map.parquet")
    table = pq.read_table(tmp_path / "map.parquet")
    types = {name: str(table.schema.field(name).type) for name in table.column_names}
    assert types["rho"] == "list<element: string>"
    assert (types["level"], types["weight"], types["share_1"], types["k"]) == ("int8", "double", "string", "double")
    assert (types["points"], types["converged"], types["nce_gap"]) == ("int32", "bool", "double")
    written = table.to_pylist()
    assert len(written) == len(rows)
    tiles = set(leaves(definition.grid, found))
    for row, read in zip(rows, written, strict=True):
        assert tuple(read[name] for name in COLUMNS) == row.values
        assert (read["level"], read["k"]) == (row.cell.level, row.k)
        assert tuple(Fraction(m) for m in read["rho"]) == definition.prior(row.cell).rho
        shares = [Fraction(read[f"share_{i + 1}"]) for i in range(definition.grid.groups)]
        assert tuple(shares) == definition.grid.shares(row.cell)
        assert read["weight"] == (float(definition.grid.weight(row.cell)) if row.cell in tiles else 0)
    assert sum(read["weight"] for read in written) == pytest.approx(len(definition.ks))


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.family.name)
def test_csv_is_the_store(definition, tmp_path, monkeypatch):
    rows, found = swept(definition, tmp_path / "s", monkeypatch)
    export(definition, found, tmp_path / "map.csv")
    with (tmp_path / "map.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    for row, read in zip(rows, written, strict=True):
        assert tuple(float(read[name]) if read[name] else None for name in COLUMNS) == row.values
        assert float(read["k"]) == row.k
        assert tuple(Fraction(m) for m in read["rho"].split()) == definition.prior(row.cell).rho


def test_a_picture_tiles_the_simplex(tmp_path, monkeypatch):
    definition = DEFINITIONS[0]
    _, found = swept(definition, tmp_path / "s", monkeypatch)
    export(definition, found, tmp_path / "map.npz")
    made = picture.read(tmp_path / "map.npz")
    tiles = leaves(definition.grid, found)
    assert {1, 0} == set(made.level.tolist())
    assert made.weight.sum() == pytest.approx(1)
    np.testing.assert_allclose(made.shares, [[float(s) for s in definition.grid.shares(cell)] for cell in tiles])
    for i, cell in enumerate(tiles):
        profile = found[cell]
        np.testing.assert_array_equal(made.points[i], profile.values["points"])
        assert tuple(made.versions) == tuple(VERSIONS)
        if profile.converged:
            np.testing.assert_allclose(made.rise[i], profile.rises, rtol=1e-3)
            np.testing.assert_array_equal(made.pair[i], profile.pairs)
        else:
            assert np.isnan(made.rise[i]).all()
    # the images tile: their areas sum to that of the simplex, and each cell has the images that its weight counts
    corners, rows = made.tiles()
    flat = corners[:, :, :2]
    edges = flat[:, 1:] - flat[:, :1]
    areas = np.abs(np.linalg.det(edges))
    assert areas.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.bincount(rows, areas), made.weight)
    assert len({tuple(np.round(c.mean(axis=0), 9)) for c in corners}) == len(corners)


def test_other_files_are_refused(tmp_path, monkeypatch):
    _, found = swept(DEFINITIONS[1], tmp_path / "s", monkeypatch)
    with pytest.raises(InputError, match="export"):
        export(DEFINITIONS[1], found, tmp_path / "map.xlsx")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match="pip install 'nce-verifier"):
        export(DEFINITIONS[1], found, tmp_path / "map.parquet")
    assert {path.name for path in tmp_path.iterdir()} <= {"s", "s-wal", "s-shm"}
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(InputError, match="picture"):
        picture.read(tmp_path / "text.npz")
    (tmp_path / "text.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="picture"):
        picture.read(tmp_path / "text.json")
