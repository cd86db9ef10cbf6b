"""The search itself: generations on disk as they come, so that it can be stopped and resumed at any time."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.unbalanced.evolution import GENERATIONS, NOISE, Problem, evaluate, propose
from theory.errors import InputError
from verify import files
from verify.cli.ending import say

#: Stands for -inf, which JSON does not have.
_FAILED = -1e300
#: What the state holds of a generation.
_RECORD = ("shares", "rises", "guides", "pairs", "seconds")


@dataclass(frozen=True)
class Hit:
    """A prior at which the loss rises in floats: not a finding before it is proved."""

    shares: tuple[float, ...]
    k1: int
    k2: int
    rise: float
    restart: int


@dataclass(frozen=True)
class Progress:
    """What a search has seen: how many priors, how many of them rise, and the best of each restart, best first."""

    priors: int
    rising: int
    seconds: float
    best: tuple[Hit, ...]


def search(problem: Problem, state: Path, *, minutes: int | float, seed: int, quiet: bool = False) -> Progress:
    """Search for `minutes`, beyond what `state` (JSON lines, one a generation) already holds.

    Raises:
        InputError: if `state` belongs to another problem or seed, or is damaged.
    """
    header = _header(problem, seed)
    records = _read(state, header)
    deadline = time.monotonic() + 60 * minutes
    with state.open("a") as file:
        while time.monotonic() < deadline:
            restart, generation = divmod(len(records), GENERATIONS)
            begin = time.monotonic()
            seen = records[restart * GENERATIONS :]
            shares = np.array([s for record in seen for s in record["shares"]]).reshape(-1, len(problem.sizes))
            rises, guides = (
                np.array([v for record in seen for v in record[key]], dtype=float) for key in ("rises", "guides")
            )
            offspring = propose(problem, (seed, restart, generation), shares, rises, guides)
            value = evaluate(problem, offspring)
            record = {
                "shares": offspring.tolist(),
                "rises": np.maximum(value.rises, _FAILED).tolist(),
                "guides": np.maximum(value.guides, _FAILED).tolist(),
                "pairs": value.pairs.tolist(),
                "seconds": time.monotonic() - begin,
            }
            records.append(record)
            file.write(json.dumps(record) + "\n")
            file.flush()
            if not quiet:
                top = max(r for record in records for r in record["rises"])
                best = f"best rise {max(value.rises):.3e} here, {top:.3e} in all"
                say(f"restart {restart} generation {generation}: {best}")
    return _progress(records)


def _header(problem: Problem, seed: int) -> dict[str, object]:
    described = asdict(problem) | {"loss": problem.loss.name}
    return {"problem": json.loads(json.dumps(described)), "seed": seed}


def _read(state: Path, header: dict[str, object]) -> list[dict[str, list]]:
    lines = files.resume_lines(state, "out")
    if not lines:
        files.write(state, f"{json.dumps(header)}\n".encode(), folders=True)
    first, *records = lines or [header]
    if first != header:
        raise InputError("out", state, "accepted: a folder without the state of another search")
    if any({*_RECORD} - record.keys() for record in records):
        raise InputError("out", state, "it is damaged")
    return records


def _progress(records: list[dict[str, list]]) -> Progress:
    best: dict[int, Hit] = {}
    for n, record in enumerate(records):
        restart = n // GENERATIONS
        for shares, rise, (k1, k2) in zip(record["shares"], record["rises"], record["pairs"], strict=True):
            if rise > NOISE and (restart not in best or rise > best[restart].rise):
                best[restart] = Hit(tuple(shares), int(k1), int(k2), float(rise), restart)
    flat = [rise for record in records for rise in record["rises"]]
    seconds = float(sum(record["seconds"] for record in records))  # type: ignore[misc]
    return Progress(
        len(flat), sum(r > NOISE for r in flat), seconds, tuple(sorted(best.values(), key=lambda h: -h.rise))
    )
