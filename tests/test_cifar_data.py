"""The data of experiments.cifar: layouts read as published and refused when altered, subsets, the generated set."""

import hashlib
import http.server
import io
import os
import pickle
import tarfile
import threading
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cifar import download, layouts, longtail, standin, unpickle
from experiments.cifar.dataset import load
from theory.errors import InputError

CLASSES = {"cifar10": 10, "cifar100": 100}


def content(name, n_train, n_test):
    """Random pixels (n, 3, 32, 32) and labels that meet every class: train and test."""
    rng = np.random.default_rng(7)

    def part(n):
        labels = np.arange(n) % CLASSES[name]
        return rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8), labels

    return part(n_train), part(n_test)


def write_binary(folder, name, train, test):
    inner = folder / ("cifar-10-batches-bin" if name == "cifar10" else "cifar-100-binary")
    inner.mkdir(parents=True)

    def rows(pixels, labels):
        columns = [labels] if name == "cifar10" else [labels // 5, labels]
        return np.concatenate([np.stack(columns, 1).astype(np.uint8), pixels.reshape(len(pixels), -1)], 1).tobytes()

    names = "".join(f"class {c}\n" for c in range(CLASSES[name]))
    if name == "cifar10":
        for i, (p, y) in enumerate(zip(np.split(train[0], 5), np.split(train[1], 5), strict=True)):
            (inner / f"data_batch_{i + 1}.bin").write_bytes(rows(p, y))
        (inner / "test_batch.bin").write_bytes(rows(*test))
        (inner / "batches.meta.txt").write_text(names + "\n")
    else:
        (inner / "train.bin").write_bytes(rows(*train))
        (inner / "test.bin").write_bytes(rows(*test))
        (inner / "fine_label_names.txt").write_text(names)
    return inner


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did: that is how the published files are."""

    dispatch: ClassVar[dict] = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)

    dispatch[bytes] = save_bytes


def dump(value, protocol):
    if protocol != "python2":
        return pickle.dumps(value, protocol=protocol)
    stream = io.BytesIO()
    Python2Pickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_python(folder, name, train, test, protocol):
    inner = folder / ("cifar-10-batches-py" if name == "cifar10" else "cifar-100-python")
    inner.mkdir(parents=True)
    keys = ("labels", "label_names") if name == "cifar10" else ("fine_labels", "fine_label_names")

    def text(word):
        return word.encode() if protocol == "python2" else word

    def write(file, value):
        (inner / file).write_bytes(dump({text(k): v for k, v in value.items()}, protocol))

    def rows(pixels, labels):
        return {"data": pixels.reshape(len(pixels), -1), keys[0]: labels.tolist(), "batch_label": text("one of them")}

    names = {keys[1]: [text(f"class {c}") for c in range(CLASSES[name])]}
    if name == "cifar10":
        for i, (p, y) in enumerate(zip(np.split(train[0], 5), np.split(train[1], 5), strict=True)):
            write(f"data_batch_{i + 1}", rows(p, y))
        write("test_batch", rows(*test))
        write("batches.meta", names)
    else:
        write("train", rows(*train))
        write("test", rows(*test))
        write("meta", names)
    return inner


def compress(inner, archive):
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(inner, arcname=inner.name)
    return archive


def check_equal(found, name, train, test):
    assert found.class_names == tuple(f"class {c}" for c in range(CLASSES[name]))
    for images, labels, (pixels, expected) in (
        (found.train_images, found.train_labels, train),
        (found.test_images, found.test_labels, test),
    ):
        np.testing.assert_array_equal(images, np.moveaxis(pixels, 1, 3))
        np.testing.assert_array_equal(labels, expected)


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


@given(st.integers(1, 6000), st.integers(2, 100), st.fractions(1, 500, max_denominator=20))
def test_the_long_tail_is_the_floor_of_the_profile(largest, C, factor):
    if largest < factor:
        with pytest.raises(InputError, match="smallest with none"):
            longtail.profile(largest, C, factor)
        return
    counts = longtail.profile(largest, C, factor)
    assert counts[0] == largest and counts[-1] == largest // factor
    expected = [largest * float(factor) ** (-c / (C - 1)) for c in range(C)]
    assert all(n <= e + 1e-6 and n > e - 1 - 1e-6 for n, e in zip(counts, expected, strict=True))
    assert list(counts) == sorted(counts, reverse=True)


def test_the_long_tails_of_the_literature_have_their_published_sizes():
    assert longtail.profile(5000, 10, Fraction(100)) == (5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50)
    assert sum(longtail.profile(500, 100, Fraction(100))) == 10_847


def test_subsets_are_nested_and_known_exactly(tmp_path):
    inner = write_binary(tmp_path, "cifar10", *content("cifar10", 500, 100))
    whole = load("cifar10", inner)
    tail = load("cifar10", inner, classes=(7, 2, 5), imbalance=10, seed=3)
    assert tail.class_names == ("class 7", "class 2", "class 5") and tail.train_counts == (50, 15, 5)
    assert tail.prior().rho == (Fraction(5, 7), Fraction(3, 14), Fraction(1, 14))
    assert np.bincount(tail.test_labels).tolist() == [10, 10, 10]
    few = load("cifar10", inner, classes=(7, 2, 5), per_class=4, seed=3)
    assert few.train_counts == (4, 4, 4)
    other = load("cifar10", inner, classes=(7, 2, 5), per_class=4, seed=4)

    def images(data, old, new):
        return {image.tobytes() for image in data.train_images[data.train_labels == new]} & {
            image.tobytes() for image in whole.train_images[whole.train_labels == old]
        }

    for new, old in enumerate((7, 2, 5)):
        assert len(images(few, old, new)) == 4 and images(few, old, new) <= images(tail, old, new)
    assert not np.array_equal(few.train_images, other.train_images)


def test_bad_choices_are_refused(tmp_path):
    inner = write_binary(tmp_path, "cifar10", *content("cifar10", 100, 50))
    for options, word in (
        ({"classes": 1}, "classes"),
        ({"classes": 11}, "classes"),
        ({"classes": (1, 1)}, "classes"),
        ({"classes": (0, 10)}, "classes"),
        ({"imbalance": "0.5"}, "imbalance"),
        ({"imbalance": 11}, "imbalance"),
        ({"per_class": 0}, "per-class"),
        ({"size": 16}, "size"),
    ):
        with pytest.raises(InputError) as caught:
            load("cifar10", inner, **options)
        assert caught.value.option == word
    with pytest.raises(InputError, match="needs the folder"):
        load("cifar10")
    with pytest.raises(InputError, match="accepted: cifar10, cifar100, standin"):
        load("mnist")
    with pytest.raises(InputError, match="generated"):
        load("standin", inner)
    with pytest.raises(InputError, match="from 12 to 256"):
        load("standin", size=8)


def test_the_standin_is_the_same_every_time_and_new_for_every_seed():
    first, second = (load("standin", classes=3, per_class=5, size=16) for _ in range(2))
    np.testing.assert_array_equal(first.train_images, second.train_images)
    assert first.train_images.shape == (15, 16, 16, 3) and first.train_counts == (5, 5, 5)
    # elsewhere sines may round otherwise
    np.testing.assert_allclose(first.train_images[[0, 7, 12], 5, 8].astype(int), STANDIN_PIXELS, atol=1)
    assert not np.array_equal(first.train_images, load("standin", classes=3, per_class=5, size=16, seed=1).train_images)
    assert len(set(standin.CLASS_NAMES)) == 20
    # the same class has the same images in every choice of classes
    chosen = load("standin", classes=(2, 0), per_class=5, size=16)
    np.testing.assert_array_equal(chosen.train_images[:5], first.train_images[10:])


STANDIN_PIXELS = [[226, 255, 193], [158, 188, 173], [127, 74, 128]]


def test_the_standin_is_not_told_apart_by_colour_or_mean_image():
    data = load("standin", classes=4, per_class=150, size=16)
    train, test = (x.reshape(len(x), -1) / 255.0 for x in (data.train_images, data.test_images))
    means = np.stack([train[data.train_labels == c].mean(0) for c in range(4)])
    nearest = np.argmin(((test[:, None] - means) ** 2).sum(-1), 1)
    assert np.mean(nearest == data.test_labels) < 0.5
    colours = data.train_images.mean((1, 2))
    overall, within = colours.std(0), np.stack([colours[data.train_labels == c].std(0) for c in range(4)])
    assert np.all(within > 0.8 * overall)


@pytest.fixture
def server(tmp_path):
    """A server on this machine that gives what `answers` holds."""
    answers = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path not in answers:
                self.send_error(404)
                return
            data, length = answers[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield answers, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def test_downloads_are_whole_and_checked(tmp_path, server, monkeypatch):
    answers, home = server
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    train, test = content("cifar10", 100, 50)
    archive = compress(write_binary(tmp_path / "data", "cifar10", train, test), tmp_path / "made.tar.gz")
    data = archive.read_bytes()
    wanted = download.Archive("cifar-10-binary.tar.gz", hashlib.md5(data, usedforsecurity=False).hexdigest(), home)
    target, said = tmp_path / "into" / "here", []

    for answer, complaint in (
        (None, "404"),
        ((data[:-100], len(data)), "broke off|IncompleteRead"),
        ((data[:-1] + b"x", len(data)), "not .* as published"),
    ):
        if answer is not None:
            answers[f"/{wanted.file}"] = answer
        with pytest.raises(InputError, match=complaint) as caught:
            download.download(wanted, target)
        assert caught.value.option == "download" and not list(target.iterdir())
    answers[f"/{wanted.file}"] = (data, len(data))
    path = download.download(wanted, target, said.append)
    assert path.read_bytes() == data and [p.name for p in target.iterdir()] == [wanted.file]
    assert said and said[-1].endswith("MB") and wanted.file in said[-1]
    # what lies there is not fetched again, and the folder that it lies in is enough to load it
    answers.clear()
    assert download.download(wanted, target) == path
    check_equal(load("cifar10", target), "cifar10", train, test)
    # with the checksum as published the origin is known
    monkeypatch.setitem(layouts.ARCHIVES, ("cifar10", "binary"), wanted)
    assert load("cifar10", target).provenance.startswith("CIFAR-10, the official archive (md5 as published); a subset")
    with pytest.raises(InputError, match="could not be fetched"):
        download.download(download.Archive("x", "0", "http://127.0.0.1:1/"), target)


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
