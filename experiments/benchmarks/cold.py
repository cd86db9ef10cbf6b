"""`python -m experiments.benchmarks.cold`: how long commands take from nothing, beside an import of JAX.

Every command is a process of its own, and each of its runs is followed by one of `python -c "import jax.numpy,
scipy.optimize"`, so that what else the machine does falls on both; the ratio is of the medians. Nothing is kept on disk
between runs. Besides the commands of the project's target there are twenty random small problems.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

BASELINE = ("-c", "import jax.numpy, scipy.optimize")

#: Command, and the largest ratio that is aimed at (None where none was set).
COMMANDS: tuple[tuple[str, float | None], ...] = (
    ("verify.optimum --rho 0.5,0.3,0.2 --k 16", 1.0),
    ("verify.downstream --rho 0.5,0.3,0.2 --k 16", 1.0),
    ("verify.conjecture --rho 0.5,0.3,0.2 --k 1,16,4096", 1.0),
    ("verify.bounds --rho uniform --C 10 --k 64", 1.0),
    ("verify.etf --C 10 --k 64", 1.3),
    ("verify", None),
)


def random_commands(count: int = 20, seed: int = 0) -> list[str]:
    """Small problems: 2 to 8 classes, masses down to 1e-3, k to 10^4, all commands about one prior in turn."""
    generator = np.random.default_rng(seed)
    made = []
    for n in range(count):
        C = int(generator.integers(2, 9))
        masses = np.maximum(1, np.round(1000 * generator.dirichlet(np.ones(C)))).astype(int)
        rho, k = ",".join(f"{m}/{masses.sum()}" for m in masses), int(10 ** generator.uniform(0, 4))
        temperature = generator.choice(["1/2", "1", "2"])
        name = ("optimum", "downstream", "conjecture", "bounds")[n % 4]
        ks = f"{k},{4 * k}" if name == "conjecture" else f"{k}"
        made.append(f"verify.{name} --rho {rho} --k {ks} --temperature {temperature}")
    return made


def compare(command: str, runs: int) -> dict[str, Any]:
    """Seconds of the command and of the baseline, in turn."""
    pairs = [(_seconds("-m", *shlex.split(command)), _seconds(*BASELINE)) for _ in range(runs)]
    ours, baseline = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"command": command, "seconds": ours, "baseline": baseline, "ratio": ours / baseline, "runs": runs}


def _seconds(*words: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    begun = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, check=False
    )
    # a command that ends with "refuted" or "undecided" has done its work
    if ended.returncode not in (0, 1, 3):
        raise RuntimeError(f"{shlex.join(words)} ended with status {ended.returncode}: {ended.stderr.decode()[-200:]}")
    return time.perf_counter() - begun


def main() -> None:
    """Measure, save after each command, and print."""
    from experiments.benchmarks.run import machine
    from verify.certify.document import write
    from verify.results import versions

    parser = argparse.ArgumentParser(prog="python -m experiments.benchmarks.cold", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="runs of each command, and of the import (default 9)")
    parser.add_argument("--random", type=int, default=20, help="random small problems besides (default 20)")
    parser.add_argument("--random-runs", type=int, default=3, help="runs of each of those (default 3)")
    parser.add_argument("--out", type=Path, default=Path("nce-data/cold.json"), help="file of results")
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": versions("jax", "numpy", "scipy", "python-flint"),
        "command": shlex.join(["python", "-m", "experiments.benchmarks.cold", *sys.argv[1:]]),
        "baseline": shlex.join(["python", *BASELINE]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "records": [],
    }
    tasks = [(command, target, arguments.runs) for command, target in COMMANDS]
    tasks += [(command, None, arguments.random_runs) for command in random_commands(arguments.random)]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    for command, target, runs in tasks:
        record = {**compare(command, runs), "target": target, "load": os.getloadavg()[0]}
        results["records"].append(record)
        write(json.loads(json.dumps(results)), arguments.out)
        aim = "" if target is None else f" (aim {target})"
        print(f"{record['ratio']:5.2f} times {record['baseline']:.2f} s{aim}  {command}", flush=True)


if __name__ == "__main__":
    main()
