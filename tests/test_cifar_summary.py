"""The summary of runs: every number is that of the runs, and nothing is left out in silence."""

import csv
import io
import json
import math
import shutil

import numpy as np
import pytest

from experiments.cifar.evaluation import evaluate_features
from experiments.cifar.summary import numbers, summarize
from experiments.cifar.summary_command import summary_main
from experiments.cifar.summary_output import markdown, write
from theory import priors
from theory.errors import InputError
from verify.results import as_json

CONFIG = {
    "dataset": "cifar10",
    "provenance": "CIFAR-10 recompressed as JPEG quality 75",
    "classes": 3,
    "imbalance": None,
    "positives": "class",
    "temperature": "1",
}


def write_run(folder, k, seed, **changes):
    folder.mkdir(parents=True)
    rng = np.random.default_rng([k, seed])
    labels = np.arange(30) % 3
    features = rng.normal(size=(3, 4))[labels] + 0.8 * rng.normal(size=(30, 4))
    found = evaluate_features(
        features[:18], labels[:18], features[18:], labels[18:], prior=priors.uniform(3), k=k, temperature=1
    )
    record = {"device": "a processor", "wall_seconds": 10.0 + seed, "images_per_second": 5.0, "status": "finished"}
    config = CONFIG | {"k": k, "seed": seed} | changes
    for name, value in (("config", config), ("record", record), ("metrics", as_json(found))):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return as_json(found)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Four seeds at k = 8, two at k = 64, one with another temperature, and one that has not been evaluated."""
    folder = tmp_path_factory.mktemp("measured")
    metrics = {(k, seed): write_run(folder / f"k{k}-{seed}", k, seed) for k in (64, 8) for seed in range(4 - k // 32)}
    write_run(folder / "warm", 8, 0, temperature="2")
    write_run(folder / "unfinished", 8, 9)
    (folder / "unfinished" / "metrics.json").unlink()
    return folder, metrics


@pytest.fixture
def runs(measured, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(measured[0], tmp_path / "runs"), measured[1]


def test_groups_are_the_runs_that_differ_in_the_seed(runs):
    folder, metrics = runs
    found = summarize([folder])
    assert [(g.config["temperature"], g.config["k"], g.seeds) for g in found.groups] == [
        ("1", 8, (0, 1, 2, 3)),
        ("1", 64, (0, 1)),
        ("2", 8, (0,)),
    ]
    assert found.left_out == ("unfinished",) and len(found.runs) == 7
    for group in found.groups[:2]:
        k = group.config["k"]
        mine = [metrics[k, seed] for seed in group.seeds]
        assert [found.runs[i].metrics for i in group.runs] == mine
        for name in ("train", "test"):
            part = getattr(group, name)
            accuracy = [m[name]["linear_probe"]["overall"] for m in mine]
            spread = part.values["linear_probe.overall"]
            assert spread.mean == pytest.approx(np.mean(accuracy))
            assert (spread.min, spread.max) == (min(accuracy), max(accuracy))
            angles = [m[name]["neural_collapse"]["nc2_means"]["angles"] for m in mine]
            assert part.values["neural_collapse.nc2_means.angles"].max == max(angles)
            np.testing.assert_allclose(part.gram, np.mean([m[name]["gram"] for m in mine], axis=0), atol=1e-6)
            for side in ("within", "between"):
                added = np.sum([m[name]["cosines"][side]["counts"] for m in mine], axis=0)
                assert getattr(part, side) == tuple(added.tolist()) and len(added) == group.bins
        assert group.C == 3 and group.rho == ("1/3",) * 3 and group.optimum["source"] == "simplex ETF"


def test_the_same_runs_in_any_order_make_the_same_summary(runs):
    folder, _ = runs
    each = [path for path in folder.iterdir() if path.name != "unfinished"]
    assert as_json(summarize(each)) == as_json(summarize(each[::-1] + each[:1]))


def test_files(runs, tmp_path):
    folder, metrics = runs
    found = summarize([folder])
    paths = write(found, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in paths)
    document = json.loads(paths[0].read_text())
    assert document["schema"] == "nce-cifar-summary" and document["version"] == 1
    assert document["groups"][0]["test"]["values"]["knn.overall"].keys() == {"mean", "min", "max"}
    assert document["runs"][0]["metrics"] == metrics[8, 0]
    rows = list(csv.DictReader(io.StringIO(paths[2].read_text())))
    assert len(rows) == 2 * len(found.runs)
    assert float(rows[1]["to_etf.max"]) == metrics[8, 0]["test"]["to_etf"]["max"] and rows[1]["set"] == "test"
    assert {row["device"] for row in rows} == {"a processor"}
    assert str(tmp_path) not in "".join(path.read_text() for path in paths)


def test_tables_say_what_was_measured(runs):
    folder, metrics = runs
    text = markdown(summarize([folder]))
    assert text.count("## CIFAR-10, 3 classes") == 2 and "JPEG quality 75" in text
    assert "6 runs on a processor, 10 to 13 s each." in text and "not been evaluated: unfinished" in text
    values = [metrics[8, seed]["test"]["knn"]["overall"] for seed in range(4)]
    row = next(line for line in text.splitlines() if line.startswith("| 8 | 4 | test |"))
    assert f"{np.mean(values):.4f} [{min(values):.4f}, {max(values):.4f}]" in row
    tables = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert set(tables) == {8, 11, 12}
    excess = [metrics[8, seed]["loss"]["excess"] for seed in range(4)]
    row = next(line for line in text.splitlines() if line.startswith("| 8 | 4 | ") and line.count("|") == 12)
    assert f"{np.mean(excess):.5f} [{min(excess):.5f}, {max(excess):.5f}]" in row


def test_what_is_not_finite_is_said_so(runs):
    folder, _ = runs
    path = folder / "warm" / "metrics.json"
    changed = json.loads(path.read_text())
    changed["test"]["optimum_over_etf"] = None
    changed["rho"] = ["1/2", "3/10", "1/5"]
    path.write_text(json.dumps(changed))
    found = summarize([folder / "warm"])
    assert "optimum_over_etf" not in found.groups[0].test.values
    text = markdown(found)
    assert "n/a" in text and "largest over smallest class 2.5" in text and "1 runs on a processor, 10 s" in text


def test_bad_folders_are_one_line(runs, tmp_path):
    folder, _ = runs
    (tmp_path / "nothing").mkdir()
    damaged = folder / "warm"
    for place, complaint in (
        (tmp_path / "nothing", "no run in it"),
        (folder / "unfinished", "evaluated runs"),
    ):
        with pytest.raises(InputError, match=complaint) as caught:
            summarize([place])
        assert caught.value.option == "runs"
    whole = (damaged / "metrics.json").read_text()
    for text, complaint in (
        (whole[:-20], "cannot be read"),
        ("[]", "not a JSON object"),
        ("{}", "not a run of this version"),
    ):
        (damaged / "metrics.json").write_text(text)
        with pytest.raises(InputError, match=complaint):
            summarize([folder])


def test_the_command_prints_tables_and_writes_files(runs, tmp_path, capsys):
    folder, _ = runs
    out = tmp_path / "out"
    for options, code in (([], 0), (["--out", str(out), "--json"], 0), (["--out", str(out / "summary.md")], 2)):
        with pytest.raises(SystemExit) as stop:
            summary_main([str(folder), *options])
        assert stop.value.code == code
        printed = capsys.readouterr()
        if not options:
            assert printed.out.startswith("# Trained networks") and not out.exists()
        elif code == 0:
            found = json.loads(printed.out)
            assert found["runs"] == 7 and found["groups"] == 3 and found["left_out"] == ["unfinished"]
            assert len(found["files"]) == 3 and (out / "summary.json").is_file()
        else:
            assert printed.err.count("\n") == 1 and "--out" in printed.err


def test_numbers_by_dotted_name():
    nested = {"a": 1.0, "b": {"c": None, "d": {"e": math.pi}, "list": [1, 2]}}
    assert dict(numbers(nested)) == {"a": 1.0, "b.c": None, "b.d.e": math.pi}
