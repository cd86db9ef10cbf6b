"""The checker without this project: one file, in a process that sees the standard library and mpmath only."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import mpmath
import pytest
from check_certificates import ROOT, accepted, compare, expected, verdicts_of

from verify.checker import KINDS, bundle
from verify.checker.__main__ import main

EXAMPLES = ROOT / "experiments" / "certificates" / "examples"
ISOLATED = """import runpy, sys
sys.path.append(sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")"""


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The bundle under `-I -S`: no environment, no site-packages, and beside the standard library mpmath alone."""
    folder = tmp_path_factory.mktemp("alone")
    assert bundle.main([str(folder / "checker.pyz")]) == 0
    (folder / "packages").mkdir()
    (folder / "packages" / "mpmath").symlink_to(Path(mpmath.__file__).parent)
    return [sys.executable, "-I", "-S", "-c", ISOLATED, str(folder / "packages"), str(folder / "checker.pyz")]


def test_one_file_decides_as_it_should(command: list[str]) -> None:
    # the other committed certificates are checked in `test_checker` and, all of them, by `.ci/run`
    good = [path for path in accepted() if path.parent == EXAMPLES]
    assert compare(command, good, expected()) == []


def test_it_sees_nothing_else(command: list[str]) -> None:
    look = [*command[:4], "import numpy", *command[5:]]
    assert "No module named 'numpy'" in subprocess.run(look, capture_output=True, text=True, check=False).stderr


def test_there_is_an_example_of_each_kind() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == {*KINDS, "global-optimum-with-counts"}


def test_equal_bytes_every_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.pyz", "b.pyz"):
        assert bundle.main([str(tmp_path / name)]) == 0
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()
    shown = capsys.readouterr().out.splitlines()[0]
    assert shown == f"{hashlib.sha256((tmp_path / 'a.pyz').read_bytes()).hexdigest()}  {tmp_path / 'a.pyz'}"
    with zipfile.ZipFile(tmp_path / "a.pyz") as archive:
        sources = {name: archive.read(name) for name in archive.namelist()}
    package = Path(bundle.__file__).parent
    assert {f"verify/checker/{path.name}" for path in package.glob("*.py")} | {"__main__.py", "verify/__init__.py"} == {
        *sources
    }
    assert all(sources[f"verify/checker/{path.name}"] == path.read_bytes() for path in package.glob("*.py"))


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bundle.main([str(tmp_path / "none" / "a.pyz")])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_several_files_and_the_worst_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = EXAMPLES / "etf-optimality.json", ROOT / "tests/data/mutants/etf-interval-moved.json"
    missing = tmp_path / "none\n.json"
    for files, status in [([good], 0), ([good, missing], 2), ([missing, bad, good], 1), ([tmp_path], 2)]:
        assert main([*map(str, files)]) == status
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(files)
    for arguments in ([], ["--nothing", str(good)]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_standard_input_and_a_closed_pipe() -> None:
    good = EXAMPLES / "etf-optimality.json"
    run = [sys.executable, "-m", "verify.checker"]
    done = subprocess.run([*run, "-"], input=good.read_bytes(), capture_output=True, check=False)
    assert (done.returncode, done.stdout.split(b":")[:2], done.stderr) == (0, [b"-", b" accepted"], b"")
    assert verdicts_of(run, [good]) == (0, ["accepted"])
    # `true` reads nothing and ends
    closed = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m verify.checker {good} {good} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (closed.returncode in (0, 141), closed.stderr) == (True, "")


def test_no_stored_mutant_is_expected_to_pass() -> None:
    assert set(expected().values()) == {"rejected", "unreadable"}
