"""The figure of certified gaps: it draws the curves that are committed, or a user's own."""

import json
from importlib.resources import files

import pytest
from pictures import assert_readable

from experiments.benchmarks.scale import METHODS
from paper_figs.data import NotMeasured, load
from paper_figs.registry import FIGURES
from paper_figs.style import paper

ENTRY = FIGURES["methods"]


def test_every_method_that_was_tried_is_drawn(tmp_path, monkeypatch):
    data = load(ENTRY, tmp_path)
    assert data.source == "committed"
    assert set(data.parts["curves"]) == {"convex-program", *METHODS}
    with paper():
        figure = ENTRY.module.draw(data.parts)
        assert_readable(figure, monkeypatch)
    measured = json.loads((files("experiments.benchmarks") / "results" / "scale-methods.json").read_text())
    for name, line in zip(data.parts["curves"], figure.axes[0].lines, strict=True):
        assert line.get_ydata().tolist() == [gap for _, gap, _ in measured["curves"][name]["points"]]


def test_own_curves_come_first_and_others_are_refused(tmp_path):
    own = tmp_path / "scale-methods.json"
    curve = {"points": [[2.0, 0.5, 1.0], [4.0, 0.25, 1.0]]}
    curves = dict.fromkeys(["convex-program", *METHODS], curve)
    found = {"problem": {"rho": "zipf:2", "C": 5, "k": 8}, "curves": curves, "command": "a test", "versions": {}}
    own.write_text(json.dumps(found))
    assert load(ENTRY, tmp_path).parts["curves"]["fixed-point"] == [[2.0, 0.5], [4.0, 0.25]]
    for damage in ("", "[]", json.dumps(found | {"curves": {}})):
        own.write_text(damage)
        with pytest.raises(NotMeasured, match="holds no results"):
            load(ENTRY, tmp_path)
