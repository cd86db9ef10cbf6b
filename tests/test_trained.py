"""The experiments beside `verify.embeddings`: what it costs, the table of floors, the embeddings of a run."""

import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.trained import cost, floors
from experiments.trained.embed import embed
from theory.geometry import simplex_etf
from verify.trained.points import read_points


def test_cost_is_measured():
    found = cost.measure(300, 8, 5, 16, Fraction(1, 2))
    assert found.loss_seconds > 0 and found.degrees == 64 and found.peak_gigabytes > 0.05
    assert "times" in cost.report(found)


def test_the_table_has_minimum_chance_and_etf(monkeypatch):
    monkeypatch.setattr(floors, "SETTINGS", (("ten", "uniform", 10), ("three", "1/2,1/4,1/4", 3)))
    monkeypatch.setattr(floors, "NEGATIVES", (16,))
    monkeypatch.setattr(floors, "TEMPERATURES", ("0.5",))
    equal, tail = floors.floors().rows
    for row in (equal, tail):
        assert row.status == "proved" and row.lower <= row.upper < row.chance == pytest.approx(math.log(17))
    assert equal.etf == pytest.approx(equal.upper, abs=1e-12)
    assert tail.etf > tail.upper + 1e-4
    assert floors.report(floors.floors()).count("\n") == 3


def test_embeddings_of_a_run_are_written_and_measured(monkeypatch, tmp_path):
    labels = np.repeat([0, 1, 2], [4, 2, 2])
    data = SimpleNamespace(train_images=labels, train_labels=labels)
    run = SimpleNamespace(
        configuration=SimpleNamespace(k=8, temperature="1/2"),
        dataset=lambda place: data,
        features=lambda images: (None, simplex_etf(3)[images]),
    )
    monkeypatch.setattr("experiments.cifar.runs.Run.open", lambda folder: run)
    found = embed(Path("run"), tmp_path / "run.npz", tmp_path)
    assert found.measures.spread == pytest.approx(0, abs=1e-12) and found.measures.geometry > 1e-4
    given = read_points(tmp_path / "run.npz", None)
    np.testing.assert_allclose(given.embeddings, simplex_etf(3)[labels], atol=1e-15)
