"""Where files are written and read: every kind of place, and every kind of damage."""

import io
import os
import stat
import threading
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.errors import InputError
from verify import cli, files
from verify.files.arrays import read_array, read_arrays

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def places(folder):
    """Where no file can be written, each with a word of the reason."""
    (folder / "file").write_text("mine")
    (folder / "folder").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "lost").symlink_to(folder / "nowhere" / "file")
    yield folder / "file" / "below", "directory"
    yield folder / "folder", "folder"
    yield folder / "nowhere" / "file", "does not exist"
    yield folder / ("n" * 256), "too long"
    yield folder / "loop", "symbolic links"
    yield folder / "lost", "does not exist"
    if not AS_ROOT:
        (folder / "file").chmod(0o400)
        (folder / "folder").chmod(0o500)
        yield folder / "file", "write-protected"
        yield folder / "folder" / "file", "ermission"


def test_places_that_cannot_be_written_are_refused_and_left_alone(tmp_path):
    for path, reason in list(places(tmp_path)):
        before = sorted(os.listdir(tmp_path))
        assert reason in files.unwritable(path)
        with pytest.raises(cli.argparse.ArgumentTypeError, match=reason):
            cli.writable(str(path))
        with pytest.raises(OSError, match=r".") as failed:
            files.write(path, b"new")
        assert failed.value.filename == str(path)
        assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("device", ["/dev/full", "/sys/kernel/nce"])
def test_places_without_room_are_refused_by_the_check_or_at_the_end(device):
    with pytest.raises(OSError, match=r"device|ermission|denied|such file"):
        files.write(device, b"new")


def test_a_name_of_250_characters_is_a_name(tmp_path):
    path = tmp_path / ("n" * 250)
    assert files.unwritable(path) is None
    files.write(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == [path.name]


def test_links_are_followed_and_stay(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for target in (tmp_path / "elsewhere" / "there", tmp_path / "elsewhere" / "not-yet"):
        link = tmp_path / f"link-{target.name}"
        link.symlink_to(target)
    (tmp_path / "elsewhere" / "there").write_text("old")
    for name in ("there", "not-yet"):
        assert files.unwritable(tmp_path / f"link-{name}") is None
        files.write(tmp_path / f"link-{name}", b"new")
        assert (tmp_path / f"link-{name}").is_symlink()
        assert (tmp_path / "elsewhere" / name).read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["not-yet", "there"]


def test_devices_and_pipes_are_written_through(tmp_path):
    assert files.unwritable(files.Path("/dev/null")) is None
    files.write("/dev/null", b"new")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    assert files.unwritable(pipe) is None
    files.write(pipe, b"new")
    reader.join(10)
    assert received == [b"new"] and stat.S_ISFIFO(pipe.stat().st_mode) and os.listdir(tmp_path) == ["pipe"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o007])
def test_permissions_are_those_of_the_umask_or_of_the_file_that_is_replaced(mask, tmp_path, umask):
    umask(mask)
    files.write(tmp_path / "new", b"")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask
    (tmp_path / "old").write_text("old")
    (tmp_path / "old").chmod(0o640)
    files.write(tmp_path / "old", b"")
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("no"), KeyboardInterrupt()])
def test_what_fails_midway_leaves_the_old_file_and_nothing_else(error, tmp_path):
    (tmp_path / "file").write_text("old")

    def write():
        with files.replacing(tmp_path / "file") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert (tmp_path / "file").read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_two_that_write_one_name_leave_one_whole_file(tmp_path):
    contents = [bytes([65 + i]) * 100_000 for i in range(4)]
    threads = [
        threading.Thread(target=lambda c=c: [files.write(tmp_path / "file", c) for _ in range(5)]) for c in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in contents and os.listdir(tmp_path) == ["file"]


def test_folders_are_made_only_when_there_is_something_to_write(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    assert files.unwritable(path) is not None and files.unwritable(path, folders=True) is None
    files.check_folder("out", tmp_path / "a")
    assert os.listdir(tmp_path) == []
    files.write(path, b"new", folders=True)
    assert path.read_bytes() == b"new"
    with pytest.raises(InputError, match=r"got .*or made \(Not a directory\)"):
        files.check_folder("out", path / "below")


def test_inputs_that_cannot_be_read_are_one_line(tmp_path):
    damaged = {"text": b"no JSON", "cut": b'{"a": [1', "list": b"[]", "bytes": b"\xff\xfe\x00", "deep": b"[" * 10**5}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
    for path in [*(tmp_path / name for name in damaged), tmp_path, tmp_path / "none", tmp_path / "text" / "below"]:
        with pytest.raises(InputError) as refused:
            files.read_json(path, "run")
        assert refused.value.option == "run" and "\n" not in str(refused.value)
    with pytest.raises(InputError, match="at most 7 bytes"):
        files.read_bytes("/dev/zero", "run", most=7)


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "c": np.array("text"),
        "d": np.zeros((0, 3)),
    }
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(read_array(tmp_path / f"{name}.npy", "embeddings"), array)
    np.savez_compressed(tmp_path / "all.npz", **arrays)
    found = read_arrays(tmp_path / "all.npz", "boxes")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_arrays_that_are_not_there_take_no_memory(tmp_path):
    claims = npy(np.zeros((2, 3))).replace(b"(2, 3)", b"(9, 9)")
    huge = npy(np.zeros(3)).replace(b"(3,), }     ", b"(10**13,), }")
    objects = npy(np.zeros(3)).replace(b"<f8", b"|O8")
    long = npy(np.zeros(3)).replace(b"(3,), }         ", b"(99999999999,), ")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.npy", b"\0" * (1 << 20))
    for content in (claims, huge, objects, long, b"", b"\x93NUMPY", archive.getvalue(), npy(np.zeros(3))[:-1]):
        (tmp_path / "file").write_bytes(content)
        for read in (read_array, read_arrays):
            with pytest.raises(InputError, match=r"accepted: a \.np"):
                read(tmp_path / "file", "embeddings")


@given(st.integers(0, 8 * 152 - 1))
def test_no_flipped_bit_of_a_header_is_more_than_one_line(bit):
    content = bytearray(npy(np.arange(3.0)))
    content[bit // 8] ^= 1 << bit % 8
    path = files.Path(os.environ.get("TMPDIR", "/tmp")) / f"nce-flipped-{os.getpid()}.npy"
    path.write_bytes(content)
    try:
        found = read_array(path, "embeddings")
    except InputError:
        return
    finally:
        path.unlink()
    # a flip may leave a header that says something else of the same size
    assert found.nbytes == 24
