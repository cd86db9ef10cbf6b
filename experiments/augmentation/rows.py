"""Rows of a long measurement, kept in a file of JSON lines as they are made, so that it goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from theory.errors import InputError
from verify import files

Row = dict[str, Any]


def resumed(
    trials: int,
    make: Callable[[int], Row],
    kept: Path,
    progress: Callable[[str], None],
    *,
    complete: Callable[[Row], bool] = lambda row: True,
) -> list[Row]:
    """Rows 0 to `trials` - 1: those in the file `kept` under "seed", if they are `complete`; the others are made now,
    and added to it one by one.

    Raises:
        InputError: if the file is damaged, or cannot be written.
    """
    files.check_output("out", kept)
    rows = {row.get("seed"): row for row in files.resume_lines(kept, "out")}
    if not all(isinstance(seed, int) for seed in rows):
        raise InputError("out", kept, "it is damaged, or holds something else")
    with kept.open("a") as stream:
        for seed in range(trials):
            if seed not in rows or not complete(rows[seed]):
                progress(f"{seed + 1} of {trials}")
                rows[seed] = {"seed": seed} | make(seed)
                stream.write(json.dumps(rows[seed]) + "\n")
                stream.flush()
    return [rows[seed] for seed in range(trials)]
