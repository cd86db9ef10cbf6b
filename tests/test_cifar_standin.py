"""Networks trained on the generated images meet the theory: the simplex ETF, and the optimum of a long tail."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.cifar.dataset import load
from experiments.cifar.defaults import complete
from experiments.cifar.evaluate_command import evaluate
from experiments.cifar.runs import Run
from experiments.cifar.training import train
from theory.geometry import off_diagonal


def trained(folder, data, **given):
    """Train on these images and measure."""
    configuration = complete({"dataset": data.name, "provenance": data.provenance, **given}, "cpu")
    run = Run.create(folder, configuration)
    assert train(run, data).status == "finished"
    return evaluate(run, data).embeddings


FOUR = {"classes": 4, "width": 8, "batch": 64, "epochs": 32}


def check_etf(folder, k):
    """Cosines of the class means of the training set within 0.05 of -1/3; the held-out set is reported beside."""
    begun = time.perf_counter()
    metrics = trained(folder, load("standin", classes=4), k=k, **FOUR)
    held_out = off_diagonal(np.array(metrics.test.gram))
    print(f"k = {k}: {metrics.train.to_etf.max:.4f}, held out {held_out.round(3)}, {time.perf_counter() - begun:.0f} s")
    assert metrics.train.to_etf.max <= 0.05
    assert metrics.train.mean_classifier.overall > 0.97 and metrics.test.mean_classifier.overall > 0.8


def test_balanced_classes_reach_the_simplex_etf(tmp_path):
    check_etf(tmp_path / "run", 64)


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 8])
def test_balanced_classes_reach_the_simplex_etf_at_other_k(k, tmp_path):
    check_etf(tmp_path / "run", k)


LONG_TAIL = {"classes": 4, "imbalance": 10, "per_class": 1500}


@pytest.mark.slow
def test_a_long_tail_reaches_the_computed_optimum(tmp_path):
    """Largest entry error against the computed optimum at most 0.15, and far below that against the ETF."""
    data = load("standin", **LONG_TAIL)
    given = {**LONG_TAIL, "width": 8, "batch": 64, "epochs": 28, "k": 8}
    given |= {"temperature": "1/2", "initial_temperature": "1/5"}
    metrics = trained(tmp_path / "run", data, **given)
    found = metrics.train
    print(f"to the optimum {found.to_optimum.max:.4f}, to the ETF {found.to_etf.max:.4f}: {found.optimum_over_etf:.3f}")
    assert metrics.optimum.source == "verify.optimum" and metrics.optimum.status == "proved"
    assert found.to_optimum.max <= 0.15
    assert found.optimum_over_etf < 0.5


@pytest.mark.slow
def test_real_images_are_measured_and_memorized(tmp_path):
    """All metrics, without a threshold on how near the theory they are; NCE_CIFAR10 names the folder of the images."""
    folder = os.environ.get("NCE_CIFAR10")
    if folder is None:
        pytest.skip("NCE_CIFAR10 does not name a folder with CIFAR-10")
    data = load("cifar10", Path(folder), classes=4, per_class=100)
    metrics = trained(tmp_path / "run", data, classes=4, per_class=100, k=8, epochs=40, augmentation="none", batch=64)
    assert metrics.train.images == 400 and metrics.test.images == 4000
    assert metrics.train.mean_classifier.overall > metrics.test.mean_classifier.overall > 0.25
    print(off_diagonal(np.array(metrics.train.gram)), "memorized, against -1/3")
