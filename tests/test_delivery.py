"""What long work has made is not lost where its file, or standard output, cannot be written."""

import json
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

from verify import cli, files
from verify.certify.publish import publish
from verify.files import delivery
from verify.files.saving import save
from verify.results import Status


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The folder of temporary files, and a file that cannot be written once the work is done."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "full.json").symlink_to("/dev/full")
    monkeypatch.setattr(delivery.tempfile, "tempdir", str(tmp_path / "elsewhere"))
    return tmp_path / "elsewhere"


def test_what_can_be_written_is_written(tmp_path):
    with warnings.catch_warnings(action="error"):
        assert delivery.deliver(tmp_path / "a" / "file", b"new", folders=True) == tmp_path / "a" / "file"
    assert (tmp_path / "a" / "file").read_bytes() == b"new"


def test_what_cannot_be_written_is_kept_elsewhere(tmp_path, elsewhere, monkeypatch):
    assert files.unwritable(tmp_path / "full.json") is None
    with pytest.warns(delivery.Undelivered, match=r"full\.json cannot be written \(No space left on device\); its"):
        place = delivery.deliver(tmp_path / "full.json", b"new")
    assert place.parent == elsewhere and place.suffix == ".json" and place.read_bytes() == b"new"
    # nothing is among the temporary files: the current folder; nor there: nowhere
    monkeypatch.setattr(delivery.tempfile, "tempdir", str(tmp_path / "file" / "below"))
    monkeypatch.chdir(tmp_path)
    assert delivery.keep(b"new", "").parent == tmp_path
    monkeypatch.setattr(delivery.os, "fdopen", lambda *_: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
    before = sorted(tmp_path.iterdir())
    with pytest.warns(delivery.Undelivered, match="could not be kept elsewhere"):
        assert delivery.deliver(tmp_path / "none" / "file", b"new") is None
    assert sorted(tmp_path.iterdir()) == before


def accepted(monkeypatch):
    monkeypatch.setattr("verify.checker.check", lambda _: SimpleNamespace(verdict="accepted", reason=""))
    monkeypatch.setattr("verify.certify.publish.check", lambda _: SimpleNamespace(verdict="accepted", reason=""))


def test_certificates_and_arrays_are_delivered(tmp_path, elsewhere, monkeypatch):
    accepted(monkeypatch)
    with pytest.warns(delivery.Undelivered):
        place, status, _ = publish({"a": 1}, tmp_path / "full.json", Status.PROVED)
    assert status is Status.PROVED and json.loads(files.Path(place).read_text()) == {"a": 1}
    (tmp_path / "full.npz").symlink_to("/dev/full")
    with pytest.warns(delivery.Undelivered, match="npz"):
        save(tmp_path / "full.npz", {"a": 1.0})


def run(execute, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(cli.parser("verify.none", "", ""), execute, lambda result: "done", [])
    return (stopped.value.code, *capsys.readouterr())


def test_a_command_prints_its_result_and_says_in_one_line_with_status_2_where_the_file_is(tmp_path, elsewhere, capsys):
    def execute(arguments, progress):
        delivery.deliver(tmp_path / "full.json", b"new")
        warnings.warn("of a library", stacklevel=1)
        return SimpleNamespace(status=Status.PROVED)

    with pytest.warns(UserWarning, match="of a library"):
        status, out, err = run(execute, capsys)
    (kept,) = elsewhere.iterdir()
    assert (status, out, err.count("\n")) == (2, "done\n", 1)
    assert err.startswith("python -m verify.none: ") and err.endswith(f"its content is in {kept}\n")


@pytest.mark.parametrize(("options", "suffix"), [([], ".txt"), (["--json"], ".json")])
def test_a_result_that_standard_output_does_not_take_is_kept(options, suffix, tmp_path):
    command = [sys.executable, "-m", "verify.optimum", "--rho", "0.5,0.5", "--k", "1", *options]
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    (kept,) = tmp_path.iterdir()
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and done.stderr.endswith(f"it is in {kept}\n")
    assert kept.suffix == suffix and ("proved" in kept.read_text()) and kept.read_text().endswith("\n")
