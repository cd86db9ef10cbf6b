"""`python -m experiments.certificates priors`, `tampering`, `classes` and `rare`: the full runs, written as JSON."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from theory.errors import InputError
from verify import cli, files
from verify.files.delivery import deliver
from verify.results import Status, versions

SEED = 20220717
FOLDER = Path("tests/data/certificates")


@dataclass(frozen=True)
class Counted:
    """What was counted, and the file that holds it; refuted if a false statement was called proved or accepted."""

    claim: str
    status: Status
    counts: dict[str, Any]
    path: str


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one experiment and write what it counts to `DATA/NAME.json`."""
    parser = cli.parser(
        "experiments.certificates",
        "priors: how many random problems are proved, each proof through the checker and some against a reference.\n"
        "tampering: how many tampered certificates the checker accepts, and whether those are true.\n"
        "rare: do all commands agree where classes are rare, and does the estimate of the error hold (an hour).\n"
        "classes: how long up to a thousand distinct classes take to be proved and checked (ten minutes).",
        "  python -m experiments.certificates priors --count 20\n"
        "  python -m experiments.certificates tampering --count 200",
    )
    parser.add_argument("name", choices=["priors", "tampering", "classes", "rare"], help="which experiment")
    parser.add_argument(
        "--count",
        type=cli.integer(1),
        metavar="N",
        help="problems (default: 200, or 300 rare ones), mutants (default: 10000) or sizes (default: all)",
    )
    parser.add_argument(
        "--seed", type=cli.integer(0), default=SEED, metavar="N", help=f"of the draws (default: {SEED})"
    )
    parser.add_argument(
        "--certificates",
        type=Path,
        default=FOLDER,
        metavar="DIR",
        help=f"what to tamper with (default: {FOLDER})",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("nce-data"), metavar="DIR", help="folder for the result (default: nce-data)"
    )
    cli.main(parser, _execute, lambda result: f"{result.claim}: {result.status.value}, see {result.path}", argv)


def _execute(arguments: argparse.Namespace, progress: cli.Progress) -> Counted:
    from verify.certify.document import text

    path = arguments.data / f"{arguments.name}.json"
    files.check_output("data", path, folders=True)
    if arguments.name == "priors":
        from experiments.certificates import random_priors

        count = arguments.count or 200
        counts = random_priors.run(count, arguments.seed, lambda i: progress(f"problem {i + 1} of {count}"))
        false = bool(counts["wrong"])
    elif arguments.name == "rare":
        from experiments.certificates import rare_classes

        count = arguments.count or 300
        counts = rare_classes.run(count, arguments.seed, lambda i: progress(f"problem {i + 1} of {count}"))
        false = bool(counts["disagree"] or counts["estimate_exceeded"])
    elif arguments.name == "classes":
        from experiments.certificates import many_classes

        sizes = many_classes.SIZES[: arguments.count]
        counts = many_classes.run(sizes, lambda i: progress(f"{sizes[i]} classes"))
        false = any(one["status"] == "proved" and one["checker"] != "accepted" for one in counts["sizes"])
    else:
        from experiments.certificates import tampering

        folder, count = arguments.certificates, arguments.count or 10_000
        if not any(folder.glob("*.json")):
            raise InputError("certificates", folder, "accepted: a folder with certificates")
        counts = tampering.run(count, arguments.seed, folder, lambda i: progress(f"mutant {i + 1} of {count}"))
        false = bool(counts["accepted_but_false"])
    counts |= {"command": f"python -m experiments.certificates {arguments.name}" + _options(arguments)}
    used = versions("jax", "numpy", "scipy", "mpmath", "python-flint")
    counts |= {"versions": {**used, "python": platform.python_version()}}
    place = deliver(path, text(counts).encode(), folders=True)
    return Counted(f"certificates-{arguments.name}", Status.REFUTED if false else Status.NUMERICAL, counts, str(place))


def _options(arguments: argparse.Namespace) -> str:
    count = "" if arguments.count is None else f" --count {arguments.count}"
    return count + ("" if arguments.name == "classes" else f" --seed {arguments.seed}")


if __name__ == "__main__":
    main()
