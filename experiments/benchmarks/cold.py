"""`python -m experiments.benchmarks.cold`: how long commands take from nothing, beside an import of JAX.

Every command is a process of its own, and each of its runs is followed by one of `python -c "import jax.numpy,
scipy.optimize"`, so that what else the machine does falls on both; the ratio is of the medians. Nothing is kept on disk
between runs. Besides the commands of the project's target there are twenty random small problems.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from verify import cli, files
from verify.certify.document import text
from verify.results import Status, versions

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


@dataclass(frozen=True)
class Cold:
    """The ratio of every command, and the file with all that was measured."""

    claim: str
    status: Status
    path: str
    records: list[dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Measure, save after each command, and print."""
    parser = cli.parser(
        "experiments.benchmarks.cold", str(__doc__), "  python -m experiments.benchmarks.cold --random 1"
    )
    parser.add_argument("--runs", type=cli.integer(1), default=9, metavar="N", help="of each command (default: 9)")
    parser.add_argument("--random", type=cli.integer(0), default=20, metavar="N", help="random problems (default: 20)")
    parser.add_argument("--random-runs", type=cli.integer(1), default=3, metavar="N", help="of each (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("nce-data/cold.json"), metavar="FILE", help="file of results")
    words = sys.argv[1:] if argv is None else argv
    cli.main(parser, lambda arguments, progress: _execute(arguments, progress, words), report, argv)


def _execute(arguments: argparse.Namespace, progress: cli.Progress, words: Sequence[str]) -> Cold:
    from experiments.benchmarks.run import machine

    files.check_output("out", arguments.out, folders=True)
    records: list[dict[str, Any]] = []
    results = {
        "machine": machine(),
        "versions": versions("jax", "numpy", "scipy", "python-flint"),
        "command": shlex.join(["python", "-m", "experiments.benchmarks.cold", *words]),
        "baseline": shlex.join(["python", *BASELINE]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "records": records,
    }
    tasks = [(command, target, arguments.runs) for command, target in COMMANDS]
    tasks += [(command, None, arguments.random_runs) for command in random_commands(arguments.random)]
    for n, (command, target, runs) in enumerate(tasks):
        progress(f"{n + 1} of {len(tasks)}: {command}")
        records.append({**compare(command, runs), "target": target, "load": os.getloadavg()[0]})
        files.write(arguments.out, text(results).encode(), folders=True)
    return Cold("cold-start", Status.NUMERICAL, str(arguments.out), records)


def report(found: Cold) -> str:
    """The readable report."""
    lines = []
    for one in found.records:
        aim = "" if one["target"] is None else f" (aim {one['target']})"
        lines.append(f"{one['ratio']:5.2f} times {one['baseline']:.2f} s{aim}  {one['command']}")
    return "\n".join([*lines, f"see {found.path}"])


if __name__ == "__main__":
    main()
