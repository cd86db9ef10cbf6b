"""The committed certificates and stored mutants through the checker, where there is nothing but Python and mpmath.

    python tests/check_certificates.py CHECKER.pyz

runs the one-file checker (`python -m verify.checker.bundle CHECKER.pyz`) in a process that sees neither this repository
nor what its environment sets, and compares verdicts and exit statuses with those expected. Standard library only:
`.ci/run` runs it with an mpmath that the rest of the project cannot have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
MUTANTS = ROOT / "tests" / "data" / "mutants"
FOLDERS = ("experiments/certificates/examples", "tests/data/certificates", "experiments/unbalanced/findings")


def is_certificate(path: Path) -> bool:
    return json.loads(path.read_text(encoding="utf-8")).get("schema") == "nce-certificate"


def accepted() -> list[Path]:
    """The committed certificates, all of which are to be accepted."""
    return [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.json")) if is_certificate(path)]


def expected() -> dict[Path, str]:
    """The stored mutants and their verdicts."""
    verdicts = json.loads((MUTANTS / "expected.json").read_text(encoding="utf-8"))
    if set(verdicts) != {path.name for path in MUTANTS.glob("*.json")} - {"expected.json"}:
        raise SystemExit("the stored mutants are not those of expected.json")
    return {MUTANTS / name: verdict for name, verdict in verdicts.items()}


def verdicts_of(command: list[str], paths: list[Path]) -> tuple[int, list[str]]:
    """The exit status of `command` on these files, and the verdict of each line."""
    done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True, check=False)
    if done.stderr:
        raise SystemExit(done.stderr)
    lines = done.stdout.splitlines()
    if len(lines) != len(paths):
        raise SystemExit(f"{len(lines)} lines for {len(paths)} files")
    return done.returncode, [
        line.removeprefix(f"{path}: ").split(":")[0] for path, line in zip(paths, lines, strict=True)
    ]


def compare(command: list[str], good: list[Path], mutants: dict[Path, str]) -> list[str]:
    """What differs from what is expected."""
    status, found = verdicts_of(command, good)
    wrong = [f"{path}: {verdict}" for path, verdict in zip(good, found, strict=True) if verdict != "accepted"]
    if status != 0:
        wrong.append(f"exit status {status} on the committed certificates")
    status, found = verdicts_of(command, list(mutants))
    pairs = zip(mutants.items(), found, strict=True)
    wrong += [f"{path}: {verdict}, expected {right}" for (path, right), verdict in pairs if verdict != right]
    if status != 1:
        wrong.append(f"exit status {status} on the mutants, of which some are rejected")
    return wrong


def main() -> None:
    command = [sys.executable, "-I", sys.argv[1]]
    good, mutants = accepted(), expected()
    used = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    wrong = compare(command, good, mutants)
    print(*wrong, f"{used}: {len(good)} certificates, {len(mutants)} mutants, {len(wrong)} wrong", sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
