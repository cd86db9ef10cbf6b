"""Fetching an official archive: progress, checksum, and no half-written file under its name."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from theory.errors import InputError

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60.0
_HOME = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Archive:
    """A file to fetch, and its checksum as published."""

    file: str
    md5: str
    home: str = _HOME

    @property
    def url(self) -> str:
        return self.home + self.file


#: By data set and layout.
ARCHIVES = {
    ("cifar10", "binary"): Archive("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    ("cifar10", "python"): Archive("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
    ("cifar100", "binary"): Archive("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    ("cifar100", "python"): Archive("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
}

#: The md5 of the files with images in the python archives, by name; of those in the binary archives none is published.
FILES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
}


def download(archive: Archive, folder: Path, progress: Callable[[str], None] | None = None) -> Path:
    """Fetch `archive` into `folder`, unless it lies there already with the right checksum; the path of the file.

    Raises:
        InputError: if the server does not answer, breaks off, or sends something else than what was published.
    """
    target = folder / archive.file
    if target.is_file() and md5_of(target) == archive.md5:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        received = _fetch(archive, part, progress)
        if received != archive.md5:
            raise InputError("download", archive.url, f"its md5 is {received}, not {archive.md5} as published")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def md5_of(path: Path) -> str:
    """The md5 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest()


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def _fetch(archive: Archive, part: Path, progress: Callable[[str], None] | None) -> str:
    """Write what the server sends to `part`; its md5."""
    digest, done = _md5(), 0
    try:
        with urllib.request.urlopen(archive.url, timeout=_TIMEOUT_SECONDS) as answer, part.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                done += len(chunk)
                if progress is not None:
                    share = f" of {total / 1e6:.1f}" if total else ""
                    progress(f"{archive.file}: {done / 1e6:.1f}{share} MB")
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError("download", archive.url, f"the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise InputError("download", archive.url, f"it could not be fetched: {reason}") from None
    if done < total:
        raise InputError("download", archive.url, f"the connection broke off after {done} of {total} bytes")
    return digest.hexdigest()
