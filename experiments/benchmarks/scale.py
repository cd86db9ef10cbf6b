"""Certified gap against matrix products, for each method tried: `python -m experiments.benchmarks.scale`.

Every method is charged what it does in products of two C x C matrices: 2 for a loss with its gradient in `U` (`U U^T`,
gradient times `U`), 5 for these with a Hessian-vector product. The convex program multiplies no embeddings: its
evaluations are charged 2 all the same, and its eigendecompositions what they take in time, measured beside a product.
The gap at a checkpoint is between the loss there and the best dual bound of the method so far, relative to
`max(1, L)`; checkpoints are not charged, but to the program, which needs the bound in order to stop.

The file of results: `machine`, `versions`, `command`, `date`, the problem, `decomposition_products` (products that take
as long as one eigendecomposition), and `curves`: for each method its `points`, lists of `products, gap, loss`, and
`stopped`, why it ended.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from jaxtyping import Float

from theory.errors import InputError
from verify import cli, files

if TYPE_CHECKING:
    from verify.optimize.elliptope import Step

#: Products at which the gap is computed; at least this factor apart.
_SPACING = 1.35


class Spent(Exception):
    """The budget of products is used up."""


class Meter:
    """The loss as methods see it: it charges products and keeps the curve."""

    def __init__(self, rho: Float[np.ndarray, " C"], k: int, budget: int) -> None:
        from theory.losses import get_loss
        from verify.optimize.objective import Objective

        self.rho, self.k, self.budget = rho, k, budget
        self.loss = get_loss("logistic")
        self._objective = Objective(self.loss, rho, k)
        self.products, self._next = 0.0, 0.0
        self.best, self.lower = np.inf, -np.inf
        self.points: list[list[float]] = []

    def __call__(
        self, U: Float[np.ndarray, "1 C d"], V: Float[np.ndarray, "1 C d"] | None
    ) -> tuple[Float[np.ndarray, " 1"], Float[np.ndarray, "1 C d"], Float[np.ndarray, "1 C d"]]:
        """`verify.optimize.spheres.Evaluate`, charged."""
        found = self._objective(U, V)
        self.charge(2 if V is None else 5)
        if V is None and self.products >= self._next:
            self.checkpoint(U[0])
        return found

    def slope(self, G: Float[np.ndarray, "C C"]) -> tuple[float, Float[np.ndarray, "C C"]]:
        """The loss and its symmetrized gradient at a Gram matrix, not charged."""
        from verify.optimize.objective import gram_value_and_gradient

        value, gradient = gram_value_and_gradient(self.loss, G, self.rho, self.k)
        return value, (gradient + gradient.T) / 2

    def charge(self, products: int | float) -> None:
        """Count, and stop the method when the budget is spent."""
        if self.products >= self.budget:
            raise Spent
        self.products += products

    def checkpoint(self, U: Float[np.ndarray, "C d"]) -> None:
        """The certified gap at U."""
        from theory.geometry import gram
        from verify.optimize.dual import dual_bound

        G = gram(U)
        value, A = self.slope(G)
        self.record(value, dual_bound(value, A, G).lower)
        self._next = max(self.products * _SPACING, self.products + 2)

    def record(self, value: float, lower: float) -> None:
        """One point of the curve."""
        self.best, self.lower = min(self.best, value), max(self.lower, lower)
        gap = (self.best - self.lower) / max(1.0, abs(self.best))
        self.points.append([round(self.products, 1), gap, self.best])


def _start(meter: Meter) -> Float[np.ndarray, "1 C d"]:
    from verify.optimize.spheres import random_starts

    C = len(meter.rho)
    return random_starts(1, C, C, 0)


def newton_rho(meter: Meter) -> str:
    """Truncated Newton on the sphere, preconditioned by the prior: what `search` does."""
    from verify.optimize.spheres import minimize

    return minimize(meter, _start(meter), meter.rho)[0].stop.value


def newton_multipliers(meter: Meter) -> str:
    """The same, preconditioned by the multipliers `|y_c|` of the sphere at the current point, renewed at every step."""
    from verify.optimize.spheres import Stop, minimize

    U = _start(meter)
    while True:
        _, gradient, _ = meter(U, None)
        multipliers = np.abs(np.sum(gradient[0] * U[0], axis=1))
        run = minimize(meter, U, multipliers + 0.01 * multipliers.mean(), max_iterations=3)[0]
        U = run.embeddings[None]
        if run.stop is not Stop.ITERATIONS:
            return run.stop.value


def fixed_point(meter: Meter) -> str:
    """`u_c <- -(A U)_c / |(A U)_c|` for all rows at once: no scale of a row can slow it, and nothing damps it."""
    return _fixed_point(meter, 0.0)


def damped_fixed_point(meter: Meter) -> str:
    """`u_c <- r_c u_c - (A U)_c`, normalized, with `r_c` the sum of row c of A, an upper bound on its curvature."""
    return _fixed_point(meter, 1.0)


def _fixed_point(meter: Meter, damping: float) -> str:
    from theory.geometry import gram, normalized

    U = _start(meter)
    while True:
        _, gradient, _ = meter(U, None)
        held = damping * np.sum(meter.slope(gram(U[0]))[1], axis=1)[:, None]
        U = normalized(held * U - gradient / 2)


def quasi_newton(meter: Meter) -> str:
    """L-BFGS over rows that are normalized in the function, in coordinates scaled by the square root of the prior."""
    from scipy.optimize import minimize

    C = len(meter.rho)
    root = np.sqrt(meter.rho / meter.rho.max())[:, None]

    def function(flat: Float[np.ndarray, " n"]) -> tuple[float, Float[np.ndarray, " n"]]:
        V = flat.reshape(C, C) / root
        lengths = np.linalg.norm(V, axis=1, keepdims=True)
        U = V / lengths
        value, gradient, _ = meter(U[None], None)
        tangent = (gradient[0] - U * np.sum(U * gradient[0], axis=1, keepdims=True)) / lengths
        return float(value[0]), (tangent / root).ravel()

    begin = (_start(meter)[0] * root).ravel()
    options: Any = {"maxcor": 10, "maxiter": 10**6, "maxfun": 10**6, "ftol": 0.0, "gtol": 1e-16}
    found: Any = minimize(function, begin, jac=True, method="L-BFGS-B", options=options)
    return str(found.message)


def convex_program(meter: Meter, decomposition_products: float) -> str:
    """`verify.optimize.elliptope`: projected steps in the metric of rank one."""
    from verify.optimize import elliptope

    def on_step(step: Step) -> None:
        meter.products = 2 * step.evaluations + decomposition_products * step.decompositions
        meter.record(step.value, step.lower)

    found = elliptope.minimize(meter.slope, np.ones(len(meter.rho)), 1.0, tolerance=1e-13, on_step=on_step)
    closed = found.value - found.lower <= 1e-13 * max(1.0, found.value)
    return "the duality gap is below the tolerance" if closed else "rounding hides any further descent"


METHODS: dict[str, Callable[[Meter], str]] = {
    "newton-rho": newton_rho,
    "newton-multipliers": newton_multipliers,
    "fixed-point": fixed_point,
    "damped-fixed-point": damped_fixed_point,
    "l-bfgs": quasi_newton,
}


def _decomposition_products(C: int) -> float:
    """How many products take as long as one eigendecomposition: the least of a few timings of each, in turn."""
    A = np.random.default_rng(0).normal(size=(C, C))
    A = A + A.T
    works: tuple[Callable[[Any], Any], ...] = (np.linalg.eigh, lambda M: M @ A)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(4):
        for kept, work in zip(times, works, strict=True):
            begun = time.perf_counter()
            work(A)
            kept.append(time.perf_counter() - begun)
    return min(times[0]) / min(times[1])


@dataclass(frozen=True)
class Compared:
    """The file of results, and what the curves end with."""

    path: str
    of: dict[str, Any]
    curves: dict[str, Any]
    status: int = 0


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the methods that the file does not have yet, and save after each."""
    parser = cli.parser(
        "experiments.benchmarks.scale",
        "Certified gap against matrix products, for each method tried; a run that was interrupted goes on.",
        "  python -m experiments.benchmarks.scale --C 100 --products 200 --out nce-data/scale-100.json",
    )
    parser.add_argument("--rho", default="zipf:1", metavar="R", help="class prior (default: zipf:1)")
    parser.add_argument("--C", type=cli.integer(2), default=1000, metavar="C", help="classes, and dimension")
    parser.add_argument("--k", type=cli.integer(1), default=4096, metavar="K", help="negatives (default: 4096)")
    parser.add_argument("--products", type=cli.integer(1), default=2000, metavar="N", help="budget of matrix products")
    parser.add_argument("--method", action="append", choices=["convex-program", *METHODS], help="only this one")
    parser.add_argument("--out", type=Path, default=Path("nce-data/scale-methods.json"), metavar="FILE", help="results")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Compared:
        words = sys.argv[1:] if argv is None else argv
        return _run(arguments, shlex.join(["python", "-m", "experiments.benchmarks.scale", *words]), progress)

    cli.main(parser, execute, _report, argv)


def _report(found: Compared) -> str:
    lines = []
    for name, curve in found.curves.items():
        products, gap, _ = curve["points"][-1]
        lines.append(f"{name}: gap {gap:.1e} after {products:.0f} products ({curve['stopped']})")
    return "\n".join(lines)


def _run(arguments: argparse.Namespace, command: str, progress: Callable[[str], None]) -> Compared:
    from experiments.benchmarks.run import machine
    from theory.priors import parse
    from verify.certify.document import text
    from verify.results import versions

    files.check_output("out", arguments.out, folders=True)
    rho = parse(arguments.rho, arguments.C).as_array()
    problem = {"rho": arguments.rho, "C": arguments.C, "k": arguments.k, "d": arguments.C, "budget": arguments.products}
    results = files.read_json(arguments.out, "out") if arguments.out.exists() else {}
    if results and results.get("problem") != problem:
        raise InputError("out", arguments.out, f"it holds results of another problem, {results.get('problem')}")
    if not results:
        results = {
            "machine": machine(),
            "versions": versions("jax", "numpy", "scipy"),
            "command": command,
            "problem": problem,
            "decomposition_products": _decomposition_products(arguments.C),
            "curves": {},
        }
    for name in arguments.method or ["convex-program", *METHODS]:
        if name in results["curves"]:
            continue
        progress(name)
        meter, begun = Meter(rho, arguments.k, arguments.products), time.perf_counter()
        try:
            if name == "convex-program":
                stopped = convex_program(meter, results["decomposition_products"])
            else:
                stopped = METHODS[name](meter)
        except Spent:
            stopped = "the budget is spent"
        results["curves"][name] = {
            "points": meter.points,
            "stopped": stopped,
            "seconds": round(time.perf_counter() - begun, 1),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        files.write(arguments.out, text(results).encode(), folders=True)
    return Compared(str(arguments.out), problem, results["curves"])


if __name__ == "__main__":
    main()
