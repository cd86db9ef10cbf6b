"""The map command: rows of the batched solver, summarized and exported; bad input refused."""

import csv
import json
import math
from fractions import Fraction

import numpy as np
import pytest

from experiments.unbalanced import __main__ as program
from experiments.unbalanced import command
from experiments.unbalanced.grid import leaves
from experiments.unbalanced.map import VERSIONS, Definition, profiles, sweep
from experiments.unbalanced.map_summary import summarize
from experiments.unbalanced.store import COLUMNS, Store
from experiments.unbalanced.workers import InProcess
from theory import priors
from theory.collapse_threshold import collapse_threshold
from theory.losses import Logistic
from verify import conjecture
from verify.batched import WEIGHTINGS, solve

DEFINITION = Definition((1, 1, 1), 9, 1, (1, 4096), batch=64)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "store"
    with Store(path, DEFINITION.as_json()) as opened:
        sweep(DEFINITION, opened, InProcess(), 1)
    return path


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["experiments.unbalanced", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        program.main()
    return stop.value.code, capsys.readouterr()


def test_profiles_are_those_of_the_solver(store):
    with Store(store) as opened:
        found = dict(profiles(DEFINITION, opened))
    assert set(DEFINITION.grid.base()) < set(found)
    rho = np.array([DEFINITION.grid.prior(cell).as_array() for cell in found])
    again = solve(Logistic(), rho, DEFINITION.ks)
    for i, profile in enumerate(found.values()):
        assert profile.converged
        np.testing.assert_allclose(profile.values["nce"], again.nce[i], atol=1e-10)
        np.testing.assert_allclose(profile.values["weighted_optimal"], again.optimal[i, :, 0], atol=1e-8)
        np.testing.assert_allclose(profile.values["balanced_mean"], again.mean[i, :, 1], atol=1e-8)
        for name, rise in zip(VERSIONS, profile.rises, strict=True):
            assert rise == profile.values[name][1] - profile.values[name][0]


def test_summary_counts_the_leaves(store):
    with Store(store) as opened:
        result = summarize(opened)
        found = dict(profiles(DEFINITION, opened))
    assert result.complete
    assert result.unconverged == 0
    tiles = leaves(DEFINITION.grid, found)
    assert result.priors > len(tiles) > len(DEFINITION.grid.base())
    failing = sum(DEFINITION.grid.weight(c) for c in tiles if found[c].rises[2] > 1e-8)
    mean = result.versions[2]
    assert (mean.weighting, mean.classifier) == ("weighted", "mean")
    assert 0 < mean.share == pytest.approx(float(failing))
    assert mean.largest[0].increase == max(p.rises[2] for p in found.values())
    # the share of total collapse is that of the closed form, up to the size of the cells
    for entry, k in zip(result.collapse, DEFINITION.ks, strict=True):
        assert entry.total == pytest.approx(3 * (1 - collapse_threshold(k)) ** 2, abs=0.03)


def test_an_unfinished_map_is_shown_as_such(tmp_path):
    with Store(tmp_path / "s", DEFINITION.as_json()) as opened:
        assert not summarize(opened).complete
        opened.plan(0, DEFINITION.grid.base(), 64)
        result = summarize(opened)
        assert not result.complete
        assert result.priors == 0


def test_commands(store, tmp_path, monkeypatch, capsys):
    out = tmp_path / "map.csv"
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--export", out, "--json")
    assert code == 0
    shown = json.loads(printed.out)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shown["cells"]
    assert set(COLUMNS) < set(rows[0])
    assert sum(float(row["weight"]) for row in rows if row["k"] == "1") == pytest.approx(1)
    assert all(math.isfinite(float(row[name])) for row in rows for name in COLUMNS)
    # the map is complete: running it again only summarizes
    same = ("--resolution", 9, "--levels", 1, "--k", "1,4096", "--jobs", 1, "--store")
    code, printed = run(monkeypatch, capsys, "map", *same, store)
    assert (code, printed.out) == (2, "")  # the command's batches are larger than those of this store
    assert "another sweep, with batch = 64" in printed.err
    code, printed = run(monkeypatch, capsys, "show", "--store", store)
    assert code == 0
    assert "complete" in printed.out
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--regions", "--json")
    assert code == 0
    regions = json.loads(printed.out)["regions"]
    assert sum(Fraction(regions[name]) for name in ("collapsed", "separated", "mixed", "open")) == 1
    assert Fraction(regions["open"]) < Fraction(1, 100)
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--regions")
    assert "proved over boxes" in printed.out
    for bad in (("--groups", "1"), ("--groups", "1,1"), ("--resolution", "0"), ("--k", "0"), ("--temperature", "0")):
        code, printed = run(monkeypatch, capsys, "map", *bad, "--store", tmp_path / "none")
        assert code == 2
        assert printed.err.count("\n") == 1
    assert not (tmp_path / "none").exists()
    code, printed = run(monkeypatch, capsys, "show", "--store", tmp_path / "none")
    assert (code, printed.err.count("\n")) == (2, 1)
    assert run(monkeypatch, capsys, "show", "--export", out)[0] == 2
    assert run(monkeypatch, capsys, "show", "--regions")[0] == 2


def test_two_groups_and_the_limit(tmp_path):
    definition = Definition((1, 4), 8, 0, (2, math.inf), batch=8)
    with Store(tmp_path / "s", definition.as_json()) as opened:
        sweep(definition, opened, InProcess(), 1)
        result = summarize(opened)
    assert (result.priors, result.unconverged, result.k) == (8, 0, (2, "inf"))


def test_the_committed_map_says_what_the_solver_and_the_conjecture_command_say():
    data = json.loads((command.FINDINGS / "map-C3.json").read_text())
    committed = data["map"]
    assert committed["complete"]
    assert committed["priors"] >= 20_000
    assert committed["unconverged"] == 0
    for version in committed["versions"]:
        column = (version["weighting"], version["classifier"])
        for rise in version["largest"]:
            prior = priors.from_masses(rise["rho"])
            rho = np.repeat(prior.as_array()[None], 64, axis=0)
            cells = solve(Logistic(), rho, (rise["k1"], rise["k2"]))
            losses = (cells.optimal if column[1] == "optimal" else cells.mean)[0, :, WEIGHTINGS.index(column[0])]
            assert losses[1] - losses[0] == pytest.approx(rise["increase"], abs=1e-8)
    assert {entry["status"] for entry in data["proven"]} == {"refuted"}
    for entry in data["proven"]:
        found = conjecture.run(
            priors.from_masses(entry["rho"]),
            (entry["k1"], entry["k2"]),
            weighting=entry["weighting"],
            classifier=entry["classifier"],
        )
        assert found.witness.increase_lower >= entry["increase_lower"] * (1 - 1e-9)
