"""Figures of trained networks: drawn from results of the study, and from nothing else."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pictures import assert_readable

from experiments.cifar.summary import SCHEMA, VERSION, Group, Part, Spread, Summary
from paper_figs import __main__ as command
from paper_figs import cifar
from paper_figs.data import NotMeasured, load
from paper_figs.figures.cifar_cosine import density
from paper_figs.registry import FIGURES
from paper_figs.style import paper, save
from theory import priors
from theory.geometry import gram, simplex_etf
from verify.results import as_json

NAMES = ("cifar_cosine", "cifar_accuracy", "cifar_longtail")
NUMBERS = ("linear_probe.overall", "knn.overall", "mean_classifier.overall", "to_etf.rms", "to_optimum.rms")


def group(dataset, C, k, *, seeds=(0,), imbalance=None, **changes):
    """Made-up results in the form that `summary` writes, of a run with a real configuration."""
    config = {
        "dataset": dataset,
        "provenance": "made up for a test, with a description as long as those of real files are",
        "k": k,
        "imbalance": imbalance,
        "positives": "class",
        "temperature": "1/2",
        "network": "resnet18",
        "epochs": 100,
    }
    values = {name: Spread(0.5 + 0.01 * i, 0.4, 0.7) for i, name in enumerate(NUMBERS)}
    G = tuple(map(tuple, gram(simplex_etf(C)).tolist()))
    centres = np.linspace(-0.995, 0.995, 200)
    within, between = (
        tuple(np.round(1e4 * np.exp(-(((centres - c) / width) ** 2))).astype(int).tolist())
        for c, width in ((0.9, 0.3 / (1 + np.log(k))), (-1 / (C - 1), 0.4 / (1 + np.log(k))))
    )
    part = Part(values, G, within, between)
    prior = priors.uniform(C) if imbalance is None else priors.longtail(C, Fraction(imbalance))
    optimum = {"source": "a test", "status": "numerical", "radius": None, "gram": G}
    return Group(config | changes, seeds, (0,), C, tuple(prior.as_strings()), optimum, 200, {}, {}, part, part)


def study():
    """Everything that the figures ask for, and trials that they must pass over."""
    found = [group(name, C, k, seeds=(0, 1)) for name, C in (("cifar10", 10), ("cifar100", 100)) for k in (1, 16, 256)]
    found += [group("cifar10", 10, k, imbalance=f) for f in ("10/1", "100/1") for k in (1, 16, 256)]
    found += [group("cifar10", 4, k, seeds=(0, 1, 2)) for k in (1, 2, 4, 8)]
    found += [group("cifar10", 10, k, seeds=(0, 1, 2), network="small") for k in (1, 2, 4, 8)]
    return found


def write(folder, groups, place="cifar"):
    summary = Summary(SCHEMA, VERSION, {"nce-verifier": "a test"}, (), tuple(groups), ())
    (folder / place).mkdir(parents=True)
    (folder / place / "summary.json").write_text(json.dumps(as_json(summary)))


@pytest.mark.parametrize("name", NAMES)
def test_the_study_is_drawn(name, tmp_path, monkeypatch):
    write(tmp_path, study())
    data = load(FIGURES[name], tmp_path)
    assert data.source == str(tmp_path / "cifar" / "summary.json")
    for groups in data.parts.values():
        ks = [g["config"]["k"] for g in groups]
        assert ks == [1, 16, 256]
        assert all(cifar.is_full(g) for g in groups)
    with paper():
        figure = FIGURES[name].module.draw(data.parts)
        first = [path.read_bytes() for path in save(figure, tmp_path, name)]
        again = [path.read_bytes() for path in save(FIGURES[name].module.draw(data.parts), tmp_path, name)]
        assert_readable(figure, monkeypatch)
    assert first == again


def test_the_summary_of_reproduce_is_found(tmp_path):
    write(tmp_path, study(), "cifar/study")
    data = load(FIGURES["cifar_accuracy"], tmp_path)
    assert data.source == str(tmp_path / "cifar" / "study" / "summary.json")


def test_bars_are_the_spread_over_seeds(tmp_path):
    write(tmp_path, study())
    data = load(FIGURES["cifar_accuracy"], tmp_path)
    with paper():
        axes = FIGURES["cifar_accuracy"].module.draw(data.parts).axes[0]
    line, _, (bars,) = axes.containers[0]
    assert line.get_ydata().tolist() == [0.5] * 3
    assert [segment[:, 1].tolist() for segment in bars.get_segments()] == [[pytest.approx(0.4), pytest.approx(0.7)]] * 3


def test_what_is_not_finite_is_left_out(tmp_path):
    groups = study()
    del groups[1].test.values["knn.overall"]
    write(tmp_path, groups)
    data = load(FIGURES["cifar_accuracy"], tmp_path)
    with paper():
        axes = FIGURES["cifar_accuracy"].module.draw(data.parts).axes[0]
    assert [container[0].get_xdata().tolist() for container in axes.containers] == [
        [1, 16, 256],
        [1, 256],
        [1, 16, 256],
    ]


def test_densities_have_area_one():
    heights, edges = density([0, 3, 1, 0])
    assert edges.tolist() == [-1, -0.5, 0, 0.5, 1]
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1)


TRIALS = {
    "part of the classes": [group("cifar10", 4, k) for k in (1, 16)] + [group("cifar100", 4, k) for k in (1, 16)],
    "a small network": [group(f"cifar{C}", C, k, network="small") for C in (10, 100) for k in (1, 16)],
    "the stand-in set": [group("standin", 10, k) for k in (1, 16)],
    "one k": [group(f"cifar{C}", C, 16) for C in (10, 100)],
    "one data set": [group("cifar10", 10, k) for k in (1, 16, 256)],
    "other positives": [group(f"cifar{C}", C, k, positives="augment") for C in (10, 100) for k in (1, 16)],
    "nothing": [],
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("trial", TRIALS)
def test_trials_are_never_drawn_as_the_study(trial, name, tmp_path):
    write(tmp_path, TRIALS[trial])
    with pytest.raises(NotMeasured) as said:
        load(FIGURES[name], tmp_path)
    assert "\n" not in str(said.value)
    assert "lacks" in str(said.value)


def test_without_results_the_others_are_drawn_and_the_status_is_3(tmp_path, capsys):
    if (Path(cifar.__file__).parent.parent / "experiments" / "cifar" / "results" / "summary.json").is_file():
        pytest.skip("the study is committed")
    with pytest.raises(SystemExit) as stopped:
        command.main([*NAMES, "etf", "--out", str(tmp_path / "out"), "--data", str(tmp_path / "data")])
    out = capsys.readouterr().out
    assert stopped.value.code == 3
    assert out.count("not measured: no ") == 3
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"etf.pdf", "etf.png"}


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"groups": [{}]}'])
def test_a_file_that_is_no_summary_is_one_line(damage, tmp_path):
    (tmp_path / "cifar").mkdir()
    (tmp_path / "cifar" / "summary.json").write_text(damage)
    with pytest.raises(NotMeasured, match="is no summary of runs"):
        load(FIGURES["cifar_cosine"], tmp_path)
