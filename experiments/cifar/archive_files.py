"""Named files out of a folder or a tar archive, as bytes. Nothing is ever extracted to disk."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable
from io import BufferedIOBase
from pathlib import Path, PurePosixPath

from theory.errors import InputError
from verify.files import read_bytes

#: No file of CIFAR is larger; a larger one is not read into memory.
MAX_BYTES = 200_000_000

#: How compressed files begin.
_MAGIC: dict[bytes, Callable[[Path], BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


def from_folder(folder: Path, inner: str, names: Iterable[str]) -> dict[str, bytes]:
    """Those of the files that are in `folder/inner`, or in `folder` itself if there is no such inner folder.

    Raises:
        InputError: if one cannot be read.
    """
    where = folder / inner if (folder / inner).is_dir() else folder
    found = {}
    for name in names:
        path = where / name
        if path.is_file():
            _check_size(folder, name, path.stat().st_size)
            found[name] = read_bytes(path, "folder", most=MAX_BYTES)
    return found


def from_archive(archive: Path, inner: Collection[str], names: Collection[str]) -> dict[str, bytes]:
    """Those of the files that are regular members, at the top or in one of the folders `inner`.

    Members of other names (absolute, with `..`, links) are passed over: what is not asked for is not read. The archive
    is read to the end of its compressed stream, where the checksum is: a tar archive ends before it.

    Raises:
        InputError: if the archive is damaged or not a tar archive.
    """
    found = {}
    try:
        with _decompressed(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    path = PurePosixPath(member.name)
                    if not member.isreg() or path.name not in names or str(path.parent) not in ("", ".", *inner):
                        continue
                    _check_size(archive, member.name, member.size)
                    opened = tar.extractfile(member)
                    if opened is not None:
                        found[path.name] = opened.read()
            while stream.read(1 << 20):
                pass
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        reason = str(error) or type(error).__name__
        raise InputError("folder", archive, f"the archive is truncated or damaged: {reason}") from None
    return found


def _decompressed(archive: Path) -> BufferedIOBase:
    with archive.open("rb") as stream:
        head = stream.read(6)
    for magic, opened in _MAGIC.items():
        if head.startswith(magic):
            return opened(archive)
    return archive.open("rb")


def _check_size(where: Path, name: str, size: int) -> None:
    if size > MAX_BYTES:
        raise InputError("folder", where, f"{name} has {size} bytes, more than any file of CIFAR")
