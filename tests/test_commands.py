"""`nce-verifier`: every command by name, wherever it is called."""

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from verify import commands
from verify.commands import COMMANDS

ROOT = Path(__file__).parents[1]
LAYERS = ("verify", "experiments", "paper_figs")


def test_every_command_is_listed_and_can_be_started():
    for name, command in COMMANDS.items():
        module, _, function = command.start.partition(":")
        assert callable(getattr(import_module(module), function)), name
    started = {command.start.partition(":")[0] for command in COMMANDS.values()}
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if re.search(r"^    cli\.main\(", path.read_text(), re.M):
                assert module in started, f"{module} is missing from verify.commands"


def ended(call, *words, capsys):
    with pytest.raises(SystemExit) as stopped:
        call(list(words))
    return (stopped.value.code, *capsys.readouterr())


def test_help_lists_every_command(capsys):
    status, out, err = ended(commands.main, "--help", capsys=capsys)
    assert (status, err) == (0, "")
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.does)}$", out, re.M)
    for call, words in ((lambda words: commands.group("cifar", words), ("-h",)), (commands.main, ("cifar", "--help"))):
        status, out, _ = ended(call, *words, capsys=capsys)
        assert status == 0 and "  train " in out and "etf" not in out


@pytest.mark.parametrize("words", [(), ("nonsense",), ("unbalanced",), ("unbalanced", "no\nthing"), ("cifar", "\x1b")])
def test_what_is_no_command_is_one_line_and_2(words, capsys):
    status, out, err = ended(commands.main, *words, capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1) and "accepted: " in err and err[:-1].isprintable()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_version_of_every_command_by_either_name(name, capsys):
    status, out, err = ended(commands.main, *name.split(), "--help", capsys=capsys)
    assert (status, err) == (0, "") and "usage: python -m" in out and "example" in out
    status, out, _ = ended(commands.main, *name.split(), "--version", capsys=capsys)
    assert status == 0 and out.startswith(("nce-verifier ", "checker of nce-certificate "))
    status, out, err = ended(commands.main, *name.split(), "--no-such-option", capsys=capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)


def run(folder, *words, code=None):
    """The program in `folder`, as if it were installed: not from the folder that it is called in."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    words = [sys.executable, *(["-P", "-c", code, *words] if code else words)]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


CONSOLE = "from verify.commands import main; main()"


def test_what_the_folder_holds_is_not_taken_for_the_program(tmp_path):
    for name in ("theory", "verify", "experiments"):
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / name / "__init__.py").write_text("raise SystemExit('of somebody else')")
        assert run(tmp_path / name, "check", "--version", code=CONSOLE)[0] == 0
    for name, command in (("theory", "verify.check"), ("verify", "experiments.cifar"), ("experiments", "paper_figs")):
        status, out, err = run(tmp_path / name, "-m", command, "--help")
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert str(tmp_path / name) in err and "nce-verifier" in err


def test_a_library_that_imports_it_gets_an_error(tmp_path):
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory" / "__init__.py").write_text("")
    code = "import sys; sys.path.insert(0, '.')\ntry: import verify\nexcept ImportError as error: print(error)"
    status, out, _ = run(tmp_path, code=code)
    assert status == 0 and "is taken for theory" in out


def completions(line, tmp_path):
    """What argcomplete offers a shell for this line."""
    pytest.importorskip("argcomplete")
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    asked |= {"_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "offered"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-P", "-c", CONSOLE], env=os.environ | asked, check=False, cwd=tmp_path)
    assert done.returncode == 0
    return {word.strip() for word in (tmp_path / "offered").read_text().split("\n")}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nce-verifier et", {"etf"}),
        ("nce-verifier cifar tr", {"train"}),
        ("nce-verifier etf --temp", {"--temperature"}),
        ("nce-verifier unbalanced map --fam", {"--family"}),
        ("nce-verifier unbalanced map --family z", {"zipf"}),
    ],
)
def test_completion(line, expected, tmp_path):
    assert completions(line, tmp_path) == expected


def test_the_modules_of_verify_are_its_commands():
    """So that a newcomer sees at a glance what can be called; what commands work with is in packages."""
    folder = Path(commands.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__", "commands", "testing"}
    called = {command.start.partition(":")[0].removeprefix("verify.") for command in commands.COMMANDS.values()}
    assert modules == {name for name in called if "." not in name} - {"__main__"}
