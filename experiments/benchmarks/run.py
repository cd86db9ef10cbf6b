"""Measures task after task, each in a process of its own; saves after each, and goes on where it stopped."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.benchmarks.speedup import speedup
from experiments.benchmarks.tasks import Task
from theory.errors import InputError
from verify import files
from verify.certify.document import text
from verify.results import versions

PACKAGES = ("jax", "numpy", "scipy", "python-flint", "cvxpy", "clarabel", "scs", "pymanopt", "optax")


@dataclass
class Results:
    """A file of results (`experiments.benchmarks` says what is in it)."""

    machine: dict[str, Any]
    versions: dict[str, str]
    command: str
    date: str
    records: list[dict[str, Any]]
    speedup: dict[str, Any] | None

    @property
    def status(self) -> int:
        """The exit status of the command: that a method cannot do a problem is a result."""
        return 0


def machine() -> dict[str, Any]:
    """What the timings depend on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return {"cpu": model, "cores": cores, "memory_gb": round(memory, 1), "system": system}


def run(tasks: Iterable[Task], out: Path, command: str, *, progress: Callable[[str], None] = lambda _: None) -> Results:
    """The results of all tasks; those that `out` already has are not measured again.

    Raises:
        InputError: if `out` holds results of another machine or other versions, which must not be mixed.
    """
    tasks = list(tasks)
    if tasks:
        files.check_output("out", out, folders=True)
    results = _load(out, command, measuring=bool(tasks))
    done = {record["id"] for record in results.records}
    for n, task in enumerate(tasks):
        if task.id in done:
            continue
        progress(f"{n + 1} of {len(tasks)}: {task.id}")
        results.records.append({**task.as_json(), **_measure(task), "date": _now()})
        results.speedup = speedup(results.records)
        files.write(out, text(asdict(results)).encode(), folders=True)
    return results


def _load(out: Path, command: str, *, measuring: bool) -> Results:
    here = {"machine": machine(), "versions": versions(*PACKAGES)}
    if not out.exists():
        return Results(**here, command=command, date=_now(), records=[], speedup=None)
    try:
        saved = files.read_json(out, "out")
        results = Results(**saved)
    except TypeError:
        raise InputError("out", out, "accepted: a new file, or results of this command") from None
    if measuring and {name: saved[name] for name in here} != here:
        raise InputError("out", out, "it holds results of another machine or other versions; give a new file")
    return results


def _measure(task: Task) -> dict[str, Any]:
    # -P: not what the folder that this was called in holds under the same name
    words = [
        sys.executable,
        "-P",
        "-m",
        "experiments.benchmarks.measure",
        json.dumps({**task.as_json(), "runs": task.runs}),
    ]
    try:
        # the limit is for the method; starting up and judging come on top
        limit, environment = task.limit_seconds + 60, os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
        ended = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return {"status": "too long", "note": f"not done after {task.limit_seconds:.0f} s"}
    if ended.returncode != 0:
        lines = ended.stderr.strip().splitlines() or [f"ended with status {ended.returncode}"]
        return {"status": "failed", "note": lines[-1][:200]}
    record: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
