"""The study: in order, within its time, resumed where it was left; and the timings that belong to it."""

import gzip
import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from cifar_files import content, write_binary
from scipy.stats import binom

from experiments.cifar import reproduce as reproduce_module
from experiments.cifar.defaults import complete
from experiments.cifar.reproduce import _Images, reproduce
from experiments.cifar.reproduce_command import report, reproduce_main
from experiments.cifar.study import OVERLAPS, PARTS, Item, items, kind_of, rehearsal
from experiments.cifar.throughput_command import throughput_main

TINY = {"dataset": "standin", "classes": 3, "per_class": 32, "size": 12, "width": 8, "dimension": 4, "batch": 16}
WANTED = (
    Item("a", "tiny-k3-seed0", given={**TINY, "k": 3, "epochs": 2}),
    Item("b", "kernel-C20-k4", "kernel", {"C": 20, "k": 4}),
    Item("t", "throughput-k3", "throughput", {**TINY, "k": 3}),
)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_every_configuration_of_the_study_is_valid(platform):
    study = items(platform)
    assert len({item.name for item in study}) == len(study)
    assert {item.part for item in study} == set(PARTS[kind_of(platform)])
    for item in study:
        if item.kind != "kernel":
            made = complete({**item.given, "provenance": "nowhere"}, platform)
            assert made.network == ("small" if platform == "cpu" else "resnet18")
            assert made.dtype == ("float32" if platform == "cpu" else "bfloat16")
            if made.positives != "augment":
                assert made.initial_temperature == Fraction(1, 3) and made.weight_decay == 0.1
    ks = {item.given["k"] for item in study if item.part == ("a" if platform == "cpu" else "b")}
    assert ks == {1, 4, 16, 64, 256, 1024, 4096}


def test_the_studies_of_processor_and_accelerator_have_names_of_their_own():
    assert not {item.name for item in items("cpu")} & {item.name for item in items("gpu")}


def test_overlaps_lie_below_and_above_the_threshold():
    """Of ten equal classes at temperature 1, by the closed form: `alpha*(k)` increases with `k`."""
    e, C = math.exp(-10 / 9), 10

    def threshold(k):
        m = np.arange(k + 1)
        p = binom.pmf(m, k, 1 / C)
        S = m + (k - m) * e
        own, others = (float(p @ (weight / (1 + S))) for weight in (m, (k - m) * e))
        return (own - others / (C - 1)) / float(p @ (S / (1 + S)))

    first, last = threshold(1), threshold(256)
    assert first == pytest.approx(0.0925, abs=1e-4) and threshold(16) == pytest.approx(0.1508, abs=1e-4)
    below, between, above = (Fraction(overlap) for overlap in OVERLAPS)
    assert below < first < between < threshold(16) < last < (1 - e) / (1 + (C - 1) * e) < above


class Clock:
    """Time that passes only when the study says something of the item named first."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr("time.monotonic", lambda: self.now)

    def __call__(self, text):
        self.now += 60 * text.count("epoch 1 of 2: loss")


def test_the_study_keeps_what_is_done_and_goes_on(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    none = reproduce(None, tmp_path, minutes=0, wanted=WANTED, progress=clock)
    assert none.measured == () and none.missing == tuple(item.name for item in WANTED)
    # a budget that ends within the first epoch
    begun = reproduce(None, tmp_path, minutes=0.5, wanted=WANTED, progress=clock)
    assert begun.begun == ("tiny-k3-seed0",) and begun.measured == ()
    assert "to be resumed: tiny-k3-seed0" in report(begun)
    whole = reproduce(None, tmp_path, minutes=100, wanted=WANTED)
    assert whole.measured == tuple(item.name for item in WANTED) and not whole.failed and not whole.missing
    assert json.loads((tmp_path / "study.json").read_text())["measured"] == list(whole.measured)
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


def test_an_item_that_fails_is_recorded_and_passed_over(tmp_path, monkeypatch):
    """Images that are missing, a loss that is not finite, an error of a library, a process that dies."""

    def out_of_memory(*arguments, **options):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory\nwhile allocating")

    monkeypatch.setattr("experiments.cifar.throughput.measure", out_of_memory)
    diverging = {**TINY, "optimizer": "sgd", "learning_rate": 100.0, "weight_decay": 1.0, "epochs": 40, "k": 3}
    wanted = (
        Item("a", "nowhere-k3-seed0", given={"dataset": "cifar10", "k": 3}),
        Item("a", "throughput-k3", "throughput", {**TINY, "k": 3}),
        Item("a", "kernel-C1-k4", "kernel", {"C": 1, "k": 4}),
        Item("a", "diverging-k3-seed0", given=diverging),
        Item("a", "tiny-k3-seed0", given={**TINY, "k": 3, "epochs": 1}),
    )
    said = []
    found = reproduce(tmp_path / "none", tmp_path / "out", minutes=100, wanted=wanted, ended=said.append)
    assert found.measured == ("tiny-k3-seed0",) and not found.missing
    assert set(found.failed) == {item.name for item in wanted[:-1]}
    assert found.failed["throughput-k3"] == "RuntimeError: RESOURCE_EXHAUSTED: out of memory while allocating"
    assert "no such folder" in found.failed["nowhere-k3-seed0"] and "InputError" in found.failed["kernel-C1-k4"]
    assert found.failed["diverging-k3-seed0"] == "the loss is not finite"
    assert len(said) == 5 and "failed: throughput-k3" in report(found)
    assert json.loads((tmp_path / "out" / "study.json").read_text())["failed"] == found.failed


def test_the_provenance_of_a_data_set_can_be_said(tmp_path):
    place = write_binary(tmp_path, "cifar10", *content("cifar10", 40, 20)).parent
    images = _Images(place, {"cifar10": "recompressed"})
    assert images({"dataset": "cifar10"}).provenance.startswith("recompressed")
    with pytest.raises(SystemExit) as stopped:
        reproduce_main(["--provenance", "cifar9=x"])
    assert stopped.value.code == 2


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
def test_a_rehearsal_has_one_of_each_kind_of_every_part(platform):
    study, few = items(platform), rehearsal(items(platform))
    assert {item.part for item in few} == set(PARTS[kind_of(platform)])

    def kind(item):
        varied = ("k", "seed", "overlap", "epochs", "per_class", "batch", "network", "width", "imbalance", "C")
        return item.kind, tuple(sorted((k, str(v)) for k, v in item.given.items() if k not in varied))

    assert {kind(item) for item in few} == {kind(item) for item in study}
    for item in few:
        if item.kind != "kernel":
            assert complete({**item.given, "provenance": "nowhere"}, platform).epochs == 1
            assert item.given["k"] > item.given["batch"] and item.given["per_class"] == 8


@pytest.mark.slow
def test_every_part_runs_on_an_accelerator_without_flint(tmp_path):
    """The whole path at tiny sizes, the platform reported as an accelerator; several minutes."""
    script = Path(__file__).parent / "rehearse_accelerator.py"
    environment = os.environ | {"PYTHONPATH": str(script.parent.parent)}
    found = subprocess.run(
        [sys.executable, script, tmp_path], env=environment, capture_output=True, text=True, check=True
    )
    study = json.loads(found.stdout.splitlines()[-1])
    assert not study["failed"] and not study["missing"] and not study["begun"], study
    assert len(study["measured"]) == len(rehearsal(items("gpu"))) == len(study["said"])


def test_no_module_needs_flint():
    """It is not on every image of a GPU: all modules, and the optimum of a long tail, without it."""
    script = """
import sys
sys.modules["flint"] = None
import importlib, pkgutil
import experiments.cifar as package
for module in pkgutil.walk_packages(package.__path__, "experiments.cifar."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from fractions import Fraction
from experiments.cifar.prediction import predicted
from theory import priors
found = predicted(priors.longtail(5, Fraction(10)), 4, Fraction(1, 2), 8)
from theory.geometry import simplex_etf
from verify.embeddings import measure
measured = measure(simplex_etf(3)[[0, 0, 1, 2]], [0, 0, 1, 2], 4)
print(found.status, found.nce[1] - found.nce[0] < 1e-8, found.radius, measured.status, measured.spread < 1e-12)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert found.stdout == "numerical True None Status.NUMERICAL True\n", found.stderr


def test_the_script_brings_results_home_however_it_ends(tmp_path):
    """With a `python` that stands for the study: parts in order, one of which fails; no checkpoint, no large file."""
    stand_in = tmp_path / "bin" / "python"
    stand_in.parent.mkdir()
    stand_in.write_text(
        """#!/bin/bash
while [ $# -gt 0 ]; do case $1 in --out) out=$2;; --parts) part=$2;; esac; shift; done
mkdir -p $out/run-$part/checkpoints $out/compiled
echo {} > $out/run-$part/metrics.json; echo {} > $out/run-$part/checkpoints/state.json; echo {} > $out/compiled/x.json
echo $part >> $out/parts.md
[ $part = b ] && exit 70
[ $part = c ] && head -c 17000000 /dev/urandom > $out/large.json
exit 0
"""
    )
    stand_in.chmod(0o755)
    script = Path(reproduce_module.__file__).parent / "gpu_study.sh"
    environment = os.environ | {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    words = ["bash", script, tmp_path / "images", tmp_path / "home", "5", tmp_path / "work"]
    subprocess.run(words, env=environment, check=True, capture_output=True)
    home = tmp_path / "home"
    assert (home / "parts.md").read_text().split() == list("abcdef")
    names = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    large = {name for name in names if name.startswith("large.json.gz.part-")}
    assert names == {f"run-{part}/metrics.json" for part in "abcdef"} | {"parts.md"} | large and len(large) == 2
    assert all(path.stat().st_size <= 15 << 20 for path in home.rglob("*"))
    packed = b"".join((home / name).read_bytes() for name in sorted(large))
    assert gzip.decompress(packed) == (tmp_path / "work" / "large.json").read_bytes()


def test_throughput_says_what_the_loss_costs(capsys, tmp_path):
    words = ["--classes", "3", "--per-class", "32", "--size", "12", "--width", "8", "--batch", "16", "--k", "3"]
    with pytest.raises(SystemExit) as stopped:
        throughput_main([*words, "--repetitions", "2", "--out", str(tmp_path / "t.json")])
    assert stopped.value.code == 0
    assert "with the NCE loss" in capsys.readouterr().out
    assert json.loads((tmp_path / "t.json").read_text())["throughput"]["images"] == 32
