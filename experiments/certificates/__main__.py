"""`python -m experiments.certificates priors` and `... tampering`: the full runs, written as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from verify.cli import Progress, integer
from verify.results import versions

SEED = 20220717


def main() -> None:
    """Run one experiment and write what it counts to `DATA/NAME.json`."""
    parser = argparse.ArgumentParser(prog="python -m experiments.certificates", description=__doc__)
    parser.add_argument("name", choices=["priors", "tampering"])
    parser.add_argument("--count", type=integer(1), help="problems (default 200) or mutants (default 10000)")
    parser.add_argument("--seed", type=integer(0), default=SEED)
    parser.add_argument(
        "--certificates", type=Path, default=Path("tests/data/certificates"), help="what to tamper with"
    )
    parser.add_argument("--data", type=Path, default=Path("nce-data"), help="folder for the result")
    arguments = parser.parse_args()
    show = Progress()
    if arguments.name == "priors":
        from experiments.certificates import random_priors

        result = random_priors.run(arguments.count or 200, arguments.seed, lambda i: show(f"problem {i + 1}"))
    else:
        from experiments.certificates import tampering

        folder, count = arguments.certificates, arguments.count or 10_000
        if not any(folder.glob("*.json")):
            parser.error(f"argument --certificates: got '{folder}'; accepted: a folder with certificates")
        result = tampering.run(count, arguments.seed, folder, lambda i: show(f"mutant {i + 1}"))
    show.done()
    used = versions("jax", "numpy", "scipy", "mpmath", "python-flint")
    result = {**result, "versions": {**used, "python": platform.python_version()}}
    arguments.data.mkdir(parents=True, exist_ok=True)
    path = arguments.data / f"{arguments.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {path}", file=sys.stderr)


if __name__ == "__main__":
    main()
