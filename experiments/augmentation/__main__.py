"""`python -m experiments.augmentation random | blocks | laws | encoders | many`: measurements on graphs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from theory.errors import InputError
from verify import cli, files
from verify.certify.document import text
from verify.files.delivery import deliver
from verify.results import Status, as_json, versions


@dataclass(frozen=True)
class Measured:
    """What was measured, and the file that holds it."""

    claim: str
    status: Status
    results: dict[str, Any]
    path: str


def _random(arguments: argparse.Namespace, progress: cli.Progress) -> dict[str, Any]:
    from experiments.augmentation.random_graphs import summary, trial
    from experiments.augmentation.rows import resumed

    return summary(resumed(arguments.trials, trial, arguments.out.with_suffix(".jsonl"), progress))


def _blocks(arguments: argparse.Namespace, progress: cli.Progress) -> dict[str, Any]:
    from experiments.augmentation.blocks import run

    if arguments.certificates is not None:
        files.check_folder("certificates", arguments.certificates)
    return run(arguments.trials, arguments.certificates, arguments.out.with_suffix(".jsonl"), progress)


def _laws(arguments: argparse.Namespace, progress: cli.Progress) -> dict[str, Any]:
    from experiments.augmentation.laws import run

    return run(arguments.trials)


def _encoders(arguments: argparse.Namespace, progress: cli.Progress) -> dict[str, Any]:
    from experiments.augmentation.encoders import run

    return run()


def _many(arguments: argparse.Namespace, progress: cli.Progress) -> dict[str, Any]:
    from experiments.augmentation.many_points import CLASSES, run
    from verify import limits

    if not CLASSES <= arguments.trials <= limits.GRAPH_POINTS:
        raise InputError("trials", arguments.trials, f"accepted: from {CLASSES} to {limits.GRAPH_POINTS} points")
    return run(arguments.trials)


Measurement = Callable[[argparse.Namespace, cli.Progress], dict[str, Any]]

#: By name: the measurement, the default of --trials, and what it is.
MEASUREMENTS: dict[str, tuple[Measurement, int, str]] = {
    "random": (_random, 1000, "the threshold theorem on so many random graphs near their thresholds"),
    "blocks": (_blocks, 108, "block families: losses over a grid, and every step of k certified for so many"),
    "laws": (_laws, 2000, "the sign rule on so many random laws with pairs across classes"),
    "encoders": (_encoders, 1, "restricted encoders, and several tasks"),
    "many": (_many, 1000, "a graph of so many distinct points: bracket and seconds"),
}


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one measurement and write its results."""
    described = "\n".join(f"{name}: {what} (default: {n})." for name, (_, n, what) in MEASUREMENTS.items())
    described += "\nRows of random and blocks go to FILE.jsonl as they are made, and are not made again."
    parser = cli.parser("experiments.augmentation", described, "  python -m experiments.augmentation laws --trials 100")
    parser.add_argument("name", choices=list(MEASUREMENTS), help="which measurement")
    parser.add_argument("--trials", type=cli.integer(1), metavar="N", help="how many (default: see above)")
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="of blocks: where one of each C goes")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where results go (default: NAME.json)")
    cli.main(parser, _execute, report, argv)


def _execute(arguments: argparse.Namespace, progress: cli.Progress) -> Measured:
    measure, trials, _ = MEASUREMENTS[arguments.name]
    arguments.trials = arguments.trials or trials
    path = arguments.out = arguments.out or Path(f"{arguments.name}.json")
    files.check_output("out", path)
    begun = time.perf_counter()
    results = measure(arguments, progress)
    document = {
        "command": f"python -m experiments.augmentation {arguments.name} --trials {arguments.trials}",
        "seconds": round(time.perf_counter() - begun, 1),
        "versions": versions("numpy", "scipy", "python-flint", "mpmath"),
        "results": results,
    }
    place = deliver(path, text(as_json(document)).encode())
    return Measured(f"augmentation-{arguments.name}", Status.NUMERICAL, results, str(place))


def report(measured: Measured) -> str:
    """The readable report."""
    return f"{measured.claim}: {measured.status.value}, see {measured.path}"


if __name__ == "__main__":
    main()
