"""The figure of costs: every measurement is drawn, and nothing that was not measured."""

import json

import numpy as np
import pytest
from pictures import assert_readable

from experiments.benchmarks import tasks
from paper_figs.data import NotMeasured, load
from paper_figs.figures import scaling
from paper_figs.registry import FIGURES
from paper_figs.style import paper

SCALING = FIGURES["scaling"]


def results(drop=()):
    """Made-up results for every task of the full run, in the form that `experiments.benchmarks` writes."""
    records = []
    for task in tasks.full():
        record = task.as_json() | {"status": "done", "note": ""}
        seconds = {"ours": 1e-2, "groups": 0.2}.get(task.method, 1e-4 * 2.0 ** min(task.k, 20) * task.C)
        record["seconds"] = {"median": seconds, "low": 0.9 * seconds, "high": 1.1 * seconds, "runs": 7}
        record |= {"gap": 1e-2 if task.method.startswith("sgd") else 1e-12}
        if task.kind == "evaluate":
            record |= {"products_seconds": record["seconds"], "error": 1e-15}
        if task.method == "enumeration" and task.k > 16:
            record = task.as_json() | {"status": "too long", "note": "not done after 300 s"}
        if task.suite not in drop:
            records.append(record)
    machine = {"cpu": "a processor", "cores": 2, "memory_gb": 8, "system": "a system"}
    return {"machine": machine, "versions": {"jax": "a test"}, "command": "a test", "date": "", "records": records}


def write(folder, found):
    (folder / "benchmarks.json").write_text(json.dumps(found))


def test_all_measurements_are_drawn(tmp_path, monkeypatch):
    write(tmp_path, results())
    data = load(SCALING, tmp_path)
    assert data.source == str(tmp_path / "benchmarks.json")
    with paper():
        figure = SCALING.module.draw(data.parts)
        assert_readable(figure, monkeypatch)
    by_k = figure.axes[0]
    drawn = {c.get_label(): c for c in by_k.containers}
    assert set(drawn) == set(scaling._METHODS.values())
    ours, enumeration = (drawn[scaling._METHODS[name]].lines[0] for name in ("ours", "enumeration"))
    assert ours.get_xdata().tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert enumeration.get_xdata().tolist() == [1, 2, 4, 8, 16]
    crosses = [line for line in by_k.lines if line.get_marker() == "x"]
    assert sorted(float(np.squeeze(line.get_xdata())) for line in crosses) == [32, 64]
    hollow = [line for line in by_k.lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 7


def test_only_the_suites_that_were_measured_have_panels(tmp_path):
    write(tmp_path, results(drop=("groups", "classes")))
    with paper():
        figure = SCALING.module.draw(load(SCALING, tmp_path).parts)
    assert len(figure.axes) == 2
    write(tmp_path, results(drop=("groups", "classes", "kernel")))
    with pytest.raises(NotMeasured, match="lacks the suites classes, groups, kernel"):
        load(SCALING, tmp_path)


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"records": [{}]}'])
def test_a_file_that_holds_no_results_is_one_line(damage, tmp_path):
    (tmp_path / "benchmarks.json").write_text(damage)
    with pytest.raises(NotMeasured, match="holds no results"):
        load(SCALING, tmp_path)
