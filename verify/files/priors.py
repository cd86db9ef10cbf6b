"""Class priors as users have them: the text of one, masses, an array, or counts of labels, in memory or in a file.

Everything is read exactly. A double is the dyadic number that it is, so that masses such as 0.1 need not sum to 1:
`normalize` divides by their sum. Integers are counts of labels, whose shares are the prior.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from numbers import Integral, Rational, Real
from typing import TYPE_CHECKING, Any, TypeAlias

from theory import priors
from theory.errors import InputError
from theory.priors import Prior

if TYPE_CHECKING:
    import numpy as np

#: What functions take for `rho`.
PriorLike: TypeAlias = "Prior | str | Sequence[Any] | np.ndarray | Mapping[Any, Any]"

_COUNTS = (
    "accepted: whole numbers >= 1, one a class, in a .npy file, a JSON list or object (label to count), or lines of "
    "text whose last field is the count"
)
_MAX_BYTES = 1 << 26


def read_prior(rho: PriorLike, C: int | None = None, *, normalize: bool = False) -> Prior:
    """The prior that is meant.

    Args:
        rho: a prior; the text of one (`theory.priors.parse`), or `counts:FILE` for counts of labels; masses, one a
            class, in a sequence or an array (fractions, or the exact values of doubles); or, where all of them are
            integers, counts of labels. A mapping has the classes for its keys, in its order.
        C: number of classes, for profiles such as "zipf:1"; elsewhere it must agree.
        normalize: divide masses by their sum.

    Raises:
        InputError: if it is none of these, or no prior.
    """
    if isinstance(rho, Prior):
        prior = rho
    elif isinstance(rho, str):
        path = rho.strip().removeprefix("counts:")
        if path == rho.strip():
            return priors.parse(rho, C, normalize=normalize)
        prior = _from_counts(_counts_in(path))
    else:
        prior = _from_numbers(list(_entries(rho)), normalize=normalize)
    if C is not None and prior.C != C:
        raise InputError("C", C, f"rho has {prior.C} classes; leave C out or make them agree")
    return prior


def _entries(rho: Any) -> Iterable[Any]:
    if isinstance(rho, Mapping):
        return rho.values()
    if hasattr(rho, "tolist"):
        if getattr(rho, "ndim", 1) != 1:
            raise InputError("rho", f"an array of shape {rho.shape}", "accepted: one axis, one entry a class")
        return rho.tolist()
    if isinstance(rho, Iterable):
        return rho
    raise InputError("rho", rho, "accepted: a prior, its text, masses, or counts of labels")


def _from_numbers(entries: list[Any], *, normalize: bool) -> Prior:
    for entry in entries:
        # a boolean is an integer to Python, and no count to anybody
        if isinstance(entry, bool) or not isinstance(entry, Real | Fraction | str):
            raise InputError("rho", entry, "accepted: numbers, one a class")
    if all(isinstance(entry, Integral) for entry in entries):
        return _from_counts(entries)
    return priors.from_masses([_exact(entry) for entry in entries], normalize=normalize)


def _exact(mass: Any) -> Fraction | str:
    if isinstance(mass, str):
        return mass
    if isinstance(mass, Rational):
        return Fraction(int(mass.numerator), int(mass.denominator))
    value = float(mass)
    if not math.isfinite(value):
        raise InputError("rho", mass, "every class needs a mass > 0")
    return Fraction(value)


def _from_counts(counts: Sequence[Any]) -> Prior:
    """The shares of whole numbers."""
    for count in counts:
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise InputError("rho", count, _COUNTS)
    return priors.from_masses([int(count) for count in counts], normalize=True)


def _counts_in(path: str) -> list[Any]:
    """The counts in a file, in its order."""
    from verify.files import read_bytes

    content = read_bytes(path, "rho", most=_MAX_BYTES)
    if path.endswith(".npy"):
        from verify.files.arrays import read_array

        return list(_entries(read_array(path, "rho")))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("rho", path, _COUNTS) from None
    if path.endswith(".json"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError("rho", path, _COUNTS) from None
        return list(_entries(found)) if isinstance(found, list | dict) else [found]
    counts = []
    for number, line in enumerate(io.StringIO(text)):
        field = line.partition("#")[0].replace(",", " ").split()[-1:]
        if not field:
            continue
        if field[0].isascii() and field[0].isdigit() and len(field[0]) <= 18:
            counts.append(int(field[0]))
        elif number > 0:  # a first line without a number names the columns
            raise InputError("rho", f"{path}, line {number + 1}: {line.strip()}", _COUNTS)
    return counts
