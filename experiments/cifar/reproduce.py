"""The whole study within a budget of time: item by item, kept after each, and taken up where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from experiments.cifar.configuration import Configuration
from experiments.cifar.dataset import Dataset, load
from experiments.cifar.defaults import complete
from experiments.cifar.study import Item, items
from theory.errors import InputError
from verify.certify.document import write
from verify.results import Status, as_json, versions


@dataclass(frozen=True)
class Study:
    """What is measured of the study; its fields are the keys of `--json`.

    Attributes:
        measured: names of the items that are done, here or among the committed results.
        begun: trained in part, to be resumed.
        failed: what could not be measured, and why.
        missing: not measured.
    """

    folder: str
    measured: tuple[str, ...]
    begun: tuple[str, ...]
    failed: dict[str, str]
    missing: tuple[str, ...]
    minutes: float
    status: Status = field(default=Status.NUMERICAL, repr=False)


def reproduce(
    place: Path | None,
    out: Path,
    *,
    minutes: int | float,
    parts: str | None = None,
    progress: Callable[[str], None] = lambda text: None,
    wanted: tuple[Item, ...] | None = None,
) -> Study:
    """Measure what is not measured yet, in order, until the time is used; then write the summary.

    Args:
        place: a folder that holds CIFAR-10 and CIFAR-100 in official layouts.
        out: takes a folder for every run, and a file for every timing.
        minutes: no epoch is begun after so many; a run that is not finished is resumed the next time.
        parts: letters of `study.PARTS`; all by default.
        wanted: other items than those of `study.items`.

    Raises:
        InputError: if the images cannot be read.
    """
    from theory.float64 import jax

    begun = time.monotonic()
    until = begun + 60 * minutes
    out.mkdir(parents=True, exist_ok=True)
    platform = jax.default_backend()
    images = _Images(place)
    failed: dict[str, str] = {}
    chosen = [item for item in wanted or items(platform) if parts is None or item.part in parts]
    for number, item in enumerate(chosen, 1):
        if time.monotonic() >= until or _is_done(item, out):
            continue

        def say(text: str, where: str = f"{number} of {len(chosen)}, {item.name}") -> None:
            progress(f"{where}: {text}")

        if item.kind == "kernel":
            reason = _time_kernel(item, out)
        elif item.kind == "throughput":
            reason = _time_training(item, out, images, platform, say)
        else:
            reason = _train(item, out, images, platform, until, say)
        if reason:
            failed[item.name] = reason
    done = [item.name for item in chosen if _is_done(item, out)]
    left = [item.name for item in chosen if item.name not in done and item.name not in failed]
    partly = [name for name in left if (out / name / "config.json").is_file()]
    spent = (time.monotonic() - begun) / 60
    missing = tuple(name for name in left if name not in partly)
    study = Study(str(out), tuple(done), tuple(partly), failed, missing, round(spent, 2))
    write({**as_json(study), "folder": None}, out / "study.json")
    _summarize(out)
    return study


class _Images:
    """Data sets by configuration, the last one kept."""

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._last: tuple[str, Dataset] | None = None

    def __call__(self, given: dict[str, Any]) -> Dataset:
        names = ("classes", "imbalance", "per_class", "size")
        wanted: dict[str, Any] = {name: given[name] for name in names if name in given}
        key = f"{given['dataset']} {wanted}"
        if self._last is None or self._last[0] != key:
            place = None if given["dataset"] == "standin" else self._place
            self._last = key, load(given["dataset"], place, **wanted)
        return self._last[1]


def _configuration(given: dict[str, Any], data: Dataset, platform: str) -> Configuration:
    return complete({**given, "provenance": data.provenance}, platform)


def _is_done(item: Item, out: Path) -> bool:
    """Whether the item is measured, in `out` or in the committed results of the same name."""
    name = f"{item.name}/metrics.json" if item.kind == "train" else f"{item.name}.json"
    committed = files("experiments.cifar") / "results"
    return (out / name).is_file() or committed.joinpath(name).is_file()


def _train(item: Item, out: Path, images: _Images, platform: str, until: float, say: Callable[[str], None]) -> str:
    """Train and evaluate, or go on with it; why that failed, else the empty string."""
    from experiments.cifar.evaluate_command import evaluate
    from experiments.cifar.runs import Run
    from experiments.cifar.training import train

    say("reading images")
    data, folder = images(item.given), out / item.name
    configuration = _configuration(item.given, data, platform)
    run = Run.open(folder) if (folder / "config.json").is_file() else Run.create(folder, configuration)
    if run.configuration != configuration:
        raise InputError("out", folder, "it holds another run than the study has under this name")
    record = train(run, data, progress=say, until=until)
    if record.status == "finished":
        evaluate(run, data, progress=say)
    return "the loss is not finite" if record.status == "diverged" else ""


def _time_training(item: Item, out: Path, images: _Images, platform: str, say: Callable[[str], None]) -> str:
    from experiments.cifar.runs import PACKAGES, device_in_words
    from experiments.cifar.throughput import measure

    data = images(item.given)
    configuration = _configuration(item.given, data, platform)
    found = measure(configuration, data, progress=say)
    device, count = device_in_words()
    made = {"config": configuration, "device": device, "devices": count, "versions": versions(*PACKAGES)}
    write(as_json({**made, "throughput": found}), out / f"{item.name}.json")
    return ""


def _time_kernel(item: Item, out: Path) -> str:
    """The benchmark of the exact kernel on the device that is there; `d = C`."""
    from experiments.benchmarks.measure import measure
    from experiments.cifar.runs import PACKAGES, device_in_words

    C, k = item.given["C"], item.given["k"]
    task = {"kind": "evaluate", "method": "ours", "rho": "zipf:1", "C": C, "k": k, "d": C, "runs": 7}
    try:
        found = measure(task)
    except RuntimeError as error:  # the check of the error asks for memory too
        found = {"status": "failed", "note": str(error)[:200]}
    if found["status"] != "done":
        return str(found["note"])
    device, count = device_in_words()
    made = {**task, **found, "device": device, "devices": count, "versions": versions(*PACKAGES)}
    write(as_json(made), out / f"{item.name}.json")
    return ""


def _summarize(out: Path) -> None:
    from experiments.cifar.summary import summarize
    from experiments.cifar.summary_output import write as write_summary

    if any(out.glob("*/metrics.json")):
        write_summary(summarize([out]), out)
