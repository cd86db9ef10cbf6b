"""Random command lines over every command, each alone in a process: none ends as none may."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.faults import judge, words
from experiments.faults.runner import Ran
from verify.commands import COMMANDS, main

ROOT = Path(__file__).parents[1]


def fuzz(count, seed, *options):
    """In a process of its own: this one has threads, and must not be forked."""
    command = [sys.executable, "-m", "experiments.faults", "--count", str(count), "--seed", str(seed), "--json"]
    command += options
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counted = json.loads(done.stdout)
    assert counted["lines"] == count == sum(counted["statuses"].values())
    return counted


def test_a_sample_of_random_command_lines():
    counted = fuzz(30, 10**6, "--limit", "4")  # what works for longer is stopped: to be refused takes no time
    assert counted["faults"] == [] and counted["status"] == "numerical"
    assert counted["statuses"]["2"] > 10 and len(counted["tried"]) > 8


@pytest.mark.slow
def test_five_thousand_random_command_lines():
    assert fuzz(5000, 0)["faults"] == []


def test_lines_are_the_same_again_and_reach_every_command():
    lines = [words.line(seed) for seed in range(400)]
    assert lines[:20] == [words.line(seed) for seed in range(20)]
    for name in COMMANDS:
        assert any(line[: len(name.split())] == name.split() for line in lines), name


FINE = Ran(["etf"], 2, "", "python -m verify.etf: no\n", 0.1, 0.3, 0.1, [])


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, ""),
        ({"err": "python -m verify.etf: at work for 30 s\npython -m verify.etf: no\n"}, ""),
        ({"status": 3, "err": "", "out": "report", "left": ["out"]}, ""),
        ({"status": 70}, "status 70"),
        ({"status": -9}, "status -9"),
        ({"status": None, "err": "", "left": ["out"]}, ""),
        ({"err": "two\nlines\n"}, "2 lines"),
        ({"err": "\x1b[31m\n"}, "1 lines"),
        ({"out": "something"}, "9 characters"),
        ({"out": "report", "err": "python -m verify.etf: c cannot be written (full); its content is in /tmp/c\n"}, ""),
        ({"left": ["c.json"]}, "left behind"),
        ({"status": 0, "left": [".nce-1.tmp"]}, "temporary"),
        ({"status": 0, "err": "Traceback (most recent call last):"}, "traceback"),
        ({"gigabytes": 4.1}, "4.1 GB"),
        ({"silent_seconds": 61.0}, "61 s"),
    ],
)
def test_the_judge_sees_what_is_wrong(changed, wrong):
    found = "; ".join(judge.faults(FINE._replace(**changed)))
    assert found == "" if not wrong else wrong in found


@pytest.mark.parametrize(
    "words",
    [
        ["trained", "cost", "--C", "100000000"],
        ["trained", "cost", "--C", "5000000", "--n", "10000000"],
        ["unbalanced", "search", "--C", "100000000", "--minutes", "0", "--keep", "0"],
    ],
)
def test_sizes_that_fuzzing_found_are_refused_before_any_work(words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(words)
    err = capsys.readouterr().err
    assert (stopped.value.code, err.count("\n"), list(tmp_path.iterdir())) == (2, 1, [])
    assert f"argument {words[2] if 'search' in words or len(words) == 4 else '--n'}: got" in err
