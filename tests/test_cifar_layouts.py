"""The official layouts of CIFAR: read as published, refused in one line when altered, and never trusted."""

import contextlib
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from cifar_files import CLASSES, check_equal, compress, content, write_binary, write_python
from hypothesis import given
from hypothesis import strategies as st

from experiments.cifar import layouts, unpickle
from experiments.cifar.dataset import load
from theory.errors import InputError


@pytest.mark.parametrize("protocol", ["binary", "python2", 2, 4, 5])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_layouts_are_read_from_folder_parent_and_archive(tmp_path, name, protocol):
    train, test = content(name, 200, 100)
    if protocol == "binary":
        inner = write_binary(tmp_path / "data", name, train, test)
    else:
        inner = write_python(tmp_path / "data", name, train, test, protocol)
    archive = compress(inner, tmp_path / "any-name.tar.gz")
    for place in (inner, inner.parent, archive):
        found = load(name, place)
        check_equal(found, name, train, test)
        assert "not stated" in found.provenance and "200 of 50000 training images" in found.provenance


@pytest.mark.parametrize("protocol", ["binary", "python2"])
def test_superclasses_are_the_coarse_labels(tmp_path, protocol):
    train, test = content("cifar100", 200, 100)
    if protocol == "binary":
        inner = write_binary(tmp_path / "data", "cifar100", train, test)
    else:
        inner = write_python(tmp_path / "data", "cifar100", train, test, protocol)
    found, fine = load("cifar20", inner), load("cifar100", inner)
    assert found.C == 20 and found.class_names[3] == "superclass 3" and found.provenance == fine.provenance
    assert np.array_equal(found.train_labels, train[1] // 5) and np.array_equal(found.test_labels, test[1] // 5)
    assert np.array_equal(found.train_images, fine.train_images)


def test_provenance_is_that_of_the_file_or_the_option(tmp_path):
    train, test = content("cifar10", 100, 50)
    inner = write_binary(tmp_path, "cifar10", train, test)
    (tmp_path / "PROVENANCE.txt").write_text("CIFAR-10 recompressed\nas JPEG quality 75\n")
    assert load("cifar10", inner).provenance.startswith("CIFAR-10 recompressed as JPEG quality 75; a subset: 100 of")
    assert load("cifar10", inner, provenance="mine").provenance.startswith("mine; a subset: 100 of 50000")


def test_unsafe_members_of_an_archive_are_never_written(tmp_path):
    train, test = content("cifar100", 100, 100)
    inner = write_binary(tmp_path / "data", "cifar100", train, test)
    archive = tmp_path / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("../escaped.txt", str(tmp_path / "escaped.txt"), "../cifar-100-binary/train.bin"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("cifar-100-binary/meta")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
        tar.add(inner, arcname=inner.name)
    before = sorted(tmp_path.rglob("*"))
    check_equal(load("cifar100", archive), "cifar100", train, test)
    assert sorted(tmp_path.rglob("*")) == before and not (tmp_path.parent / "escaped.txt").exists()


def damaged(inner, name):
    """Files in which something is wrong, each with a word of the complaint."""
    if name == "cifar10":
        train, test, meta = "data_batch_3.bin", "test_batch.bin", "batches.meta.txt"
    else:
        train, test, meta = "train.bin", "test.bin", "fine_label_names.txt"
    whole = (inner / train).read_bytes()
    row, column = (3073, 0) if name == "cifar10" else (3074, 1)
    label = bytearray(whole)
    label[4 * row + column] = CLASSES[name]
    yield train, whole[:-1], "truncated"
    yield train, b"", "truncated"
    yield train, bytes(label), f"{train}: image 4 has label {CLASSES[name]}; accepted: 0 to {CLASSES[name] - 1}"
    yield test, whole[:row] * 10_001, "more than the 10000 published"
    yield train, None, f"{train} is missing"
    yield meta, None, f"{meta} is missing"
    yield meta, b"one name\n", "1 class names"


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_what_is_missing_truncated_or_altered_is_one_line(tmp_path, name):
    inner = write_binary(tmp_path, name, *content(name, 200, 100))
    for file, data, complaint in damaged(inner, name):
        kept = (inner / file).read_bytes()
        (inner / file).unlink()
        if data is not None:
            (inner / file).write_bytes(data)
        with pytest.raises(InputError, match="folder: got") as caught:
            load(name, inner)
        assert complaint in str(caught.value) and "\n" not in str(caught.value)
        (inner / file).write_bytes(kept)
    archive = compress(inner, tmp_path / "cut.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-50_000])
    with pytest.raises(InputError, match="truncated or damaged"):
        load(name, archive)
    archive.write_bytes(b"no archive")
    with pytest.raises(InputError, match="truncated or damaged"):
        load(name, archive)
    with pytest.raises(InputError, match="no such folder or archive"):
        load(name, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds neither"):
        load(name, tmp_path / "empty")


def test_damaged_pickles_are_one_line(tmp_path):
    inner = write_python(tmp_path, "cifar100", *content("cifar100", 100, 100), 2)
    whole = (inner / "train").read_bytes()
    good = pickle.loads(whole)
    wrong = [
        (whole[: len(whole) // 2], "damaged"),
        (b"", "damaged"),
        (pickle.dumps([1, 2]), "not a pickled dictionary"),
        (pickle.dumps(good | {"data": good["data"][:, :-1]}, 2), "rows of 3072"),
        (pickle.dumps(good | {"data": good["data"].astype(">i4")}, 2), "big-endian"),
        (pickle.dumps(good | {"data": good["data"].astype(float)}, 2), "an array of 'f8'"),
        (pickle.dumps(good | {"fine_labels": good["fine_labels"][1:]}, 2), "one label an image"),
        (pickle.dumps(good | {"fine_labels": ["1"] * 100}, 2), "something else than integers"),
        (pickle.dumps(good | {"fine_labels": [-1] * 100}, 2), "label -1"),
    ]
    for data, complaint in wrong:
        (inner / "train").write_bytes(data)
        with pytest.raises(InputError) as caught:
            load("cifar100", inner)
        assert complaint in str(caught.value) and "\n" not in str(caught.value)


class Calls:
    """Pickles to a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_a_pickle_can_call_nothing(tmp_path):
    marker = tmp_path / "called"
    for evil in (
        Calls(Path.touch, marker),
        Calls(os.system, f"touch {marker}"),
        Calls(eval, f"open({str(marker)!r}, 'w')"),
        Calls(np.load, str(marker)),
        Calls(np.ndarray, (1,), np.dtype("O")),
        {"data": Calls(getattr, "text", "upper")},
    ):
        for protocol in range(6):
            with pytest.raises(pickle.UnpicklingError):
                unpickle.loads(pickle.dumps(evil, protocol))
    assert not marker.exists()


@given(st.binary(max_size=60), st.integers(0, 200))
def test_altered_pickles_raise_one_kind_of_error(noise, at):
    data = pickle.dumps({"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2]}, 2)
    try:
        found = unpickle.loads(data[:at] + noise + data[at:])
    except pickle.UnpicklingError:
        return
    assert found is None or isinstance(found, dict | list | tuple | int | float | str | bytes | set)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_real_images(name):
    folder = os.environ.get(f"NCE_{name.upper()}")
    if not folder:
        pytest.skip(f"set NCE_{name.upper()} to a folder with the images")
    data = load(name, folder)
    assert data.train_images.shape[1:] == (32, 32, 3) and CLASSES[name] == data.C
    assert data.class_names[:2] == {"cifar10": ("airplane", "automobile"), "cifar100": ("apple", "aquarium_fish")}[name]
    # photographs: neighbouring pixels agree, and the channels are neither equal nor swapped with the axes
    pixels = data.train_images[:2000].astype(float)
    assert np.corrcoef(pixels[:, 1:].ravel(), pixels[:, :-1].ravel())[0, 1] > 0.9
    assert np.corrcoef(pixels[:, :, 1:].ravel(), pixels[:, :, :-1].ravel())[0, 1] > 0.9
    mean = pixels.mean((0, 1, 2))
    assert np.all(np.abs(mean - [125, 123, 114]) < 10) and mean[0] > mean[2]


def flipped(whole, bits):
    """Copies in which one bit is flipped."""
    for bit in bits:
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        yield bytes(content)


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_no_flipped_bit_of_an_archive_changes_a_pixel(tmp_path, compression):
    train, test = content("cifar100", 100, 100)
    inner = write_binary(tmp_path / "data", "cifar100", train, test)
    archive = tmp_path / "any-name"
    with tarfile.open(archive, f"w:{compression}") as tar:
        tar.add(inner, arcname=inner.name)
    whole = archive.read_bytes()
    check_equal(load("cifar100", archive), "cifar100", train, test)
    # the first and last bytes have headers and checksums, and every checksum is at the end
    bits = [
        *range(0, 96, 8),
        *np.random.default_rng(1).integers(0, 8 * len(whole), 12),
        *range(8 * len(whole) - 96, 8 * len(whole), 8),
    ]
    for changed in [*flipped(whole, map(int, bits)), whole[:-1], whole[:-8], whole[: len(whole) // 2]]:
        archive.write_bytes(changed)
        try:
            found = load("cifar100", archive)
        except InputError as refused:
            assert "damaged" in refused.reason or "holds neither" in refused.reason  # noqa: PT017
        else:
            check_equal(found, "cifar100", train, test)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_no_flipped_bit_of_134_changes_a_pixel(tmp_path, compression):
    train, test = content("cifar100", 100, 100)
    inner = write_binary(tmp_path / "data", "cifar100", train, test)
    archive = tmp_path / "any-name"
    with tarfile.open(archive, f"w:{compression}") as tar:
        tar.add(inner, arcname=inner.name)
    whole = archive.read_bytes()
    for changed in flipped(whole, map(int, np.random.default_rng(2).integers(0, 8 * len(whole), 134))):
        archive.write_bytes(changed)
        with contextlib.suppress(InputError):
            check_equal(load("cifar100", archive), "cifar100", train, test)


def test_a_file_that_differs_from_the_published_one_beside_those_that_do_not_is_refused(tmp_path, monkeypatch):
    train, test = content("cifar100", 300, 100)
    inner = write_python(tmp_path, "cifar100", train, test, 2)
    monkeypatch.setattr(layouts, "_PUBLISHED", (300, 100))
    published = {name: hashlib.md5((inner / name).read_bytes()).hexdigest() for name in ("train", "test")}
    monkeypatch.setattr(layouts, "FILES", published)
    check_equal(load("cifar100", inner), "cifar100", train, test)
    whole = (inner / "train").read_bytes()
    at = whole.index(train[0].tobytes()[:100]) if train[0].tobytes()[:100] in whole else len(whole) // 2
    (changed,) = flipped(whole, [8 * (at + 50)])
    (inner / "train").write_bytes(changed)
    with pytest.raises(InputError, match=r"damaged|train is not the published file, and test is"):
        load("cifar100", inner)


@given(st.integers(0, 10**6))
def test_no_flipped_bit_of_a_pickle_asks_for_memory(bit):
    labels = [f"image {i}" for i in range(300)]  # more than 255 objects: their numbers have four bytes
    data = pickle.dumps({"data": np.zeros((2, 4), np.uint8), "labels": labels, "again": labels[:3]}, 2)
    (changed,) = flipped(data, [bit % (8 * len(data))])
    with contextlib.suppress(pickle.UnpicklingError):
        unpickle.loads(changed)
    number = data.index(b"r\x00\x01\x00\x00")
    with pytest.raises(pickle.UnpicklingError, match="object number"):
        unpickle.loads(data[: number + 4] + b"\x7f" + data[number + 5 :])
