"""Any number of runs as one document: what each measured, and the spread over seeds.

`summary.json` is what figures read. Its keys are the fields of `Summary`: `runs`, each with the configuration, record
and metrics of its folder, and `groups`, the runs that differ in nothing but the seed. In a group, `train` and `test`
have

- `values`: every number of `evaluation.SetMetrics` by its dotted name ("test" has "linear_probe.overall",
  "neural_collapse.nc1", "to_etf.max", "cosines.within.mean", ...), each as `{mean, min, max}` over the seeds;
- `gram`: cosines between class means, averaged over the seeds;
- `within`, `between`: counts of pairs in `bins` equal bins of the cosine over [-1, 1], added over the seeds.

`loss` and `downstream` have the numbers of `evaluation.Metrics` of these names, on the training set, over the seeds;
`optimum` is that of `prediction.Optimum`, the same for every seed, and null for positives by augmentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory.errors import InputError
from verify.files import read_json
from verify.results import versions

SCHEMA, VERSION = "nce-cifar-summary", 1
PARTS = ("train", "test")

# the keys of a configuration by which runs are put in order; k and the seed vary fastest
_ORDER = ("dataset", "provenance", "classes", "imbalance", "positives", "negatives", "temperature", "network")


@dataclass(frozen=True)
class Run:
    """What the folder of a run holds (`config.json`, `record.json`, `metrics.json`); `name` is the folder's."""

    name: str
    config: dict[str, Any]
    record: dict[str, Any]
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """A number over the seeds of a group."""

    mean: float
    min: float
    max: float


@dataclass(frozen=True)
class Part:
    """The training or the test set of a group (module docstring)."""

    values: dict[str, Spread]
    gram: tuple[tuple[float, ...], ...]
    within: tuple[int, ...]
    between: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Runs that differ in the seed only.

    Attributes:
        config: what they have in common.
        runs: their places in `Summary.runs`.
        rho: the class prior, exact.
        bins: of the histograms.
    """

    config: dict[str, Any]
    seeds: tuple[int, ...]
    runs: tuple[int, ...]
    C: int
    rho: tuple[str, ...]
    optimum: dict[str, Any] | None
    bins: int
    loss: dict[str, Spread]
    downstream: dict[str, Spread]
    train: Part
    test: Part


@dataclass(frozen=True)
class Summary:
    """All runs and their groups.

    Attributes:
        left_out: folders of runs without metrics, which are not in `runs`.
    """

    schema: str
    version: int
    versions: dict[str, str]
    runs: tuple[Run, ...]
    groups: tuple[Group, ...]
    left_out: tuple[str, ...]


def summarize(folders: Iterable[Path | str]) -> Summary:
    """Read runs and group them.

    Args:
        folders: of runs, or folders that hold such folders, at any depth.

    Raises:
        InputError: if there is no run with metrics, or a file of one cannot be read.
    """
    places = [place for folder in folders for place in _find(Path(folder))]
    measured = [place for place in dict.fromkeys(places) if (place / "metrics.json").is_file()]
    if not measured:
        raise InputError("runs", ", ".join(map(str, places)) or "nothing", "accepted: folders of evaluated runs")
    runs = sorted((_read(place) for place in measured), key=_place)
    gathered: dict[str, list[int]] = {}
    for i, run in enumerate(runs):
        gathered.setdefault(json.dumps(_common(run), sort_keys=True), []).append(i)
    groups = tuple(_group(runs, members) for members in gathered.values())
    left_out = tuple(place.name for place in dict.fromkeys(places) if place not in measured)
    return Summary(SCHEMA, VERSION, versions(), tuple(runs), groups, left_out)


def numbers(metrics: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float | None]]:
    """The numbers of the metrics of a set by dotted name; lists (matrices, histograms) and words are passed over."""
    for key, value in metrics.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key}.")
        elif not isinstance(value, list | str):
            yield f"{prefix}{key}", value


def _find(folder: Path) -> list[Path]:
    if (folder / "config.json").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.rglob("config.json"))
    if not found:
        raise InputError("runs", folder, "there is no run in it (a folder with config.json)")
    return found


def _read(folder: Path) -> Run:
    found = {}
    for name in ("config", "record", "metrics"):
        path = folder / f"{name}.json"
        found[name] = read_json(path, "runs")
    run = Run(folder.name, **found)
    try:
        _place(run), _group([run], [0])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("runs", folder, f"not a run of this version: {type(error).__name__} {error}") from None
    return run


def _common(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.config.items() if key != "seed"}


def _place(run: Run) -> tuple[Any, ...]:
    first = tuple(str(run.config.get(key)) for key in _ORDER)
    return (*first, json.dumps(_common(run) | {"k": 0}, sort_keys=True), run.config["k"], run.config["seed"], run.name)


def _group(runs: Sequence[Run], members: list[int]) -> Group:
    chosen = [runs[i] for i in members]
    metrics = chosen[0].metrics
    train, test = (_part([run.metrics[part] for run in chosen]) for part in PARTS)
    return Group(
        config=_common(chosen[0]),
        seeds=tuple(run.config["seed"] for run in chosen),
        runs=tuple(members),
        C=metrics["C"],
        rho=tuple(metrics["rho"]),
        optimum=metrics["optimum"],
        bins=len(train.within),
        loss=_spreads([run.metrics.get("loss") or {} for run in chosen]),
        downstream=_spreads([run.metrics.get("downstream") or {} for run in chosen]),
        train=train,
        test=test,
    )


def _part(sets: list[dict[str, Any]]) -> Part:
    values = _spreads(sets)
    rows = zip(*(each["gram"] for each in sets), strict=True)
    gram = tuple(tuple(round(sum(entries) / len(sets), 6) for entries in zip(*row, strict=True)) for row in rows)
    within, between = (
        tuple(sum(counts) for counts in zip(*(each["cosines"][side]["counts"] for each in sets), strict=True))
        for side in ("within", "between")
    )
    return Part(values, gram, within, between)


def _spreads(sets: list[dict[str, Any]]) -> dict[str, Spread]:
    """Every number by dotted name, over the seeds."""
    found = {}
    for name in dict(numbers(sets[0])):
        over = [dict(numbers(each)).get(name) for each in sets]
        known = [value for value in over if value is not None]
        if len(known) == len(over):  # what is not finite for one seed has no mean
            found[name] = Spread(sum(known) / len(known), float(min(known)), float(max(known)))
    return found
