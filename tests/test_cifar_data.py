"""The data of experiments.cifar: subsets, long tails, the generated set, downloads, and the command."""

import hashlib
import http.server
import json
import threading
from fractions import Fraction

import numpy as np
import pytest
from cifar_files import check_equal, compress, content, write_binary
from hypothesis import given
from hypothesis import strategies as st

from experiments.cifar import download, layouts, longtail, standin
from experiments.cifar.data_command import data_main
from experiments.cifar.dataset import load
from theory.errors import InputError


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


def test_one_majority_has_its_share():
    assert longtail.one_majority(1800, 10, Fraction(4, 5)) == (1800, *[50] * 9)
    assert longtail.one_majority(30, 3, Fraction(1, 3)) == (30, 30, 30)
    for share in (Fraction(1, 4), Fraction(1), Fraction(999, 1000)):
        with pytest.raises(InputError, match="majority"):
            longtail.one_majority(30, 3, share)


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
    with pytest.raises(InputError, match="accepted: cifar10, cifar100, cifar20, standin"):
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


def command(capsys, *arguments):
    """Status, standard output and standard error of the data command."""
    with pytest.raises(SystemExit) as stop:
        data_main([str(argument) for argument in arguments])
    return stop.value.code, *capsys.readouterr()


def test_the_command_says_what_a_set_holds(tmp_path, capsys):
    inner = write_binary(tmp_path, "cifar10", *content("cifar10", 500, 100))
    options = (
        "--dataset",
        "cifar10",
        "--folder",
        inner,
        "--classes",
        "7,2",
        "--imbalance",
        "5",
        "--provenance",
        "mine",
    )
    code, out, err = command(capsys, *options)
    assert code == 0 and err == "" and out.startswith("cifar10: mine; a subset: 500 of 50000")
    assert "class 7        50      10  5/6" in out
    code, out, _ = command(capsys, *options, "--json")
    found = json.loads(out)
    assert code == 0 and found["train"] == [50, 10] and found["test"] == [10, 10] and found["rho"] == ["5/6", "1/6"]
    code, out, _ = command(capsys, "--classes", "3", "--per-class", "4", "--size", "12", "--json")
    assert code == 0 and json.loads(out)["size"] == [12, 12, 3] and json.loads(out)["train"] == [4, 4, 4]


def test_the_command_downloads_and_refuses_in_one_line(tmp_path, server, monkeypatch, capsys):
    answers, home = server
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    archive = compress(
        write_binary(tmp_path / "data", "cifar100", *content("cifar100", 100, 100)), tmp_path / "a.tar.gz"
    )
    data = archive.read_bytes()
    answers["/cifar-100-binary.tar.gz"] = (data, len(data))
    checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
    monkeypatch.setitem(
        download.ARCHIVES, ("cifar100", "binary"), download.Archive("cifar-100-binary.tar.gz", checksum, home)
    )
    code, out, _ = command(capsys, "--dataset", "cifar100", "--download")
    assert code == 0 and "md5 as published" in out and (tmp_path / "nce-data/cifar/cifar-100-binary.tar.gz").is_file()
    for arguments, complaint in (
        (["--dataset", "cifar10"], "argument --folder: got 'nce-data/cifar'; it holds neither"),
        (["--dataset", "cifar10", "--folder", "nowhere"], "data --download fetches it"),
        (["--dataset", "cifar10", "--folder", archive, "--download"], "--download needs a folder"),
        (["--download"], "argument --dataset"),
        (["--classes", "x"], "argument --classes"),
        (["--imbalance", "x"], "argument --imbalance"),
    ):
        code, out, err = command(capsys, *arguments)
        assert code == 2 and out == "" and err.count("\n") == 1 and complaint in err
