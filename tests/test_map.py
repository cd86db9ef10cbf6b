"""The map command: rows of the batched solver, summarized and exported; bad input refused."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from experiments.unbalanced import command, picture, region_file
from experiments.unbalanced.columns import VERSIONS
from experiments.unbalanced.families import groups, parse
from experiments.unbalanced.grid import leaves
from experiments.unbalanced.map import Definition, profiles, sweep
from experiments.unbalanced.map_proofs import prove_strongest
from experiments.unbalanced.map_summary import summarize
from experiments.unbalanced.store import Store
from experiments.unbalanced.workers import HERE
from theory import priors
from theory.collapse_threshold import collapse_threshold
from theory.losses import Logistic
from verify import checker, downstream
from verify.checker.verdict import Verdict
from verify.commands import group
from verify.supervised.batched import WEIGHTINGS, solve

DEFINITION = Definition(groups((1, 1, 1)), 9, 1, (1, 4096), batch=64)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "store"
    with Store(path, DEFINITION.as_json()) as opened:
        sweep(DEFINITION, opened, HERE)
    return path


def contents(path):
    with Store(path) as opened:
        return dict(profiles(DEFINITION, opened))


def run(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["experiments.unbalanced", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        group("unbalanced")
    return stop.value.code, capsys.readouterr()


def test_profiles_are_those_of_the_solver(store):
    with Store(store) as opened:
        found = dict(profiles(DEFINITION, opened))
    assert set(DEFINITION.grid.base()) < set(found)
    rho = np.array([DEFINITION.prior(cell).as_array() for cell in found])
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


BAD = [
    "--groups 1",
    "--groups 1,1",
    "--resolution 0",
    "--k 0",
    "--temperature 0",
    "--slice 0.5,*",
    "--slice 0.5,*,* --groups 1,2",
    "--family longtail",
    "--family longtail --C 10 --largest 1",
    "--C 10",
    "--largest 10",
    "--jobs 2 --scheduler tcp://127.0.0.1:1",
]


def test_commands(store, tmp_path, monkeypatch, capsys):
    # the map is complete: running it again only summarizes
    same = ("--resolution", 9, "--levels", 1, "--k", "1,4096", "--jobs", 1, "--store")
    code, printed = run(monkeypatch, capsys, "map", *same, store)
    assert (code, printed.out) == (2, "")  # the command's batches are larger than those of this store
    assert "another sweep, with batch = 64" in printed.err
    code, printed = run(monkeypatch, capsys, "show", "--store", store)
    assert code == 0
    assert "complete" in printed.out
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--regions", 4, "--boxes", tmp_path / "b.npz")
    assert code == 0
    assert "proved over boxes" in printed.out
    assert "weighted, mean classifier: proved to hold" in printed.out
    assert region_file.read_rises(tmp_path / "b.npz").k2 == 4096
    assert run(monkeypatch, capsys, "show", "--store", store, "--boxes", tmp_path / "b.npz")[0] == 2
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--export", tmp_path / "map.xlsx")
    assert (code, printed.err.count("\n")) == (2, 1)
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--export", tmp_path / "map.csv")
    assert (code, printed.out.splitlines()[-1]) == (0, f"  written to {tmp_path / 'map.csv'}")
    assert (tmp_path / "map.csv").read_text().count("\n") == 1 + 2 * len(contents(store))
    for bad in BAD:
        code, printed = run(monkeypatch, capsys, "map", *bad.split(), "--store", tmp_path / "none")
        assert code == 2
        assert printed.err.count("\n") == 1
    assert not (tmp_path / "none").exists()
    code, printed = run(monkeypatch, capsys, "show", "--store", tmp_path / "none")
    assert (code, printed.err.count("\n")) == (2, 1)
    assert run(monkeypatch, capsys, "show", "--export", tmp_path / "map.csv")[0] == 2
    assert run(monkeypatch, capsys, "show", "--regions")[0] == 2
    assert run(monkeypatch, capsys, "show", "--prove", 1)[0] == 2


def test_two_groups_and_the_limit(tmp_path):
    definition = Definition(groups((1, 4)), 8, 0, (2, math.inf), batch=8)
    with Store(tmp_path / "s", definition.as_json()) as opened:
        sweep(definition, opened, HERE)
        result = summarize(opened)
    assert (result.priors, result.unconverged, result.k) == (8, 0, (2, "inf"))


@pytest.mark.parametrize("family", ["1/2,*,*,*", "longtail:1000,C=4"])
def test_slices_and_profiles_of_four_classes_agree_with_the_single_solver(family, tmp_path):
    definition = Definition(parse(family), 3, 0, (4,), batch=8)
    with Store(tmp_path / "s", definition.as_json()) as opened:
        sweep(definition, opened, HERE)
        result = summarize(opened)
        found = dict(profiles(definition, opened))
    assert result.complete
    assert result.unconverged == 0
    assert result.family == family
    cell, profile = next(iter(found.items()))
    single = downstream.run(definition.prior(cell), 4)
    assert profile.values["weighted_optimal"][0] == pytest.approx(single.sup.upper, abs=1e-7)
    assert profile.values["weighted_mean"][0] == pytest.approx(single.mean_classifier.upper, abs=1e-7)


def test_the_strongest_cells_are_proven(store, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "certificates"
    code, printed = run(monkeypatch, capsys, "show", "--store", store, "--prove", 1, "--certificates", folder, "--json")
    assert code == 0
    shown = json.loads(printed.out)
    strongest = {(v["weighting"], v["classifier"]): v["largest"][0] for v in shown["versions"] if v["largest"]}
    assert ("weighted", "mean") in strongest
    findings = shown["proven"]["findings"]
    assert {(f["weighting"], f["classifier"]) for f in findings} == set(strongest)
    assert shown["proven"]["unproven"] == []
    for f in findings:
        rise = strongest[f["weighting"], f["classifier"]]
        assert (f["rho"], f["k1"], f["k2"]) == (rise["rho"], rise["k1"], rise["k2"])
        assert f["increase_lower"] == pytest.approx(rise["increase"], abs=1e-8)
        certificate = json.loads((folder / f["certificate"]).read_text())
        assert certificate["statement"]["rho"] == f["rho"]
        assert checker.check(certificate).verdict == "accepted"


def test_what_the_checker_refuses_is_not_called_proven(store, tmp_path, monkeypatch):
    monkeypatch.setattr("verify.certify.publish.check", lambda _: Verdict("rejected", "for this test", {}))
    with Store(store) as opened:
        found = dict(profiles(DEFINITION, opened))
    made = prove_strongest(DEFINITION, found, 1, tmp_path / "none")
    assert made.findings == ()
    assert len(made.unproven) >= 1
    assert list((tmp_path / "none").iterdir()) == []


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
            cells = solve(Logistic(), prior.as_array()[None], (rise["k1"], rise["k2"]))
            losses = (cells.optimal if column[1] == "optimal" else cells.mean)[0, :, WEIGHTINGS.index(column[0])]
            assert losses[1] - losses[0] == pytest.approx(rise["increase"], abs=1e-8)


@pytest.mark.parametrize(
    "name", ["map-C3", "map-C4-half", "map-C10-majority", "map-C10-three-seven", "map-C10-longtail"]
)
def test_committed_pictures_are_of_the_committed_maps(name):
    committed = json.loads((command.FINDINGS / f"{name}.json").read_text())["map"]
    assert committed["complete"]
    for finding in committed["proven"]["findings"]:
        certificate = json.loads((command.FINDINGS / finding["certificate"]).read_text())
        assert checker.check(certificate).verdict == "accepted"
        assert certificate["statement"]["rho"] == finding["rho"]
        assert [p["k"] for p in certificate["statement"]["points"]] == [finding["k1"], finding["k2"]]
        assert Fraction(certificate["statement"]["increase"]) >= Fraction(finding["increase_lower"])
    made = picture.read(command.FINDINGS / f"{name}.npz")
    assert (str(made.family), made.ks.tolist()) == (committed["family"], committed["k"])
    assert made.weight.sum() == pytest.approx(1)
    for i, version in enumerate(committed["versions"]):
        assert made.versions[i] == f"{version['weighting']}_{version['classifier']}"
        assert made.weight[made.rise[:, i] > 1e-8].sum() == pytest.approx(version["share"], abs=1e-9)
    for j, entry in enumerate(committed["collapse"]):
        assert made.weight[made.points[:, j] == 2].sum() == pytest.approx(entry["total"], abs=1e-9)
