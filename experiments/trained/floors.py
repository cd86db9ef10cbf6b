"""`python -m experiments.trained floors`: what value a training loss can have, as a table for the documentation."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from theory.priors import Prior, parse
from theory.problem import Problem
from verify import cli
from verify.results import NOT_IN_JSON, Status

#: What is trained, its prior, numbers of negatives and temperatures.
SETTINGS = (
    ("10 equal classes", "uniform", 10),
    ("100 equal classes", "uniform", 100),
    ("1000 equal classes", "uniform", 1000),
    ("long tail of 10, factor 100", "longtail:100", 10),
)
NEGATIVES = (256, 4096)
TEMPERATURES = ("0.5", "0.1")


@dataclass(frozen=True)
class Row:
    """One setting: the loss at chance, the certified minimum and how far it is settled, and the simplex ETF's loss."""

    setting: str
    k: int
    temperature: str
    chance: float
    lower: float
    upper: float
    status: str
    etf: float


@dataclass(frozen=True)
class Floors:
    """The table; its fields are the keys of `--json`."""

    rows: tuple[Row, ...]
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def floors(progress: Callable[[str], None] = lambda _: None) -> Floors:
    """Every setting with every number of negatives and temperature; `undecided` if one of the minima is."""
    rows = []
    for name, rho, C in SETTINGS:
        prior = parse(rho, C)
        for k in NEGATIVES:
            for temperature in TEMPERATURES:
                progress(f"{name}, k = {k}, T = {temperature}")
                rows.append(_row(name, prior, k, temperature))
    settled = all(row.status in ("proved", "numerical") for row in rows)
    return Floors(tuple(rows), Status.NUMERICAL if settled else Status.UNDECIDED)


def _row(name: str, prior: Prior, k: int, temperature: str) -> Row:
    from verify import optimum
    from verify.certify import prove_etf
    from verify.optimize.floor import floor
    from verify.results.digits import outward

    problem = Problem(prior, k, temperature=temperature)
    beside = floor(problem)
    assert beside.etf is not None
    if prior.is_uniform:
        proof = prove_etf(problem)
        assert proof.lower is not None and proof.upper is not None
        low, high, _ = outward(proof.lower, proof.upper)
        return Row(name, k, temperature, beside.chance, low, high, proof.status, beside.etf)
    found = optimum.run(prior, k, temperature=temperature)
    assert found.nce.lower is not None and found.nce.upper is not None
    return Row(name, k, temperature, beside.chance, found.nce.lower, found.nce.upper, found.status.value, beside.etf)


def report(found: Floors) -> str:
    """The table in Markdown."""
    lines = ["| classes | k | T | at chance | minimum | simplex ETF | |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {row.setting} | {row.k} | {row.temperature} | {row.chance:.4f} | {row.upper:.6f} | {row.etf:.6f} "
        f"| {row.status} |"
        for row in found.rows
    ]
    return "\n".join(lines)


def floors_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.trained floors`."""
    parser = cli.parser(
        "experiments.trained floors",
        "For common settings: the loss at chance, the certified minimum, and the loss of the simplex ETF.",
        "  python -m experiments.trained floors",
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Floors:
        del arguments
        return floors(progress)

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    floors_main()
