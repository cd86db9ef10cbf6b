"""The experiments beside `verify.embeddings`: what it costs, and the embeddings of a run."""

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.cifar import embed_command
from experiments.trained import cost
from theory.geometry import simplex_etf
from verify.trained.points import read_points


def test_cost_is_measured():
    found = cost.measure(300, 8, 5, 16, Fraction(1, 2))
    assert found.loss_seconds > 0 and found.degrees == 64 and found.peak_gigabytes > 0.05
    assert "times" in cost.report(found)


def test_embeddings_of_a_run_are_written(monkeypatch, tmp_path, capsys):
    """Of the images asked for, in a file that the command it names accepts."""
    train, test = np.repeat([0, 1, 2], [4, 2, 2]), np.array([2, 0, 1])
    data = SimpleNamespace(train_images=train, train_labels=train, test_images=test, test_labels=test)
    run = SimpleNamespace(
        configuration=SimpleNamespace(k=8, temperature="1/2"),
        dataset=lambda place: data,
        features=lambda images: (None, simplex_etf(3)[images]),
    )
    monkeypatch.setattr("experiments.cifar.runs.Run.open", lambda folder: run)
    for part, labels in (("train", train), ("test", test)):
        out = tmp_path / f"{part}.npz"
        with pytest.raises(SystemExit) as stop:
            embed_command.embed_main(["run", "--out", str(out), "--set", part, "--json"])
        printed = json.loads(capsys.readouterr().out)
        assert stop.value.code == 0 and printed["points"] == len(labels)
        assert printed["command"] == f"python -m verify.embeddings {out} --k 8 --temperature 1/2"
        given = read_points(out, None)
        np.testing.assert_allclose(given.embeddings, simplex_etf(3)[labels], atol=1e-15)
        assert np.array_equal(given.labels, labels)
    with pytest.raises(SystemExit) as stop:
        embed_command.embed_main(["run", "--out", str(Path("nowhere") / "x.npz")])
    assert stop.value.code == 2
