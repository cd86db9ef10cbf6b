"""`python -m verify.augmentation`: its JSON, its refusals, and its exit statuses."""

import json
from fractions import Fraction

import numpy as np
import pytest

from theory import priors
from theory.augmentation.families import block, mixed_across
from theory.errors import InputError
from verify import augmentation, cli
from verify.results import Status

BLOCK = ["--rho", "0.5,0.3,0.2", "--points", "3", "--overlap", "0.3"]
CROSSING = ["--k", "1", "--across", "0.1", "--certificate", "c.json"]


def call(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        augmentation.main(list(arguments))
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def test_json_of_the_block_family(capsys):
    status, out, _ = call(capsys, *BLOCK, "--k", "1,16", "--json")
    result = json.loads(out)
    assert status == 0 and result["status"] == "proved"
    assert result["graph"]["points"] == 9 and result["graph"]["gaps"] == pytest.approx([0.3] * 3)
    assert [entry["k"] for entry in result["series"]] == [1, 16]
    for entry in result["series"]:
        assert entry["collapsed"] == "refuted"
        assert len(entry["thresholds"]) == 3 and max(entry["thresholds"]) > 0.3
        assert entry["nce"]["lower"] <= entry["nce"]["upper"]
        assert entry["sup"]["classes"]["lower"] <= entry["sup"]["classes"]["upper"]
    rise = result["witness"]["classes"]
    assert (rise["k1"], rise["k2"]) == (1, 16) and rise["increase_lower"] > 0.01


def test_thresholds_without_a_graph(capsys):
    status, out, _ = call(capsys, "--rho", "uniform", "--C", "10", "--k", "1,16,inf", "--threshold", "--json")
    result = json.loads(out)
    assert status == 0 and result["graph"] is None
    found = [round(entry["thresholds"][0], 4) for entry in result["series"]]
    assert found == [0.0925, 0.1508, 0.1693]
    assert result["series"][2]["k"] == "inf" and result["status"] == "numerical"


def test_files_tasks_and_encoders(tmp_path, capsys):
    graph, cells, tasks = tmp_path / "g.npz", tmp_path / "c.npy", tmp_path / "t.npz"
    pairs = np.array([[2.0, 1, 0, 0], [1, 2, 0, 0], [0, 0, 3, 0.5], [0, 0, 0.5, 1]])
    np.savez(graph, pairs=pairs, labels=[0, 0, 1, 1])
    np.savez(tasks, odd=np.array([0, 1, 0, 1]))
    np.save(cells, np.array([0, 0, 1, 1]))
    status, out, _ = call(capsys, "--graph", str(graph), "--tasks", str(tasks), "--k", "2", "--json")
    assert status == 0 and set(json.loads(out)["series"][0]["sup"]) == {"classes", "odd"}
    status, out, _ = call(capsys, "--graph", str(graph), "--encoder", f"cells:{cells}", "--k", "2")
    assert status == 0 and "constant on 2 cells" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--rho", "0.5,0.5", "--k", "1"], "--graph"),
        ([*BLOCK[:-1], "1.5", "--k", "1"], "--overlap"),
        (["--graph", "/nowhere.npz", "--k", "1"], "--graph"),
        ([*BLOCK, "--k", "0"], "--k"),
        ([*BLOCK, "--k", "1", "--loss", "hinge"], "--loss"),
        ([*BLOCK, "--k", "1", "--encoder", "cells"], "--encoder"),
        ([*BLOCK, "--k", "1,2", "--certificate", "c.json", "--kind", "global-optimum"], "--kind"),
        (
            [*BLOCK, "--k", "1", "--across", "0.1", "--certificate", "c.json", "--kind", "indistinguishability"],
            "--kind",
        ),
        (["--k", "1", "--threshold"], "--rho"),
    ],
)
def test_refusals_are_one_line(capsys, arguments, says):
    status, out, err = call(capsys, *arguments)
    assert status == 2 and out == ""
    assert err.count("\n") == 1 and says in err


def test_a_smaller_dimension_is_handled_honestly():
    result = augmentation.run([4], rho="1/2,1/2", points=3, overlap=Fraction(1, 10), d=2)
    assert result.status is Status.UNDECIDED
    assert result.series[0].nce.upper is None and "relaxation" in result.series[0].note


def test_pairs_across_classes_have_no_thresholds():
    result = augmentation.run([1, 64], rho="1/2,1/2", points=2, overlap="0.4", across="0.1")
    assert result.graph.crosses and all(entry.thresholds is None for entry in result.series)
    crossing = mixed_across(block(priors.uniform(2), 2, Fraction(1, 2)), Fraction(1, 9))
    with pytest.raises(InputError, match="stay in their class"):
        augmentation.run([1], graph=crossing, threshold=True)


def test_the_report_reads(capsys):
    result = augmentation.run([1, 64], rho="1/2,1/2", points=2, overlap="0.1")
    text = augmentation.report(result)
    assert "rises by at least" in text and "spectral gaps" in text
    assert cli.payload(result)["problem"]["k"] == [1, 64]
