"""The package as a whole: what the wheel holds, which layer imports which, and that README's examples run."""

import ast
import builtins
import re
import shlex
import subprocess
import symtable
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ["theory", "verify", "experiments", "paper_figs"]
README = (ROOT / "README.md").read_text()


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module = ROOT / f"{node.module}.{alias.name}".replace(".", "/")
                is_module = module.is_dir() or module.with_suffix(".py").exists()
                names.add(f"{node.module}.{alias.name}" if is_module else node.module)
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_only_point_left(layer):
    right = set(LAYERS[LAYERS.index(layer) + 1 :])
    for path in (ROOT / layer).rglob("*.py"):
        assert not {name.split(".")[0] for name in _imports(path)} & right, path


def _circles(imports: dict[str, set[str]]) -> list[str]:
    """What imports itself, through whatever lies between: modules that reach themselves."""
    reached = {name: set(others) for name, others in imports.items()}
    while True:
        further = {name: others.union(*(reached[other] for other in others)) for name, others in reached.items()}
        if further == reached:
            return sorted(name for name, others in reached.items() if name in others)
        reached = further


def test_no_module_imports_itself_in_a_circle():
    """Neither at the start nor when a function is called, nor for types alone."""
    paths = {}
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            paths[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    assert _circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert _circles({name: (_imports(path) & paths.keys()) - {name} for name, path in paths.items()}) == []


def test_the_checker_stands_alone():
    allowed = set(sys.stdlib_module_names) | {"mpmath"}
    for path in (ROOT / "verify" / "checker").glob("*.py"):
        for name in _imports(path):
            assert name.split(".")[0] in allowed or name.startswith("verify.checker"), f"{path}: {name}"


def test_only_one_place_imports_jax():
    """So that no array is made in single precision before double is switched on."""
    for layer in ("theory", "verify"):
        for path in (ROOT / layer).rglob("*.py"):
            if path.name != "float64.py":
                assert "jax" not in {name.split(".")[0] for name in _imports(path)}, path


def test_the_wheel_holds_all_packages_and_their_data(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(["git", "ls-files", *LAYERS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert {f"{layer}/__init__.py" for layer in LAYERS} <= held
    assert {f"{layer}/py.typed" for layer in LAYERS} <= held
    assert set(tracked.stdout.split()) <= held


def test_commands_work_from_any_directory(tmp_path):
    command = [sys.executable, "-m", "verify.etf", "--C", "2", "--k", "1", "--starts", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "proved" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S))
def test_python_examples_of_the_readme(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.S)
    for line in block.splitlines()
    if line.startswith("$ python -m")
]


def _weighed(command: str) -> object:
    """Of the commands that work for long only shorter ones of their kind are in the suite."""
    return pytest.param(command, marks=pytest.mark.slow) if "--C 1000" in command else command


SHORTER = [command.replace("--C 1000", "--C 100") for command in COMMANDS if "--C 1000" in command]


@pytest.mark.parametrize("command", [*map(_weighed, COMMANDS), *SHORTER])
def test_commands_of_the_readme(command, tmp_path):
    for name, text in re.findall(r"```python file=(\S+)\n(.*?)```", README, re.S):
        (tmp_path / name).write_text(text)
    for part in command.split(" && "):
        words = shlex.split(part, comments=True)
        assert words[:2] == ["python", "-m"]
        done = subprocess.run([sys.executable, *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stderr


def test_the_hooks_have_the_versions_of_the_lock_file():
    lock = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = re.findall(r'"([\w-]+==[\d.]+)"', (ROOT / ".pre-commit-config.yaml").read_text())
    assert pinned and set(pinned) <= set(lock)


def _undefined(path: Path) -> set[str]:
    """Names that a module uses and does not have: annotations apart, whose shapes no linter tells from names."""
    top = symtable.symtable(path.read_text(), str(path), "exec")
    own = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    known, tables, used = own | set(dir(builtins)) | {"__file__", "__name__", "__class__"}, [top], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        used |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return used - known


def test_every_name_that_is_used_is_defined(tmp_path):
    (tmp_path / "module.py").write_text("def f(x: Float[Array, 'c d']):\n    return x + missing\n")
    assert "missing" in _undefined(tmp_path / "module.py")
    for layer in (*LAYERS, "tests"):
        for path in (ROOT / layer).rglob("*.py"):
            assert not _undefined(path), path
