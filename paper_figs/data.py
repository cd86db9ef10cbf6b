"""The data of a figure: committed in the package, a user's own, or computed part by part and kept.

A data file holds `parts`, each computed on its own, and says which command and versions made it. While parts are
missing the file is called `NAME.unfinished.json`: a computation that was stopped goes on from there, and a complete
file is never half new.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from paper_figs.registry import Entry
from theory.errors import InputError
from verify import files
from verify.results import versions

#: Significant digits that are kept of what is drawn in double precision; proven brackets keep every bit.
_DIGITS = 12


class NotMeasured(Exception):
    """The data of a figure does not exist, and cannot be computed here; the message says why in one line."""


@dataclass(frozen=True)
class Data:
    """The data of one figure.

    Attributes:
        parts: what was computed, by part.
        source: "committed", or the file that was read.
        command: what makes this data again.
        versions: of the packages that made it.
    """

    parts: dict[str, Any]
    source: str
    command: str
    versions: dict[str, str]


def load(entry: Entry, folder: Path, *, recompute: bool = False, progress: Callable[[str], None] | None = None) -> Data:
    """The data of a figure: from `folder`, else from the package, else computed into `folder`.

    Args:
        entry: the figure.
        folder: where data is kept (`--data`).
        recompute: compute it, whatever there is; a computation that was stopped goes on.
        progress: called with a line of text as the computation goes on.

    Raises:
        NotMeasured: if the data has to be measured by another command, and has not been.
    """
    progress = progress or (lambda text: None)
    if hasattr(entry.module, "load"):
        own: Data = entry.module.load(folder, recompute=recompute, progress=progress)
        return own
    path = folder / "paper_figs" / f"{entry.name}.json"
    if not recompute:
        for source, found in ((str(path), read(path, entry.name)), ("committed", committed(entry.name))):
            if found is not None and found["parts"].keys() == set(entry.module.parts()):
                return Data(found["parts"], source, found["command"], found["versions"])
    return _computed(entry, path, progress)


def committed(name: str) -> dict[str, Any] | None:
    """The data file in the package, or None."""
    with resources.as_file(resources.files("paper_figs") / "data" / f"{name}.json") as path:
        return read(path, name)


def read(path: Path, name: str) -> dict[str, Any] | None:
    """The data file of this figure; None if there is none, or it is damaged or that of something else."""
    try:
        found = files.read_json(path, "data")
    except InputError:
        return None
    ours = found.keys() == document(name, {}).keys() and found["figure"] == name
    return found if ours else None


def from_measurement(
    own: Path, results: Path | Traversable, command: str, pick: Callable[[dict[str, Any]], dict[str, Any]]
) -> Data:
    """What another command measured: the user's own file, else the committed results; never measured on the way.

    Args:
        own: the user's own file of results, with `command` and `versions`.
        results: the committed file of results.
        command: what makes such a file.
        pick: the parts of the figure from the file's content; it may fail on a file of something else.

    Raises:
        NotMeasured: if there is no such file, or it holds something else.
    """
    place = own if own.is_file() else results
    if not place.is_file():
        raise NotMeasured(f"no {own} ({command} makes it)")
    try:
        found = files.read_json(Path(str(place)), "data")
        return Data(pick(found), str(own) if place is own else "committed", found["command"], found["versions"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise NotMeasured(f"{place} holds no results of {command}: {type(error).__name__} {error}") from None


def _computed(entry: Entry, path: Path, progress: Callable[[str], None]) -> Data:
    module = entry.module
    unfinished = path.with_name(f"{entry.name}.unfinished.json")
    fresh = document(entry.name, {})
    kept = read(unfinished, entry.name)
    if kept is None or kept["versions"] != fresh["versions"]:
        kept = fresh
    names = module.parts()
    parts = {name: part for name, part in kept["parts"].items() if name in names}
    for done, name in enumerate(names):
        if name not in parts:
            progress(f"{entry.name}: {done} of {len(names)} parts of its data, now {name}")
            parts[name] = module.compute(name)
            ordered = {n: parts[n] for n in names if n in parts}
            _keep(unfinished, as_bytes(fresh | {"parts": ordered}))
    content = as_bytes(fresh | {"parts": {name: parts[name] for name in names}})
    _keep(path, content)
    unfinished.unlink(missing_ok=True)
    # read back, so that a second run draws from the same numbers
    return Data(json.loads(content)["parts"], str(path), fresh["command"], fresh["versions"])


def _keep(path: Path, content: bytes) -> None:
    try:
        files.write(path, content, folders=True)
    except OSError as error:
        raise InputError("data", path.parent, f"it cannot be written ({error.strerror})") from error


def document(name: str, parts: dict[str, Any]) -> dict[str, Any]:
    """A data file: which figure, which command and versions made it, and its parts."""
    return {
        "figure": name,
        "command": f"python -m paper_figs {name} --recompute",
        "versions": versions("jax", "numpy", "scipy", "python-flint"),
        "parts": parts,
    }


def significant(value: Any) -> Any:
    """Numbers and (nested) arrays of them as JSON, with `_DIGITS` significant digits."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [significant(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


def as_bytes(document: dict[str, Any]) -> bytes:
    """One line a part, so that a change of the data can be read in a diff."""
    head = {key: value for key, value in document.items() if key != "parts"}
    lines = [f"  {json.dumps(name)}: {json.dumps(part, allow_nan=False)}" for name, part in document["parts"].items()]
    opening = json.dumps(head, indent=1)[:-2]
    return f'{opening},\n "parts": {{\n{("," + chr(10)).join(lines)}\n }}\n}}\n'.encode()
