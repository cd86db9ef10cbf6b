"""`python -m experiments.bounds`: the four bounds and the exact values at the minimizer, `k` from 1 to 10^4."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from experiments.bounds import DATA
from verify import cli

PRIORS = (("uniform", 10), ("uniform", 100), ("longtail:100", 10))
KS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 10**4)


@dataclass(frozen=True)
class Written:
    """How many rows were computed, where they are, and the names of bounds that were violated anywhere."""

    claim: str
    rows: int
    path: str
    violated: tuple[str, ...]
    status: int = 0


def compute(path: Path) -> Written:
    """Compute all rows and write them to `path`."""
    from verify import bounds
    from verify.results import as_json, k_as_json, versions

    rows = []
    for text, C in PRIORS:
        for k in KS:
            result = bounds.run(text, k, C=C)
            row = {"prior": text, "C": C, "k": k_as_json(k)}
            rows.append(
                row | {key: as_json(getattr(result, key)) for key in ("status", "exact", "bounds", "violated", "note")}
            )
            print(f"{text} C = {C} k = {k}: {result.status.value} in {result.seconds:.1f} s", file=sys.stderr)
    document = {"versions": versions("jax", "numpy", "scipy"), "rows": rows}
    path.write_text(json.dumps(document, indent=1) + "\n")
    violated = sorted({name for row in rows for name in row["violated"]})
    return Written("bounds-data", len(rows), str(path), tuple(violated))


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.bounds`."""
    made = cli.parser("experiments.bounds", "Compute the data of the bounds figure.", "  python -m experiments.bounds")
    made.add_argument("--out", type=cli.writable, default=DATA, metavar="FILE", help="where to write it")
    cli.main(
        made,
        lambda arguments: compute(arguments.out),
        lambda result: f"{result.rows} rows written to {result.path}; violated: {', '.join(result.violated) or 'none'}",
        argv,
    )


if __name__ == "__main__":
    main()
