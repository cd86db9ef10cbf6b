"""The results of long work in their files; where one cannot be written any more, say since the disk has become full, it
is kept elsewhere, and the result is returned and printed all the same.

Commands end with status 2 then, after the result, and name the place in their one line (`verify.cli.main`).
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from verify import files


class Undelivered(UserWarning):
    """A file of results could not be written; the message says why, and where its content is kept."""


def deliver(path: Path | str, content: bytes, *, folders: bool = False) -> Path | None:
    """Write a file as `files.write` does, or keep its content elsewhere, with the warning `Undelivered`.

    Returns:
        Where the content is; None if nowhere.
    """
    try:
        files.write(path, content, folders=folders)
        return Path(path)
    except OSError as error:
        place = keep(content, Path(path).suffix)
        where = "it could not be kept elsewhere" if place is None else f"its content is in {place}"
        warnings.warn(Undelivered(f"{path} cannot be written ({error.strerror}); {where}"), stacklevel=2)
        return place


def keep(content: bytes, suffix: str) -> Path | None:
    """A new file with this content among the temporary ones, or in the current folder; None if it fits into neither."""
    for folder in (None, Path.cwd()):
        try:
            handle, name = tempfile.mkstemp(prefix="nce-verifier-", suffix=suffix[:20], dir=folder)
        except OSError:
            continue
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            return Path(name)
        except OSError:
            Path(name).unlink()
    return None


@contextmanager
def collected() -> Iterator[list[str]]:
    """The messages of `Undelivered` that are given meanwhile, instead of their being shown."""
    found: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", Undelivered)
        show = warnings.showwarning

        def take(message: Warning | str, category: type[Warning], *details: object) -> None:
            if issubclass(category, Undelivered):
                found.append(str(message))
            else:
                show(message, category, *details)  # type: ignore[arg-type]

        warnings.showwarning = take  # type: ignore[assignment]
        yield found
