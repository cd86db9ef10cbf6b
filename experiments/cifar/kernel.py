"""The exact loss and its gradient in double precision on a device, beside the two matrix products that nothing avoids.

`python -m experiments.cifar.kernel C K` measures in this process and prints a record; `measure_apart` runs that. All
operands lie on the device, and results stay there: what is timed is the computation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

#: Timings of each, which take turns, so that what else the machine does falls on both.
RUNS = 7
#: Anchors whose loss is computed once more, by the integral with its own nodes.
CHECKED = 4


def measure_apart(C: int, k: int, *, timeout: float) -> dict[str, Any]:
    """`measure` in a process of its own.

    Raises:
        RuntimeError: with the last line that it printed, if it fails or takes longer than `timeout` seconds.
    """
    command = [sys.executable, "-m", "experiments.cifar.kernel", str(C), str(k)]
    # the process that asks may hold memory of the device too
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"} | dict(os.environ)
    try:
        found = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=max(0.1, timeout), check=False
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError("out of time") from None
    if found.returncode:
        said = [line for line in found.stderr.splitlines() if line.strip()]
        raise RuntimeError(said[-1][:300] if said else f"exit status {found.returncode}")
    record: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return record


def measure(C: int, k: int) -> dict[str, Any]:
    """Seconds of a loss with gradient at random unit embeddings (`d = C`, Zipf prior, temperature 1) and of the
    products `U U^T` and `A U`; and the largest relative error of the losses of `CHECKED` anchors."""
    from experiments.cifar.runs import PACKAGES, device_in_words
    from theory import priors
    from theory.expectation.integrals import log1p_sum
    from theory.float64 import jax, jnp
    from theory.geometry import normalized
    from theory.losses import get_loss
    from theory.population import limit_or_expectation, margins
    from verify.results import versions

    loss = get_loss("logistic").specialized(k, 1.0)
    rho = jnp.asarray(priors.parse("zipf:1", C).as_array())
    U = jnp.asarray(normalized(np.random.default_rng(0).normal(size=(C, C))))

    def value(U: jax.Array) -> tuple[jax.Array, jax.Array]:
        rows = limit_or_expectation(loss, margins(U @ U.T, 1.0), rho, k)
        return rho @ rows, jnp.asarray(rows)

    kernel = jax.jit(jax.value_and_grad(value, has_aux=True))
    products = jax.jit(lambda U, A: (U @ U.T, A @ U))
    begun = time.perf_counter()
    (_, rows), _ = _done(kernel(U))
    first = time.perf_counter() - begun
    A = _done(products(U, U))[0]
    pairs = [(_timed(lambda: kernel(U)), _timed(lambda: products(U, A))) for _ in range(RUNS)]
    del A
    checked = np.linspace(0, C - 1, CHECKED).astype(int)
    again = [log1p_sum(margins_of(U, c), rho, float(k)) for c in checked]
    error = max(abs(float(rows[c]) / float(value) - 1) for c, value in zip(checked, again, strict=True))
    device, count = device_in_words()
    return {
        "C": C,
        "k": k,
        "d": C,
        "rho": "zipf:1",
        "first_seconds": first,
        "seconds": _spread([a for a, _ in pairs]),
        "products_seconds": _spread([b for _, b in pairs]),
        "ratio": float(np.median([a / b for a, b in pairs])),
        "checked_rows": CHECKED,
        "error": error,
        "device": device,
        "devices": count,
        "versions": versions(*PACKAGES),
    }


def margins_of(U: Any, c: int) -> Any:
    """The margins `1 - G_cj` of one anchor, exactly 0 at `j = c`."""
    return (1.0 - U @ U[c]).at[c].set(0.0)


def _done(result: Any) -> Any:
    from theory.float64 import jax

    return jax.block_until_ready(result)  # type: ignore[no-untyped-call]


def _timed(run: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    _done(run())
    return time.perf_counter() - begun


def _spread(times: list[float]) -> dict[str, float | int]:
    """Median and quartiles."""
    low, median, high = np.percentile(times, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high), "runs": len(times)}


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))), flush=True)
