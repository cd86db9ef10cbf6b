"""The command line: what is printed where, and with which exit status."""

import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from theory.errors import InputError
from verify import cli, etf, optimum
from verify.results import Status
from verify.results.digits import round_down, round_up

BAD = [
    (etf, ["--C", "1", "--k", "3"], "--C"),
    (etf, ["--C", "10", "--k", "0"], "--k"),
    (etf, ["--C", "10", "--k", "-3"], "--k"),
    (etf, ["--C", "10", "--k", "nan"], "--k"),
    (etf, ["--C", "10", "--k", "1,x"], "--k"),
    (etf, ["--C", "10", "--k", "1,4", "--certificate", "c.json"], "--certificate"),
    (optimum, ["--rho", "0.5,0.5", "--k", "1", "--save", "c.txt"], "--save"),
    (etf, ["--C", "10", "--k", "9" * 5000], "--k"),
    (etf, ["--C", "10", "--k", "2.5"], "--k"),
    (etf, ["--C", "5", "--k", "3", "--d", "0"], "--d"),
    (etf, ["--C", "5", "--k", "3", "--temperature", "0"], "--temperature"),
    (etf, ["--C", "5", "--k", "3", "--temperature", "-1"], "--temperature"),
    (etf, ["--C", "5", "--k", "3", "--temperature", "nan"], "--temperature"),
    (etf, ["--C", "5", "--k", "3", "--loss", "squared"], "--loss"),
    (etf, ["--C", "10000000", "--k", "3"], "--C"),
    (etf, ["--C", "5", "--k", "3", "--certificate", "/nowhere/at/all.json"], "--certificate"),
    (etf, ["--k", "3"], "--C"),
    (etf, ["--C", "5", "--k", "3", "--nonsense"], "--nonsense"),
    (optimum, ["--rho", "0.5,0.4", "--k", "3"], "--rho"),
    (optimum, ["--rho", "0.5,0.5,0", "--k", "3"], "--rho"),
    (optimum, ["--rho=-0.5,1.5", "--k", "3"], "--rho"),
    (optimum, ["--rho", "a,b", "--k", "3"], "--rho"),
    (optimum, ["--rho", "0.5,0.5", "--C", "3", "--k", "3"], "--C"),
    (optimum, ["--rho", "uniform", "--k", "3"], "--rho"),
]


@pytest.mark.parametrize(("module", "arguments", "option"), BAD)
def test_bad_input_is_one_line_and_status_2(module, arguments, option, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        module.main(arguments)
    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert option in printed.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "arguments", "status", "code"),
    [
        (etf, ["--C", "3", "--k", "5", "--starts", "2"], "proved", 0),
        (etf, ["--C", "3", "--k", "inf", "--starts", "2"], "numerical", 0),
        (etf, ["--C", "4", "--k", "5", "--d", "2", "--starts", "2"], "undecided", 3),
        (optimum, ["--rho", "0.5,0.3,0.2", "--k", "5"], "proved", 0),
    ],
)
def test_json_is_one_object_with_the_common_keys(module, arguments, status, code, capsys):
    with pytest.raises(SystemExit) as stopped:
        module.main([*arguments, "--json"])
    printed = capsys.readouterr()
    assert stopped.value.code == code
    assert printed.err == ""
    result = json.loads(printed.out)
    assert result["status"] == status
    assert {"claim", "status", "problem", "seconds", "versions", "nce"} <= result.keys()
    assert {"C", "k", "d", "rho", "loss", "temperature"} == result["problem"].keys()
    assert {"found", "etf", "lower", "upper", "gap"} == result["nce"].keys()
    if "inf" in arguments:
        assert result["problem"]["k"] == "inf"
        assert result["normalization"] == "subtract_log_k"


def test_readable_report_says_the_same(capsys):
    with pytest.raises(SystemExit):
        etf.main(["--C", "3", "--k", "5", "--starts", "2"])
    printed = capsys.readouterr().out
    assert "proved" in printed
    assert "-0.500000 = -1/(C-1)" in printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [("64", (64,)), ("1,4,16", (1, 4, 16)), ("1:5", (1, 2, 3, 4, 5)), ("4,1:2,inf", (1, 2, 4, float("inf")))],
)
def test_lists_and_ranges_of_k(text, expected):
    assert cli.k_list(text) == expected


@pytest.mark.parametrize("text", ["", "5:1", "1:inf", "a", "1:2:3", "0:3", "1:100000000"])
def test_bad_lists_of_k(text):
    import argparse

    with pytest.raises(argparse.ArgumentTypeError):
        cli.k_list(text)


def test_doubles_are_rounded_outward():
    from fractions import Fraction

    third = Fraction(1, 3)
    assert Fraction(round_down(third)) < third < Fraction(round_up(third))
    assert round_down(Fraction(1, 2)) == round_up(Fraction(1, 2)) == 0.5


def test_exit_status_of_every_status():
    assert {status.value: status.exit_status for status in Status} == {
        "proved": 0,
        "numerical": 0,
        "refuted": 1,
        "undecided": 3,
    }


def test_help_and_version_are_fast_and_import_nothing_heavy():
    code = (
        "import sys\nfrom verify import cli, etf, optimum\n"
        "try: etf.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'jax', 'numpy', 'flint', 'sympy', 'scipy'} & sys.modules.keys(), 'heavy imports'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "example" in done.stdout
    shown = subprocess.run(
        [sys.executable, "-m", "verify.etf", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.startswith("nce-verifier ")


@pytest.mark.parametrize("fails", [False, True])
def test_the_line_of_progress_is_cleared_before_anything_is_said(fails, capsys, monkeypatch):
    def execute(arguments, progress):
        progress("step 1")
        if fails:
            raise InputError("k", 0, "accepted: more")
        return SimpleNamespace(status=Status.PROVED)

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    parser = cli.parser("verify.none", "", "")
    parser.add_argument("--k")
    with pytest.raises(SystemExit) as stopped:
        cli.main(parser, execute, lambda result: "done", [])
    out, err = capsys.readouterr()
    shown, cleared, *said = err.split("\r\x1b[K")[1:]
    assert (shown, out, stopped.value.code) == ("step 1", "" if fails else "done\n", 2 if fails else 0)
    assert cleared == ("python -m verify.none: argument --k: got '0'; accepted: more\n" if fails else "")
    assert said == []


@pytest.fixture
def interruptible():
    """Children of this process hear Ctrl-C, also where a shell that runs its jobs in the background ignored it for us:
    an ignored signal is inherited, a handled one is reset. (A `preexec_fn` would fork, which JAX forbids.)"""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("seconds", [1.0, 6.0])
def test_ctrl_c_is_one_line_and_status_130(seconds):
    command = [sys.executable, "-m", "verify.etf", "--C", "60", "--k", "100", "--starts", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.strip().endswith("interrupted")
    assert err.count("\n") == 1
