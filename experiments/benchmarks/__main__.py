"""`python -m experiments.benchmarks`: speed, scale and accuracy beside the alternatives."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.benchmarks.tasks import SUITES
from verify import cli

if TYPE_CHECKING:
    from experiments.benchmarks.run import Results


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Measure what is missing, save, and print."""
    parser = cli.parser(
        "experiments.benchmarks",
        "Times, memory and gaps of this project and of CVXPY with Clarabel or SCS, pymanopt, Adam on sampled\n"
        "negatives and plain enumeration, on the same problems. Every measurement has a process of its own; results\n"
        "are saved one by one, and a run that was interrupted goes on. What a method cannot do is said in its line.",
        "  python -m experiments.benchmarks --quick\n  python -m experiments.benchmarks --suite kernel --json",
    )
    parser.add_argument("--quick", action="store_true", help="about a minute of small problems")
    parser.add_argument("--suite", choices=tuple(SUITES), action="append", help="only this suite (may be repeated)")
    parser.add_argument("--show", action="store_true", help="print what is saved, and measure nothing")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="results (default: nce-data/benchmarks.json, or benchmarks-quick.json)"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Results:
        from experiments.benchmarks import tasks
        from experiments.benchmarks.run import run

        chosen = [
            task
            for task in ([] if arguments.show else tasks.quick() if arguments.quick else tasks.full())
            if not arguments.suite or task.suite in arguments.suite
        ]
        out = arguments.out or Path("nce-data") / ("benchmarks-quick.json" if arguments.quick else "benchmarks.json")
        words = sys.argv[1:] if argv is None else argv
        return run(chosen, out, shlex.join(["python", "-m", "experiments.benchmarks", *words]), progress=progress)

    def report(results: Results) -> str:
        from experiments.benchmarks.table import table

        return table(results)

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
