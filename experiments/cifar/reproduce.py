"""The whole study within a budget of time: item by item, kept after each, and taken up where it was left.

It may be killed at any moment: what is measured lies in files of its own, a run that is not finished goes on from its
last checkpoint, and `study.json` is written anew after every item. An item that fails is recorded there with its
reason, and the study goes on; the next time it is tried again, but for a run that diverged, since it would do so again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from experiments.cifar.configuration import Configuration
from experiments.cifar.dataset import load
from experiments.cifar.defaults import complete
from experiments.cifar.images import Dataset
from experiments.cifar.study import Item, items
from theory.errors import InputError
from verify.results import NOT_IN_JSON, Status, as_json, versions


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
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def reproduce(
    place: Path | None,
    out: Path,
    *,
    minutes: int | float,
    parts: str | None = None,
    provenance: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda text: None,
    ended: Callable[[str], None] = lambda text: None,
    wanted: tuple[Item, ...] | None = None,
) -> Study:
    """Measure what is not measured yet, in order, until the time is used; then write the summary.

    Args:
        place: a folder that holds CIFAR-10 and CIFAR-100 in official layouts.
        out: takes a folder for every run, and a file for every timing.
        minutes: no epoch is begun after so many; a run that is not finished is resumed the next time.
        parts: letters of `study.PARTS`; all by default.
        provenance: where the images come from, by data set (`dataset.load`).
        progress: called with a line of text as the work goes on.
        ended: called with a line of text when an item has ended.
        wanted: other items than those of `study.items`.
    """
    from theory.float64 import jax

    out.mkdir(parents=True, exist_ok=True)
    _keep_compiled(out / "compiled")
    platform = jax.default_backend()
    chosen = [item for item in wanted or items(platform) if parts is None or item.part in parts]
    begun = time.monotonic()
    until = begun + 60 * minutes
    images = _Images(place, provenance or {})
    failed: dict[str, str] = {}
    for number, item in enumerate(chosen, 1):
        if time.monotonic() >= until:
            break
        if _is_done(item, out):
            continue
        where = f"{number} of {len(chosen)}, {item.name}"

        def say(text: str, where: str = where) -> None:
            progress(f"{where}: {text}")

        # whatever it is: the items after it are worth measuring
        try:
            reason = _measure(item, out, images, platform, until, say)
        except Exception as error:
            reason = _in_words(error)
        if reason:
            failed[item.name] = reason
        _write_study(_state(chosen, out, failed, begun), out)
        ended(f"{where}: {reason or ('measured' if _is_done(item, out) else 'out of time')}")
    study = _state(chosen, out, failed, begun)
    _write_study(study, out)
    return study


def _measure(item: Item, out: Path, images: _Images, platform: str, until: float, say: Callable[[str], None]) -> str:
    """Measure an item, or go on with it; why that failed, else the empty string."""
    if item.kind == "kernel":
        return _time_kernel(item, out, until)
    if item.kind == "throughput":
        return _time_training(item, out, images, platform, say)
    return _train(item, out, images, platform, until, say)


class _Images:
    """Data sets by configuration, the last one kept."""

    def __init__(self, place: Path | None, provenance: Mapping[str, str]) -> None:
        self._place = place
        self._provenance = provenance
        self._last: tuple[str, Dataset] | None = None

    def __call__(self, given: dict[str, Any]) -> Dataset:
        names = ("classes", "imbalance", "majority", "per_class", "size")
        wanted: dict[str, Any] = {name: given[name] for name in names if name in given}
        name = given["dataset"]
        key = f"{name} {wanted}"
        if self._last is None or self._last[0] != key:
            place = None if name == "standin" else self._place
            self._last = key, load(name, place, provenance=self._provenance.get(name), **wanted)
        return self._last[1]


def _configuration(given: dict[str, Any], data: Dataset, platform: str) -> Configuration:
    return complete({**given, "provenance": data.provenance}, platform)


def _is_done(item: Item, out: Path) -> bool:
    """Whether the item is measured, in `out` or in the committed results of the same name."""
    name = f"{item.name}/metrics.json" if item.kind == "train" else f"{item.name}.json"
    committed = files("experiments.cifar") / "results"
    return (out / name).is_file() or committed.joinpath(name).is_file()


def _state(chosen: list[Item], out: Path, failed: dict[str, str], begun: float) -> Study:
    """What is measured by now."""
    done = [item.name for item in chosen if _is_done(item, out)]
    left = [item.name for item in chosen if item.name not in done and item.name not in failed]
    partly = [name for name in left if (out / name / "config.json").is_file()]
    missing = tuple(name for name in left if name not in partly)
    spent = (time.monotonic() - begun) / 60
    return Study(str(out), tuple(done), tuple(partly), dict(failed), missing, round(spent, 2))


def _train(item: Item, out: Path, images: _Images, platform: str, until: float, say: Callable[[str], None]) -> str:
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
    if record.status == "finished" and time.monotonic() < until:
        evaluate(run, data, progress=say)
    return "the loss is not finite" if record.status == "diverged" else ""


def _time_training(item: Item, out: Path, images: _Images, platform: str, say: Callable[[str], None]) -> str:
    from experiments.cifar.runs import PACKAGES, device_in_words, write_json
    from experiments.cifar.throughput import measure

    data = images(item.given)
    configuration = _configuration(item.given, data, platform)
    found = measure(configuration, data, progress=say)
    device, count = device_in_words()
    made = {"config": configuration, "device": device, "devices": count, "versions": versions(*PACKAGES)}
    write_json(as_json({**made, "throughput": found}), out / f"{item.name}.json")
    return ""


def _time_kernel(item: Item, out: Path, until: float) -> str:
    """The exact kernel in a process of its own, so that its memory is its own and a failure is only its own."""
    from experiments.cifar.kernel import measure_apart
    from experiments.cifar.runs import write_json

    found = measure_apart(item.given["C"], item.given["k"], timeout=until - time.monotonic())
    write_json(found, out / f"{item.name}.json")
    return ""


def _keep_compiled(folder: Path) -> None:
    """What takes XLA longer than a second to compile is kept for the next time."""
    from theory.float64 import jax

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(folder.absolute()))  # type: ignore[no-untyped-call]
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)  # type: ignore[no-untyped-call]


def _in_words(error: Exception) -> str:
    """An error as one line."""
    reason = error.reason if isinstance(error, InputError) else str(error)
    return f"{type(error).__name__}: {' '.join(reason.split())[:300]}"


def _write_study(study: Study, out: Path) -> None:
    from experiments.cifar.runs import write_json
    from experiments.cifar.summary import summarize
    from experiments.cifar.summary_output import write as write_summary

    write_json({**as_json(study), "folder": None}, out / "study.json")
    if any(out.glob("*/metrics.json")):
        write_summary(summarize([out]), out)
