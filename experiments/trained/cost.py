"""`python -m experiments.trained cost`: the exact loss of many points beside the product `F F^T`, in processor time.

Processor time of all threads, so that what else a machine does counts less; the product's rows are timed in part where
there are many, and the rest is in proportion.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn

from theory.errors import InputError
from theory.problem import check_temperature
from verify import cli
from verify.results import NOT_IN_JSON, Status, versions

#: Of the embeddings: a gigabyte.
MAX_NUMBERS = 10**8

if TYPE_CHECKING:
    import numpy as np

#: Rows of the product that are timed.
_ROWS = 4096


@dataclass(frozen=True)
class Cost:
    """One measurement; its fields are the keys of `--json`.

    Attributes:
        product_seconds: processor time of `F F^T` in double precision, in blocks of rows.
        loss_seconds: of everything that the loss takes.
        ratio: the second over the first.
        degrees: of the moments.
        wall_seconds: of the loss, by the clock.
        peak_gigabytes: the most memory that the process has held.
    """

    n: int
    d: int
    C: int
    k: int
    temperature: str
    product_seconds: float
    loss_seconds: float
    ratio: float
    degrees: int
    wall_seconds: float
    peak_gigabytes: float
    machine: str
    versions: dict[str, str]
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def clouds(n: int, d: int, C: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around `C` random centres, classes of about equal sizes."""
    import numpy as np

    from theory.geometry import normalized

    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(C), rng.integers(C, size=n - C)])
    F = rng.normal(size=(C, d))[labels] + 0.5 * rng.normal(size=(n, d))
    return normalized(F), labels


def measure(
    n: int, d: int, C: int, k: int, temperature: Fraction, *, progress: Callable[[str], None] | None = None
) -> Cost:
    """Time the product, then the loss."""
    import numpy as np

    from verify.trained.loss import moments
    from verify.trained.points import points

    F, labels = clouds(n, d, C)
    given, beta = points(F, labels, normalize=True), float(1 / temperature)
    timed = min(n, _ROWS)
    begun = time.process_time()
    for start in range(0, timed, 256):
        np.matmul(F[start : min(start + 256, timed)], F.T)
    product = (time.process_time() - begun) * n / timed
    begun, wall = time.process_time(), time.perf_counter()
    rows = moments(given, k, beta, progress=progress)
    rows.loss(k, beta)
    loss, wall = time.process_time() - begun, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return Cost(
        n, d, C, k, str(temperature), round(product, 2), round(loss, 2), round(loss / product, 2), rows.side**2,
        round(wall, 2), round(peak, 3), f"{os.cpu_count()} cores, {platform.machine()}", versions("numpy"),
    )  # fmt: skip


def report(cost: Cost) -> str:
    """The readable report."""
    ratio = f"product {cost.product_seconds:.1f} s, loss {cost.loss_seconds:.1f} s: {cost.ratio:.1f} times"
    return (
        f"n = {cost.n}, d = {cost.d}, C = {cost.C}, k = {cost.k}, T = {cost.temperature}: {cost.degrees} moments\n"
        f"  processor time of {ratio}; {cost.peak_gigabytes:.2f} GB at most"
    )


def cost_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.trained cost`."""
    parser = cli.parser(
        "experiments.trained cost",
        "The exact loss of many points beside the product F F^T.",
        "  python -m experiments.trained cost --n 50000 --k 4096 --temperature 0.5",
    )
    for name, default in (("n", 50_000), ("d", 128), ("C", 100), ("k", 4096)):
        parser.add_argument(
            f"--{name}", type=cli.integer(1), default=default, metavar="N", help=f"(default: {default})"
        )
    parser.add_argument("--temperature", default="0.5", metavar="T", help="(default: 0.5)")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Cost:
        a = arguments
        if a.n < a.C:
            raise InputError("C", a.C, f"more classes than the {a.n} points of --n")
        if a.n * a.d > MAX_NUMBERS:
            raise InputError("n", a.n, f"more than {MAX_NUMBERS} numbers at {a.d} dimensions")
        return measure(a.n, a.d, a.C, a.k, check_temperature(a.temperature), progress=progress)

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    cost_main()
