"""`python -m experiments.augmentation random | blocks | laws | encoders | many`: measurements on graphs."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from verify import cli, files
from verify.certify.document import write
from verify.ending import Ended, conclude, tell
from verify.results import versions


def _random(arguments: argparse.Namespace) -> dict[str, Any]:
    """Rows go to a file as they are made, and are not made again."""
    from experiments.augmentation.random_graphs import summary, trial

    kept = arguments.out.with_suffix(".jsonl")
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {row["seed"] for row in rows}
    with kept.open("a") as stream:
        for seed in range(arguments.trials):
            if seed not in done:
                rows.append(trial(seed))
                stream.write(json.dumps(rows[-1]) + "\n")
                stream.flush()
    return summary(rows)


def _blocks(arguments: argparse.Namespace) -> dict[str, Any]:
    from experiments.augmentation.blocks import run

    return run(certify=arguments.trials)


def _laws(arguments: argparse.Namespace) -> dict[str, Any]:
    from experiments.augmentation.laws import run

    return run(arguments.trials)


def _encoders(arguments: argparse.Namespace) -> dict[str, Any]:
    from experiments.augmentation.encoders import run

    del arguments
    return run()


def _many(arguments: argparse.Namespace) -> dict[str, Any]:
    from experiments.augmentation.many_points import run

    return run(arguments.trials)


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], dict[str, Any]], int, str]] = {
    "random": (_random, 1000, "the threshold theorem on random graphs near their thresholds; --trials of them"),
    "blocks": (_blocks, 60, "block families: cosines and losses over a grid; --trials of the rises certified"),
    "laws": (_laws, 2000, "the sign rule on --trials random laws with pairs across classes"),
    "encoders": (_encoders, 0, "restricted encoders, and several tasks"),
    "many": (_many, 1000, "a graph of --trials distinct points: bracket and seconds"),
}


def main() -> NoReturn:
    """Run one measurement and write its results."""
    parser = cli.Parser(prog="python -m experiments.augmentation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, trials, text) in COMMANDS.items():
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--trials", type=cli.integer(0), default=trials, metavar="N", help=f"default: {trials}")
        one.add_argument("--out", type=Path, default=Path(f"{name}.json"), metavar="FILE", help="where results go")

    def work() -> NoReturn:
        arguments = parser.parse_args()
        files.check_output("out", arguments.out)
        begun = time.perf_counter()
        results = COMMANDS[arguments.command][0](arguments)
        document = {
            "command": f"python -m experiments.augmentation {arguments.command} --trials {arguments.trials}",
            "seconds": round(time.perf_counter() - begun, 1),
            "versions": versions("numpy", "scipy", "python-flint", "mpmath"),
            "results": results,
        }
        write(document, arguments.out)
        text = json.dumps(results, indent=1)
        tell(f"{text if len(text) < 4000 else arguments.out}\n", 0)
        raise Ended(0)

    conclude(parser.prog, work)


if __name__ == "__main__":
    main()
