"""`python -m verify.augmentation`: its JSON, its refusals, and its exit statuses."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from theory import priors
from theory.augmentation.families import block, mixed_across
from theory.errors import InputError
from verify import augmentation, cli
from verify.results import Status
from verify.results.digits import interval

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


def test_each_threshold_says_how_far_it_is_settled():
    lines = augmentation.report(augmentation.run([1, math.inf], rho="0.6,0.4", threshold=True)).splitlines()
    assert [line.split()[-1] for line in lines[2:4]] == ["proved", "numerical"]


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
    ("option", "array", "says"),
    [
        ("labels", [0, 1, 1], "--labels: got '3 labels'"),
        ("encoder", [0, 0, 0, 0], "1 cell"),
        ("encoder", [0, 0, 2, 2], "--encoder: got 'class 1 without points'"),
        ("tasks", [0, 0, 0, 0], "--tasks: got 'own: 1 class'"),
        ("tasks", [0, 0, 2, 2], "--tasks: got 'own: class 1 without points'"),
    ],
)
def test_a_labeling_that_does_not_fit_is_named_by_its_option(tmp_path, capsys, option, array, says):
    pairs = np.kron(np.eye(2), [[2.0, 1], [1, 2]])
    np.savez(tmp_path / "g.npz", pairs=pairs, labels=[0, 0, 1, 1])
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", own=array)
    file = {"labels": "a.npy", "encoder": "a.npy", "tasks": "a.npz"}[option]
    given = f"{'cells:' if option == 'encoder' else ''}{tmp_path / file}"
    status, _, err = call(capsys, "--graph", str(tmp_path / "g.npz"), "--k", "1", f"--{option}", given)
    assert status == 2 and err.count("\n") == 1 and says in err


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
    # the refutation takes one dimension more than G* has, which are two here; the downstream loss is another problem's
    assert result.series[0].collapsed == "refuted" and result.series[0].sup["classes"].upper is None


def test_collapse_is_decided_in_the_dimensions_that_the_theorem_takes():
    def word(overlap, d):
        entry = augmentation.run([4], rho="uniform", C=3, points=2, overlap=overlap, d=d).series[0]
        return entry.collapsed, entry.status

    assert word("0.1", 2) == ("undecided", Status.UNDECIDED)
    assert word("0.1", 6) == ("refuted", Status.PROVED)
    assert word("0.9", 2) == ("proved", Status.UNDECIDED)  # no room for a classifier beside G*
    assert word("0.9", 3) == ("proved", Status.PROVED)
    four = augmentation.run([4], rho="uniform", C=4, points=2, overlap="1", d=2).series[0]
    assert (four.collapsed, four.status) == ("undecided", Status.UNDECIDED)


def test_a_certificate_is_about_the_dimension_that_was_asked_for(tmp_path):
    path = tmp_path / "made.json"
    with pytest.raises(InputError, match="d: got '3'"):
        augmentation.run([4], rho="1/2,1/2", points=2, overlap="0.1", d=3, certificate=path)
    assert augmentation.run([4], rho="1/2,1/2", points=2, overlap="0.1", d=9, certificate=path).certificate
    assert json.loads(path.read_text())["statement"]["d"] == 9


def test_a_wide_bracket_is_not_printed_as_one_number():
    # at the optimum all classes are on one point: log 2, of which the bracket says little
    result = augmentation.run([1], rho="1/2,1/2", points=2, overlap="0.1", across="1")
    sup = result.series[0].sup["classes"]
    assert sup.upper - sup.lower > 1e-3 and sup.lower <= math.log(2) <= sup.upper
    assert interval(sup.lower, sup.upper) in augmentation.report(result)


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
