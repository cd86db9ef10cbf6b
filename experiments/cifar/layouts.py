"""The official layouts of CIFAR-10 and CIFAR-100, binary and python, from a folder or an archive.

Binary: rows of label bytes (CIFAR-10: one; CIFAR-100: coarse, fine) and 3072 pixel bytes, channel after channel.
Python: pickled dictionaries with the same pixels in `data` and the labels in `labels` or `fine_labels`.
Fewer images than published are read as they are, and the provenance says how many; a missing file, a truncated one or
a label out of range is refused.
"""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int32, UInt8

from experiments.cifar import unpickle
from experiments.cifar.archive_files import from_archive, from_folder
from experiments.cifar.download import ARCHIVES, FILES, Archive, md5_of
from experiments.cifar.images import Dataset
from theory.errors import InputError, one_line

PIXELS = 3 * 32 * 32
#: A text file beside the data that says where they come from.
PROVENANCE = "PROVENANCE.txt"

_TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "cifar20": "CIFAR-100"}
_PUBLISHED = (50_000, 10_000)


@dataclass(frozen=True)
class Layout:
    """Where one data set is in one of the four layouts.

    Attributes:
        folder: the folder in the official archive.
        names: the file of class names.
        label_bytes: label bytes a row; 0 for the python layout.
        label: which of them counts.
        keys: of the python layout, the keys of the labels and of the class names.
    """

    C: int
    kind: str
    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int = 0
    label: int = 0
    keys: tuple[str, str] = ("", "")

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test, self.names)


_BINARY, _PYTHON = "cifar-100-binary", "cifar-100-python"
_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
LAYOUTS = {
    "cifar10": (
        Layout(
            10,
            "binary",
            "cifar-10-batches-bin",
            tuple(f"{batch}.bin" for batch in _BATCHES),
            "test_batch.bin",
            "batches.meta.txt",
            label_bytes=1,
        ),
        Layout(
            10,
            "python",
            "cifar-10-batches-py",
            _BATCHES,
            "test_batch",
            "batches.meta",
            keys=("labels", "label_names"),
        ),
    ),
    "cifar100": (
        Layout(100, "binary", _BINARY, ("train.bin",), "test.bin", "fine_label_names.txt", label_bytes=2, label=1),
        Layout(100, "python", _PYTHON, ("train",), "test", "meta", keys=("fine_labels", "fine_label_names")),
    ),
    "cifar20": (
        Layout(20, "binary", _BINARY, ("train.bin",), "test.bin", "coarse_label_names.txt", label_bytes=2),
        Layout(20, "python", _PYTHON, ("train",), "test", "meta", keys=("coarse_labels", "coarse_label_names")),
    ),
}


def archives(name: str) -> list[Archive]:
    """The official archives of a data set: "cifar20" is CIFAR-100 with its 20 superclasses as labels."""
    return [archive for (owner, _), archive in ARCHIVES.items() if owner == ("cifar100" if name == "cifar20" else name)]


def read(name: str, path: Path, provenance: str | None = None) -> Dataset:
    """The data set `name` ("cifar10", "cifar100" or "cifar20") from `path`.

    Args:
        path: the layout's folder, its parent, an archive (.tar.gz), or the folder that an official archive lies in.
        provenance: where the images come from. By default what the file `PROVENANCE.txt` beside the data says; without
            one, whether the archive is the published one.

    Raises:
        InputError: in one line, if anything is missing, truncated or altered.
    """
    layout, files, source = _find(name, path)
    missing = [file for file in layout.files if file not in files]
    if missing:
        raise InputError("folder", path, f"{missing[0]} is missing from {layout.folder}")
    class_names = _class_names(layout, files[layout.names], path)
    splits = []
    for group, published in zip((layout.train, (layout.test,)), _PUBLISHED, strict=True):
        parts = [_rows(layout, files[file], file, published // len(group), path) for file in group]
        splits.append((np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])))
    (train_images, train_labels), (test_images, test_labels) = splits
    if provenance is None and (len(train_labels), len(test_labels)) == _PUBLISHED:
        _compare_with_published(layout, files, path)
    words = provenance or _provenance(name, path, source, layout)
    if (len(train_labels), len(test_labels)) != _PUBLISHED:
        words += (
            f"; a subset: {len(train_labels)} of {_PUBLISHED[0]} training images, "
            f"{len(test_labels)} of {_PUBLISHED[1]} test images"
        )
    return Dataset(name, words, class_names, train_images, train_labels, test_images, test_labels)


def _find(name: str, path: Path) -> tuple[Layout, dict[str, bytes], Path]:
    """The layout that `path` holds, its files, and the folder or archive that they were read from."""
    layouts = LAYOUTS[name]
    if path.is_dir():
        for layout in layouts:
            files = from_folder(path, layout.folder, layout.files)
            if any(file in files for file in (*layout.train, layout.test)):
                return layout, files, path
        for archive in (path / published.file for published in archives(name)):
            if archive.is_file():
                return _find(name, archive)
    elif path.is_file():
        every = {file for layout in layouts for file in layout.files}
        files = from_archive(path, [layout.folder for layout in layouts], every)
        for layout in layouts:
            if any(file in files for file in (*layout.train, layout.test)):
                return layout, files, path
    else:
        raise InputError("folder", path, "there is no such folder or archive (data --download fetches it)")
    wanted = " nor ".join(f"{layout.folder} ({layout.test}, ...)" for layout in layouts)
    raise InputError("folder", path, f"it holds neither {wanted}")


def _rows(
    layout: Layout, data: bytes, file: str, most: int, path: Path
) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int32[np.ndarray, " n"]]:
    """Images and labels of one file, at most `most`."""
    if layout.label_bytes:
        row = layout.label_bytes + PIXELS
        if not data or len(data) % row:
            raise InputError("folder", path, f"{file} is truncated or altered: {len(data)} bytes are not rows of {row}")
        table = np.frombuffer(data, np.uint8).reshape(-1, row)
        labels = table[:, layout.label].astype(np.int32)
        pixels = table[:, layout.label_bytes :]
    else:
        content = _unpickled(data, file, path)
        pixels, labels = _pickled_rows(content, layout.keys[0], file, path)
    if len(labels) > most:
        raise InputError("folder", path, f"{file} has {len(labels)} images, more than the {most} published")
    wrong = np.flatnonzero((labels < 0) | (labels >= layout.C))
    if wrong.size:
        first = int(wrong[0])
        raise InputError(
            "folder", path, f"{file}: image {first} has label {labels[first]}; accepted: 0 to {layout.C - 1}"
        )
    return np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels


def _pickled_rows(
    content: dict[str, Any], key: str, file: str, path: Path
) -> tuple[UInt8[np.ndarray, "n 3072"], Int32[np.ndarray, " n"]]:
    pixels, labels = content.get("data"), content.get(key)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 2 or pixels.shape[1] != PIXELS:
        raise InputError("folder", path, f"{file}: 'data' is not an array of bytes with rows of {PIXELS}")
    plain = labels.tolist() if isinstance(labels, np.ndarray) else labels
    if not isinstance(plain, list) or len(plain) != len(pixels) or not plain:
        raise InputError("folder", path, f"{file}: '{key}' is not a list of one label an image")
    if not all(isinstance(label, int) and abs(label) < 2**31 for label in plain):
        raise InputError("folder", path, f"{file}: '{key}' holds something else than integers")
    return pixels, np.array(plain, dtype=np.int32)


def _unpickled(data: bytes, file: str, path: Path) -> dict[str, Any]:
    """The dictionary in a pickle, with text as keys."""
    try:
        found = unpickle.loads(data)
    except pickle.UnpicklingError as error:
        raise InputError("folder", path, f"{file} is damaged or not a pickle of CIFAR: {error}") from None
    if not isinstance(found, dict):
        raise InputError("folder", path, f"{file} is not a pickled dictionary")
    return {key.decode("ascii", "replace") if isinstance(key, bytes) else str(key): v for key, v in found.items()}


def _class_names(layout: Layout, data: bytes, path: Path) -> tuple[str, ...]:
    lines: list[Any]
    if layout.label_bytes:
        lines = [line.strip() for line in data.split(b"\n") if line.strip()]
    else:
        listed = _unpickled(data, layout.names, path).get(layout.keys[1])
        lines = listed if isinstance(listed, list) else []
    found = tuple(line.decode("ascii", "replace") if isinstance(line, bytes) else str(line) for line in lines)
    if len(found) != layout.C:
        raise InputError("folder", path, f"{layout.names} has {len(found)} class names; {layout.C} are needed")
    return found


def _compare_with_published(layout: Layout, files: dict[str, bytes], path: Path) -> None:
    """Refuse a file that differs from the published one, where others are the published ones: nothing else would show a
    bit that flipped in a file that is not compressed."""
    named = [file for file in (*layout.train, layout.test) if file in FILES]
    same = [hashlib.md5(files[file], usedforsecurity=False).hexdigest() == FILES[file] for file in named]
    if any(same) and not all(same):
        reason = f"{named[same.index(False)]} is not the published file, and {named[same.index(True)]} is"
        raise InputError("folder", path, f"{reason}; it is damaged, or --provenance must say where it comes from")


def _provenance(name: str, path: Path, source: Path, layout: Layout) -> str:
    beside = [source.parent] if source.is_file() else [source / layout.folder, source, source.parent]
    for folder in beside:
        file = folder / PROVENANCE
        if file.is_file():
            return one_line(file.read_bytes()[:4000].decode("utf-8", "replace"), 500)
    if source.is_file() and md5_of(source) in {archive.md5 for archive in archives(name)}:
        return f"{_TITLES[name]}, the official archive (md5 as published)"
    return f"{_TITLES[name]} in the official {layout.kind} layout; its origin is not stated"
