"""The proved boxes of a map in a file (`show --regions --boxes FILE`), for figures, and to be proved again.

The arrays of the `.npz` file:

- `interval` (m, 2) and `kind` (m): priors of three classes with a largest mass `p` in an interval, by rising `p`:
  "separated" (total collapse at no `k` of the list `ks`), "mixed" (at some, each decided), "collapsed" (at every one:
  the losses are constant in `k`), or "open". In doubles, for drawing.
- `q` (n, 2) and `s` (n, 2): boxes of priors `(1-q, q (1-s), q s)`, in any order of the classes, on which the weighted
  loss of the mean classifier is proved to rise from `k1` to `k2`. Integers: `q` in units of `largest_q / 2^depth`
  (`largest_q` is text, "p/q"), `s` in units of `1 / 2^(depth+1)`. Their images under the six orders tile without
  overlap.
- `strength` (n), `angles` (n, 2): what the proof of a box starts from (`rises.Witness`), exact as doubles.
- `temperature`: text.
"""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from experiments.unbalanced.regions import Regions, Rises
from experiments.unbalanced.rises import Box, Witness
from theory.errors import InputError
from verify.checker.verdict import printable
from verify.files.arrays import read_arrays
from verify.files.delivery import deliver

MAX_DEPTH = 60


def check_suffix(path: Path) -> None:
    """Refuse what does not end in .npz.

    Raises:
        InputError: for another suffix.
    """
    if path.suffix != ".npz":
        raise InputError("boxes", path, "accepted: a file that ends in .npz")


def write(regions: Regions, path: Path) -> None:
    """Write the boxes.

    Raises:
        InputError: for another suffix (`check_suffix`).
    """
    check_suffix(path)
    found = regions.rises or Rises(min(regions.ks), max(regions.ks), regions.temperature, Fraction(1), 0, ())
    boxes = [box for box, _ in found.boxes]
    arrays: dict[str, Any] = {
        "ks": regions.ks,
        "temperature": str(found.temperature),
        "interval": [[float(i.lo), float(i.hi)] for i in regions.intervals],
        "kind": [i.kind for i in regions.intervals],
        "k1": found.k1,
        "k2": found.k2,
        "largest_q": str(found.largest_q),
        "depth": found.depth,
        "q": _multiples([box.q for box in boxes], found.largest_q / 2**found.depth),
        "s": _multiples([box.s for box in boxes], Fraction(1, 2 ** (found.depth + 1))),
        "strength": [witness.strength for _, witness in found.boxes],
        "angles": np.array([witness.angles for _, witness in found.boxes]).reshape(-1, 2),
    }
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    deliver(path, stream.getvalue())


def _multiples(sides: list[tuple[Fraction, Fraction]], unit: Fraction) -> Int[np.ndarray, "n 2"]:
    counts = [[end / unit for end in side] for side in sides]
    if any(count.denominator != 1 for row in counts for count in row):
        raise ValueError("a box is no multiple of its unit")
    return np.array([[int(count) for count in row] for row in counts], dtype=np.int32).reshape(-1, 2)


def read_rises(path: Path) -> Rises:
    """The boxes on which the loss rises, exactly as they were proved; nothing in the file is executed.

    Each field is looked at (`Rises.check`); to prove a box again is left to `rises`, which takes a while for them all.

    Raises:
        InputError: if the file is none of these, or what stands in it cannot be.
    """
    file = read_arrays(path, "boxes")
    try:
        depth, largest_q = int(file["depth"]), Fraction(str(file["largest_q"]))
        if not 0 <= depth <= MAX_DEPTH:
            raise ValueError(f"depth {depth}: an integer from 0 to {MAX_DEPTH} is needed")
        units = largest_q / 2**depth, Fraction(1, 2 ** (depth + 1))
        boxes = tuple(
            (
                Box((q[0] * units[0], q[1] * units[0]), (s[0] * units[1], s[1] * units[1])),
                Witness(strength, (angles[0], angles[1])),
            )
            for q, s, strength, angles in zip(
                *(file[name].tolist() for name in ("q", "s", "strength", "angles")), strict=True
            )
        )
        temperature = Fraction(str(file["temperature"]))
        found = Rises(int(file["k1"]), int(file["k2"]), temperature, largest_q, depth, boxes)
        found.check()
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = printable(str(error))[:80]
        raise InputError("boxes", path, f"accepted: the boxes of a map, .npz ({reason})") from None
    return found


def corners(found: Rises) -> Float[np.ndarray, "n 4 3"]:
    """The priors at the corners of each box, in turn around it, for drawing; the largest mass first."""
    points = []
    for box, _ in found.boxes:
        (q0, q1), (s0, s1) = box.q, box.s
        around = ((q0, s0), (q1, s0), (q1, s1), (q0, s1))
        points.append([[float(m) for m in (1 - q, q * (1 - s), q * s)] for q, s in around])
    return np.array(points).reshape(-1, 4, 3)
