"""The curves of certified gap against matrix products: what is charged, and that every method descends."""

import json
import subprocess
import sys

import numpy as np
import pytest

from experiments.benchmarks.scale import METHODS, Meter, Spent, convex_program
from theory.priors import parse

RHO = parse("zipf:1", 6).as_array()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_closes_the_gap_of_a_small_problem(name):
    meter = Meter(RHO, 16, 400)
    try:
        METHODS[name](meter)
    except Spent:
        assert meter.products >= 400
    # the certified gap never grows
    gaps = [gap for _, gap, _ in meter.points]
    assert gaps == sorted(gaps, reverse=True)
    # without damping the fixed point jumps to and fro
    assert gaps[-1] <= {"fixed-point": 0.2, "damped-fixed-point": 1e-3}.get(name, 1e-5)
    assert meter.points[-1][0] <= 410


def test_the_program_reaches_double_precision():
    meter = Meter(RHO, 16, 400)
    assert "gap" in convex_program(meter, 10.0)
    products, gap, loss = meter.points[-1]
    assert gap <= 1e-12
    assert products <= 400
    assert loss == pytest.approx(min(point[2] for point in meter.points))


def test_charges():
    meter = Meter(RHO, 16, 10)
    U = np.eye(6)[None]
    meter(U, None)
    meter(U, U)
    assert meter.products == 7
    meter(U, U)
    with pytest.raises(Spent):
        meter(U, None)


def test_command_saves_and_goes_on(tmp_path):
    out = tmp_path / "curves.json"
    command = [sys.executable, "-m", "experiments.benchmarks.scale", "--C", "5", "--k", "8", "--products", "40"]
    first: dict[str, object] = {}
    for method in ("convex-program", "fixed-point"):
        first = json.loads(out.read_text())["curves"] if out.exists() else {}
        done = subprocess.run(
            [*command, "--method", "convex-program", "--method", method, "--out", str(out)],
            capture_output=True,
            text=True,
            check=True,
        )
    results = json.loads(out.read_text())
    # the second run had one method left, and reports what the file holds
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["convex-program", "fixed-point"]
    assert set(first) == {"convex-program"} and results["curves"]["convex-program"] == first["convex-program"]
    assert set(results["curves"]) == {"convex-program", "fixed-point"}
    assert results["problem"]["C"] == 5 and results["machine"] and results["versions"]
    other = subprocess.run([*command, "--k", "9", "--out", str(out)], capture_output=True, text=True, check=False)
    assert other.returncode == 2 and "another problem" in other.stderr
