"""The study: in order, within its time, resumed where it was left; and the timings that belong to it."""

import json

import pytest

from experiments.cifar.defaults import complete
from experiments.cifar.reproduce import reproduce
from experiments.cifar.reproduce_command import report
from experiments.cifar.study import PARTS, Item, items
from experiments.cifar.throughput_command import throughput_main

TINY = {"dataset": "standin", "classes": 3, "per_class": 32, "size": 12, "width": 8, "dimension": 4, "batch": 16}
WANTED = (
    Item("a", "tiny-k3-seed0", given={**TINY, "k": 3, "epochs": 2}),
    Item("b", "kernel-C20-k4", "kernel", {"C": 20, "k": 4}),
    Item("t", "throughput-k3", "throughput", {**TINY, "k": 3}),
)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_the_study_is_in_order_and_every_configuration_is_valid(platform):
    study = items(platform)
    assert len({item.name for item in study}) == len(study)
    letters = [list(PARTS).index(item.part) for item in study]
    assert letters == sorted(letters) and set(letters) == set(range(len(PARTS)))
    for item in study:
        if item.kind != "kernel":
            made = complete({**item.given, "provenance": "nowhere"}, platform)
            assert made.network == ("small" if platform == "cpu" else "resnet18")
            assert made.dtype == ("float32" if platform == "cpu" else "bfloat16")
    if platform == "gpu":
        assert [i.given["k"] for i in study if i.part == "a"] == [1, 4, 16, 64, 256, 1024, 4096]


def test_the_study_keeps_what_is_done_and_goes_on(tmp_path):
    none = reproduce(None, tmp_path, minutes=0, wanted=WANTED)
    assert none.measured == () and none.missing == tuple(item.name for item in WANTED)
    # a budget that ends within the first epoch
    begun = reproduce(None, tmp_path, minutes=1e-6, wanted=WANTED)
    assert begun.begun == ("tiny-k3-seed0",) and begun.measured == ()
    assert "to be resumed: tiny-k3-seed0" in report(begun)
    whole = reproduce(None, tmp_path, minutes=100, wanted=WANTED)
    assert whole.measured == tuple(item.name for item in WANTED) and not whole.failed and not whole.missing
    log = (tmp_path / "tiny-k3-seed0" / "log.jsonl").read_text()
    assert [json.loads(line)["epoch"] for line in log.splitlines()] == [1, 2]
    kernel = json.loads((tmp_path / "kernel-C20-k4.json").read_text())
    assert kernel["error"] < 1e-12 and kernel["seconds"]["median"] > 0 and kernel["products_seconds"]["median"] > 0
    timed = json.loads((tmp_path / "throughput-k3.json").read_text())["throughput"]
    assert 0 < timed["bare_seconds"] < timed["step_seconds"] * 3 and timed["flops_per_image"] > 1000
    assert len(json.loads((tmp_path / "summary.json").read_text())["runs"]) == 1
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}
    again = reproduce(None, tmp_path, minutes=100, wanted=WANTED)
    assert again.measured == whole.measured
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("metrics.json")}


def test_throughput_says_what_the_loss_costs(capsys, tmp_path):
    words = ["--classes", "3", "--per-class", "32", "--size", "12", "--width", "8", "--batch", "16", "--k", "3"]
    with pytest.raises(SystemExit) as stopped:
        throughput_main([*words, "--repetitions", "2", "--out", str(tmp_path / "t.json")])
    assert stopped.value.code == 0
    assert "with the NCE loss" in capsys.readouterr().out
    assert json.loads((tmp_path / "t.json").read_text())["throughput"]["images"] == 32
