"""What is measured: problems and methods, in suites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

#: Four unequal classes, on which every alternative can start.
FOUR = "0.4,0.3,0.2,0.1"
#: Every method that finds a minimum, Adam with two numbers of steps.
SLOWEST = "cvxpy-scs"
SOLVERS = ("ours", "cvxpy-clarabel", SLOWEST, "pymanopt", "enumeration", "sgd-1e3", "sgd-1e4")
#: Runs of an evaluation whose ratio to two matrix products is asked for: both jitter by a tenth.
_MANY = 25


@dataclass(frozen=True)
class Task:
    """One measurement.

    Attributes:
        suite: the question that it belongs to.
        kind: "solve" (to the minimum) or "evaluate" (a value and a gradient).
        method: a module of `experiments.benchmarks.methods`, perhaps with a budget after a dash.
        rho: the prior, as a user writes it; `C` classes.
        limit_seconds: when to give up.
        runs: repetitions after the first.
    """

    suite: str
    kind: str
    method: str
    rho: str
    C: int
    k: int
    d: int
    limit_seconds: float = 300.0
    runs: int = 7

    @property
    def id(self) -> str:
        """What tells a measurement from the others of a file."""
        return f"{self.suite}/{self.kind}/{self.method}/{self.rho}/C={self.C}/k={self.k}/d={self.d}"

    def as_json(self) -> dict[str, Any]:
        """The fields of a record that are known before it is measured."""
        names = ("suite", "kind", "method", "rho", "C", "k", "d", "limit_seconds")
        return {"id": self.id, **{name: getattr(self, name) for name in names}}


def ten_groups(C: int) -> str:
    """Ten groups in `C >= 1000` classes: one class of mass 0.3, and groups of sizes that double, of falling shares."""
    sizes = [max(1, C // 2**i) for i in range(1, 9)]
    sizes = [1, *sizes, C - 1 - sum(sizes)]
    shares = ["0.3", *(f"0.{n}" for n in ("10", "09", "08", "07", "06", "05", "04", "03")), "0.18"]
    return "groups:" + ",".join(f"{n}x{share}" for n, share in zip(sizes, shares, strict=True))


def _against() -> Iterator[Task]:
    yield Task("against", "solve", "ours", "zipf:1", 10, 64, 10)
    for k in (1, 2, 4, 8, 16, 32, 64):
        for method in SOLVERS:
            yield Task("against", "solve", method, FOUR, 4, k, 4, limit_seconds=600.0 if k == 64 else 300.0)


def _kernel() -> Iterator[Task]:
    for k in (1, 4, 16, 64, 256, 1024, 4096, 65536, 10**6):
        yield Task("kernel", "evaluate", "ours", "zipf:1", 1000, k, 1000, runs=_MANY)
    for C in (10, 30, 100, 300, 2000):
        for k in (64, 4096):
            yield Task("kernel", "evaluate", "ours", "zipf:1", C, k, C, runs=_MANY)


def _public() -> Iterator[Task]:
    for k in (1, 4, 16, 64, 256, 1024, 4096, 65536, 10**6):
        yield Task("public", "evaluate", "public", "zipf:1", 1000, k, 1000, runs=_MANY)


def _dimension() -> Iterator[Task]:
    for d in (2, 10, 100, 300, 1000):
        yield Task("dimension", "evaluate", "ours", "zipf:1", 1000, 4096, d, runs=_MANY)


def _evaluate() -> Iterator[Task]:
    for k in (1, 4, 16, 64, 128, 1024, 10**6):
        for method in ("ours", "enumeration", "sampling"):
            yield Task("evaluate", "evaluate", method, FOUR, 4, k, 4)


def _groups() -> Iterator[Task]:
    for C in (10**3, 10**4, 10**5, 10**6):
        yield Task("groups", "solve", "groups", ten_groups(C), C, 65536, C)


def _classes() -> Iterator[Task]:
    for C in (2, 3, 6, 8, 10):
        for method in SOLVERS:
            yield Task("classes", "solve", method, "zipf:1", C, 8, C)
    for C in (30, 100):
        for method in ("ours", "pymanopt", "sgd-1e4"):
            yield Task("classes", "solve", method, "zipf:1", C, 8, C)


#: The questions: every solver as k grows; value and gradient beside two matrix products as k and C grow, by the public
#: function as k grows, and as d grows; beside enumeration and sampling as k grows; groups of equal classes as C grows;
#: every solver as C grows.
SUITES = {
    "against": _against,
    "kernel": _kernel,
    "public": _public,
    "dimension": _dimension,
    "evaluate": _evaluate,
    "groups": _groups,
    "classes": _classes,
}


def full() -> Iterator[Task]:
    """The whole run; the slowest method comes last."""
    yield from sorted((task for suite in SUITES.values() for task in suite()), key=lambda task: task.method == SLOWEST)


def quick() -> Iterator[Task]:
    """A minute of the same, for tests."""
    for method in SOLVERS[:-1]:
        yield replace(Task("against", "solve", method, FOUR, 4, 2, 4), runs=3)
    yield replace(Task("kernel", "evaluate", "ours", "zipf:1", 50, 64, 50), runs=3)
    for method in ("enumeration", "sampling"):
        yield replace(Task("evaluate", "evaluate", method, FOUR, 4, 4, 4), runs=3)
    yield replace(Task("groups", "solve", "groups", ten_groups(1000), 1000, 64, 1000), runs=3)
