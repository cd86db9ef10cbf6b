"""The one place where files are written and read: outputs whole or not at all, inputs of bounded size.

An output is checked before any work (`unwritable`), and then made under another name beside its place and renamed
(`replacing`), so that whoever reads sees the old file or the new one. Symbolic links are followed: the file that they
point to is replaced, and the link stays. Pipes and character devices are written through; nothing may be renamed over
them. Permissions are those of the file that is replaced, else what the umask leaves.

Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from theory.errors import InputError

#: No file of JSON that this project writes is nearly as large.
MAX_JSON = 1 << 28

# more than any file system keeps inside of its directory entries, so that a full one shows
_PROBE = bytes(1 << 16)


def unwritable(path: Path, *, folders: bool = False) -> str | None:
    """Why no file can be written at `path`, or None if one can; nothing is left behind.

    Args:
        folders: folders that are missing will be made (`replacing`).
    """
    try:
        status = _status(path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return "it is a folder"
        if status is not None and not stat.S_ISREG(status.st_mode):
            return None if _written_through(status) and os.access(path, os.W_OK) else "nothing can be written there"
        if status is not None and not os.access(path, os.W_OK):
            return "it is write-protected"
        if status is not None and _is_standard_stream(status):
            return "that is where standard output or standard error goes"
        return unusable(Path(os.path.realpath(path)).parent, folders=folders)
    except OSError as error:
        return error.strerror or str(error)


def unusable(folder: Path, *, folders: bool = False) -> str | None:
    """Why no file can be made in `folder`, or None if one can; nothing is left behind.

    Args:
        folders: the folder need not exist yet, if it can be made.
    """
    try:
        while folders and not os.path.lexists(folder) and folder != folder.parent:
            folder = folder.parent
        handle, temporary = _temporary(folder, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_PROBE)
        finally:
            temporary.unlink()
    except FileNotFoundError:
        return "its folder does not exist"
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_output(option: str, path: Path, *, folders: bool = False) -> None:
    """Refuse a place where no file can be written.

    Raises:
        InputError: if there is a reason (`unwritable`).
    """
    if reason := unwritable(path, folders=folders):
        raise InputError(option, path, f"accepted: a file that can be written ({reason})")


def check_folder(option: str, folder: Path) -> None:
    """Refuse a place that is no folder in which files can be made; it may be missing, if it can be made.

    Raises:
        InputError: if there is a reason (`unusable`).
    """
    if reason := unusable(folder, folders=True):
        raise InputError(option, folder, f"accepted: a folder that can be written, or made ({reason})")


def write(path: Path | str, content: bytes, *, folders: bool = False) -> None:
    """Write a file, all of it or nothing (module docstring).

    Args:
        folders: make folders that are missing.

    Raises:
        OSError: if it cannot be written; its `filename` is `path`.
    """
    with replacing(path, folders=folders) as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path | str, *, folders: bool = False) -> Iterator[IO[bytes]]:
    """A stream whose content replaces the file at `path` once all of it is written (module docstring).

    Args:
        folders: make folders that are missing.

    Raises:
        OSError: if it cannot be written; its `filename` is `path`.
    """
    path = Path(path)
    try:
        if folders:
            path.parent.mkdir(parents=True, exist_ok=True)
        status = _status(path)
        if status is not None and not stat.S_ISREG(status.st_mode):
            if not _written_through(status):
                raise OSError(None, unwritable(path), str(path))
            with path.open("wb") as stream:
                yield stream
            return
        target = Path(os.path.realpath(path))
        handle, temporary = _temporary(target.parent, 0o666)
        try:
            with os.fdopen(handle, "wb") as stream:
                if status is not None:
                    os.fchmod(stream.fileno(), stat.S_IMODE(status.st_mode))
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        # a write that fails knows no name, and a temporary one says nothing to a user
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def read_bytes(path: Path | str, option: str, *, most: int) -> bytes:
    """The content of a file.

    Raises:
        InputError: if it cannot be read, or has more than `most` bytes.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise InputError(option, path, f"it cannot be read ({error.strerror or error})") from None
    if len(content) > most:
        raise InputError(option, path, f"accepted: a file of at most {most} bytes")
    return content


def read_json(path: Path | str, option: str) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: if it cannot be read, or holds something else.
    """
    return as_object(read_bytes(path, option, most=MAX_JSON), path, option)


def resume_lines(path: Path, option: str) -> list[dict[str, Any]]:
    """The JSON objects in a file that has one a line and grows, none if there is no file; a last line that was not
    written to its end is taken out of the file, so that the next one does not go on from it.

    Raises:
        InputError: if the file cannot be read, or a whole line holds something else.
    """
    if not path.exists():
        return []
    *lines, last = (content := read_bytes(path, option, most=MAX_JSON)).split(b"\n")
    rows = [as_object(line, path, option) for line in lines]
    if last:
        write(path, content[: -len(last)])
    return rows


def as_object(content: bytes | str, path: Path | str, option: str) -> dict[str, Any]:
    """The JSON object in this text, which was read from `path`.

    Raises:
        InputError: if it is none.
    """
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(option, path, f"it cannot be read: damaged, or no JSON ({str(error)[:80]})") from None
    if not isinstance(parsed, dict):
        raise InputError(option, path, "it is not a JSON object")
    return parsed


def _status(path: Path) -> os.stat_result | None:
    """The status of the file that the path leads to; None if there is none yet."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _written_through(status: os.stat_result) -> bool:
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode)


def _is_standard_stream(status: os.stat_result) -> bool:
    for descriptor in (1, 2):
        with suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return True
    return False


def _temporary(folder: Path, mode: int) -> tuple[int, Path]:
    """A new file in the folder, with a short name of its own, and the permissions that the umask leaves of `mode`."""
    path = folder / f".nce-{secrets.token_hex(8)}.tmp"
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode), path
