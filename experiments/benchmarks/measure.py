"""One measurement, in a process of its own: `python -m experiments.benchmarks.measure TASK` prints a record.

Memory is read before anything is judged, so that only the method is in it. Timings are of the whole call.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from experiments.benchmarks.methods import method
from experiments.benchmarks.problem import Problem, judge, read

#: No run begins when the ones before it, without the first, have taken this long.
_ENOUGH_SECONDS = 20.0
#: A run shorter than this is repeated within one timing.
_LEAST_SECONDS = 0.01


def measure(task: dict[str, Any]) -> dict[str, Any]:
    """What a record has beyond its task (`experiments.benchmarks`)."""
    module, budget = method(task["method"])
    for package in module.PACKAGES:
        try:
            version(package)
        except PackageNotFoundError:
            return {"status": "missing", "note": f"{package} is not installed: pip install 'nce-verifier[benchmarks]'"}
    problem = read(task["rho"], task["C"], task["k"], task["d"])
    record: dict[str, Any] = {"status": "done", "note": ""}
    if hasattr(module, "terms"):
        record["terms"] = module.terms(problem)
    base = _peak_mb()
    begun = time.perf_counter()
    try:
        run = module.solver(problem, budget) if task["kind"] == "solve" else module.evaluator(problem)
        built = time.perf_counter() - begun
        answer = run()
    except (MemoryError, RuntimeError) as error:
        return {**record, "status": "failed", "note": str(error)[:200]}
    first = time.perf_counter() - begun
    if task["kind"] == "evaluate":
        products = _products(problem)
        products()
        times, between = _in_turn(run, products, task["runs"])
        record["products_seconds"] = spread(between)
    elif first - built > _ENOUGH_SECONDS and not module.COMPILES:
        times = [first - built]
    else:
        times = _repeated(run, task["runs"])
    record |= {"first_seconds": first, "seconds": spread(times), "base_mb": base, "peak_mb": _peak_mb()}
    if task["kind"] == "evaluate":
        return record | {"error": _error(problem, float(answer))}
    loss, lower = module.judged(problem) if hasattr(module, "judged") else judge(problem, answer)
    return record | {"loss": loss, "lower": lower, "gap": max(0.0, loss - lower) / max(1.0, abs(loss))}


def spread(times: list[float]) -> dict[str, float | int]:
    """Median and quartiles."""
    low, median, high = np.percentile(times, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high), "runs": len(times)}


def _in_turn(run: Callable[[], Any], products: Callable[[], Any], runs: int) -> tuple[list[float], list[float]]:
    """Times of both, one after the other, so that what else the machine does falls on both."""
    pairs = [(_timed(run), _timed(products)) for _ in range(max(runs, 5))]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _repeated(run: Callable[[], Any], runs: int) -> list[float]:
    """Times of one run or more, fewer than `runs` where they are long."""
    times = [_timed(run)]
    while len(times) < runs and sum(times) < _ENOUGH_SECONDS:
        times.append(_timed(run))
    return times


def _timed(run: Callable[[], Any]) -> float:
    """Seconds a run, over as many as make a time that the clock can tell."""
    count, begun = 0, time.perf_counter()
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - begun
        if elapsed >= _LEAST_SECONDS:
            return elapsed / count


def _products(problem: Problem) -> Callable[[], None]:
    """`U U^T`, and a C x C matrix times U, in JAX: the two matrix products that no gradient avoids."""
    from experiments.benchmarks.methods.ours import start
    from theory.float64 import jax

    U = start(problem)

    @jax.jit
    def both(U: jax.Array, A: jax.Array) -> tuple[jax.Array, jax.Array]:
        return U @ U.T, A @ U

    A = (U @ U.T).block_until_ready()

    def products() -> None:
        for array in both(U, A):
            array.block_until_ready()

    return products


def _error(problem: Problem, value: float) -> float:
    """Relative to the exact loss, by this project's integral over the class-level law with its own nodes."""
    from experiments.benchmarks.methods.ours import start
    from theory.expectation.integrals import log1p_sum
    from theory.float64 import jnp
    from theory.population import margins

    U, rho = start(problem), jnp.asarray(problem.rho)
    rows = margins(U @ U.T, 1.0)
    exact = float(sum(r * log1p_sum(row, rho, float(problem.k)) for r, row in zip(rho, rows, strict=True)))
    return abs(value - exact) / abs(exact)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))), flush=True)
