"""How commands end: an exit status that means what it says, and one line, whatever happens around them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.errors import InputError, as_text, one_line
from verify import cli
from verify.cli import ending
from verify.cli.progress import Progress
from verify.results import Status

CERTIFICATE = str(Path(__file__).parent / "data" / "certificates" / "etf-exponential-C5-k3.json")
CHECK = [sys.executable, "-m", "verify.check"]
ALONE = [sys.executable, "-m", "verify.checker"]
PROGRAM = [sys.executable, "-c", "from verify.commands import main; main()", "check"]


def ended(command, **streams):
    """Exit status, standard output and error; streams that are not given are pipes."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 60} | streams
    done = subprocess.run(command, check=False, **given)
    return done.returncode, done.stdout, done.stderr


def shell(redirections, *words):
    """A command under a shell's redirections."""
    return ended(["sh", "-c", f'exec "$@" {redirections}', "sh", *words])


@pytest.mark.parametrize("command", [CHECK, ALONE, PROGRAM])
@pytest.mark.parametrize("redirections", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_standard_error_and_input_may_be_closed_or_full(redirections, command):
    status, out, err = shell(redirections, *command, CERTIFICATE)
    assert (status, err) == (0, "") and "accepted" in out
    assert shell(redirections, *command, "nowhere")[0] == 2


@pytest.mark.parametrize("command", [CHECK, ALONE, PROGRAM])
@pytest.mark.parametrize("option", [CERTIFICATE, "--help"])
def test_output_that_cannot_be_written_is_one_line_and_2(option, command):
    for redirection in (">/dev/full", ">&-"):
        status, _, err = shell(redirection, *command, option)
        if (option, redirection, command) == ("--help", ">&-", CHECK):
            assert status == 0  # nobody was to read it
        else:
            assert status == 2 and err.count("\n") == 1 and "standard output" in err


@pytest.mark.parametrize("command", [CHECK, ALONE, PROGRAM])
@pytest.mark.parametrize("option", [CERTIFICATE, "--help"])
def test_a_reader_that_has_left_gets_the_true_status_or_141(option, command):
    expected = 0 if option == CERTIFICATE and command != ALONE else 141
    read, write = os.pipe()
    os.close(read)
    try:
        assert ended([*command, option], stdout=write)[::2] == (expected, "")
    finally:
        os.close(write)


@pytest.mark.parametrize("command", [CHECK, ALONE, PROGRAM])
def test_nothing_to_read_is_no_certificate(command):
    status, _, err = shell("<&-", *command, "-")
    assert status == 2 and "Traceback" not in err


def run(execute, capsys, *, words=()):
    """What `cli.main` makes of an `execute`."""
    parser = cli.parser("verify.none", "", "")
    parser.add_argument("given", nargs="*", metavar="FILE")
    for option in ("--k", "--rho"):
        parser.add_argument(option)
    parser.add_argument("--out", dest="run")
    with pytest.raises(SystemExit) as stopped:
        cli.main(parser, execute, lambda result: "done", list(words))
    return (stopped.value.code, *capsys.readouterr())


class XlaRuntimeError(RuntimeError):
    pass


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("k", "1\n2\x1b[31m", "accepted:\na number"), r"--k: got '1 2\x1b[31m'; accepted: a number"),
        (InputError("rho", 10**5000, "accepted: less"), "argument --rho: got 'about 1e+5000'"),
        (InputError("given", "f", "accepted: files"), "none: argument FILE: got 'f'"),
        (InputError("run", "f", "it is damaged"), "none: argument --out: got 'f'"),
        (InputError("width", 3, "accepted: less"), "none: width: got '3'"),
        (OSError(28, "No space left on device", "c.json"), "c.json: No space left on device"),
        (OSError("of no number"), "of no number"),
        (MemoryError(), "not enough memory"),
        (XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"), "not enough memory"),
        (ModuleNotFoundError("No module named 'flax'"), "No module named 'flax'"),
        (SystemExit(0), "sys.exit(0)"),
        (SystemExit("bye"), "sys.exit('bye')"),
    ],
)
def test_what_is_foreseen_is_one_line_and_2(error, said, capsys):
    def execute(arguments, progress):
        raise error

    status, out, err = run(execute, capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and err.isprintable() is False and err[:-1].isprintable()
    assert err.startswith("python -m verify.none: ") and said in err


def test_what_nobody_foresaw_is_70_one_line_and_a_file_with_the_traceback(capsys, tmp_path, monkeypatch):
    def execute(arguments, progress):
        raise KeyError("lines\nof text")

    monkeypatch.setattr(ending.tempfile, "tempdir", str(tmp_path))
    status, out, err = run(execute, capsys)
    (kept,) = tmp_path.iterdir()
    assert (status, out, err.count("\n")) == (70, "", 1)
    assert "KeyError" in err and str(kept) in err and "report" in err
    assert "raise KeyError" in kept.read_text() and "jax" in kept.read_text()
    monkeypatch.setattr(ending.tempfile, "tempdir", str(tmp_path / "none"))
    status, _, err = run(execute, capsys)
    assert status == 70 and "could not be kept" in err


def test_what_is_printed_meanwhile_goes_to_standard_error(capsys):
    def execute(arguments, progress):
        print("of a library")
        return SimpleNamespace(status=Status.REFUTED)

    assert run(execute, capsys) == (1, "done\n", "of a library\n")


def test_a_bad_argument_is_one_line_that_steers_no_terminal(capsys):
    status, out, err = run(lambda *_: None, capsys, words=["--no\n\x1b[31msuch"])
    assert (status, out, err.count("\n")) == (2, "", 1) and "\x1b" not in err and "--no" in err


@given(st.text(max_size=300))
def test_any_text_is_one_line_of_bounded_length(text):
    line = one_line(text, 80)
    assert len(line) <= 80 and (line.isprintable() or not line)
    assert one_line(line, 80) == line


def test_numbers_of_any_size_have_a_text():
    from fractions import Fraction

    assert as_text(Fraction(10) ** -5000) == "about 1e-5000" and as_text(Fraction(1, 3)) == "1/3"
    assert as_text(-(10**5000)) == "about -1e+5000" and "list" in as_text([10**5000])


def test_an_input_error_can_travel_from_a_worker():
    import pickle

    error = InputError("k", 0, "accepted: more")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.option, again.reason) == (str(error), "k", error.reason)


def test_a_long_computation_shows_signs_of_life(capsys, monkeypatch):
    monkeypatch.setattr(Progress, "ELSEWHERE", (0.05, 0.05))
    progress = Progress("python -m verify.none")
    progress.begin()
    time.sleep(0.2)
    progress("step 1")
    time.sleep(0.2)
    progress.done()
    lines = capsys.readouterr().err.splitlines()
    time.sleep(0.15)
    assert capsys.readouterr().err == ""
    assert lines[0] == "python -m verify.none: at work for 0 s" and lines[-1].endswith(": step 1")


def test_a_terminal_sees_progress_within_two_seconds(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert sum(Progress.TERMINAL) <= 2 and sum(Progress.ELSEWHERE) <= 60
    monkeypatch.setattr(Progress, "TERMINAL", (0.05, 0.05))
    progress = Progress()
    progress.begin()
    time.sleep(0.3)
    progress.done()
    err = capsys.readouterr().err
    assert "at work (0 s)" in err and err.endswith("\r\x1b[K")
