"""The results of trained networks that figures read: `summary.json` of `python -m experiments.cifar summary`.

A figure of the study needs ResNet-18 on all classes of a data set, at several `k`. Small networks, subsets of the
classes and the generated stand-in set are trials of the module: they are never drawn as the study.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paper_figs.data import Data, NotMeasured
from verify.files import read_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"}
_CLASSES = {"cifar10": 10, "cifar100": 100}
_COMMAND = "python -m experiments.cifar summary"


def load(folder: Path, studies: dict[str, Callable[[dict[str, Any]], bool]], what: str) -> Data:
    """For each name in `studies` the groups of one study, `k` rising: those that pass, at the most `k` and seeds.

    The user's own summary in `folder` comes before the committed one: `cifar/summary.json`, or that of `reproduce`.

    Raises:
        NotMeasured: naming what is missing.
    """
    own = [folder / "cifar" / "summary.json", folder / "cifar" / "study" / "summary.json"]
    committed = files("experiments.cifar") / "results" / "summary.json"
    place = next((path for path in (*own, committed) if path.is_file()), None)
    if place is None:
        raise NotMeasured(f"no {own[0]} ({_COMMAND} makes it) with {what}")
    try:
        summary = read_json(Path(str(place)), "data")
        groups = [group for group in summary["groups"] if is_full(group)]
    except (ValueError, KeyError, TypeError) as error:
        raise NotMeasured(f"{place} is no summary of runs: {type(error).__name__} {error}") from None
    found = {name: _study([group for group in groups if wanted(group)]) for name, wanted in studies.items()}
    missing = [name for name, study in found.items() if len(study) < 2]
    if missing:
        raise NotMeasured(f"{place} lacks {what}: {', '.join(missing)}")
    source = "committed" if place is committed else str(place)
    return Data(found, source, f"{_COMMAND} RUNS --out DIR", summary["versions"])


def is_full(group: dict[str, Any]) -> bool:
    """Whether the runs belong to the study, and not to a trial on part of the classes or with a small network."""
    config = group["config"]
    return group["C"] == _CLASSES.get(config["dataset"]) and config["network"] == "resnet18"


def balanced(dataset: str) -> Callable[[dict[str, Any]], bool]:
    """Runs on equal classes whose positives are other images of the class, as in the theory."""

    def wanted(group: dict[str, Any]) -> bool:
        config = group["config"]
        return config["dataset"] == dataset and config["positives"] == "class" and len(set(group["rho"])) == 1

    return wanted


def long_tailed(dataset: str, factor: int) -> Callable[[dict[str, Any]], bool]:
    """Runs on a long-tailed subset with this ratio of the largest to the smallest class."""

    def wanted(group: dict[str, Any]) -> bool:
        config = group["config"]
        tail = config.get("imbalance")
        return config["dataset"] == dataset and config["positives"] == "class" and tail and Fraction(tail) == factor

    return wanted


def described(study: list[dict[str, Any]], width: int = 56) -> str:
    """What a reader must know of a study: images, epochs, temperature, seeds; in lines of so many characters."""
    config = study[0]["config"]
    seeds = sorted({len(group["seeds"]) for group in study})
    shown = "-".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))) + (" seed" if seeds == [1] else " seeds")
    text = f"{config['provenance']}; {config['epochs']} epochs, temperature {Fraction(config['temperature'])}, {shown}"
    return textwrap.fill(text, width)


def chosen(study: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many groups: the first, the last and those evenly between."""
    if len(study) <= most:
        return study
    return [study[round(i * (len(study) - 1) / (most - 1))] for i in range(most)]


def spread(axes: Axes, study: list[dict[str, Any]], part: str, key: str, label: str, style: dict[str, Any]) -> None:
    """A number of the training or test set against `k`: the mean over seeds, bars from the least to the largest."""
    known = [group for group in study if key in group[part]["values"]]  # what is not finite has no mean
    values = [group[part]["values"][key] for group in known]
    bars = [[v["mean"] - v["min"] for v in values], [v["max"] - v["mean"] for v in values]]
    ks = [group["config"]["k"] for group in known]
    axes.errorbar(ks, [v["mean"] for v in values], yerr=bars, capsize=2, elinewidth=0.6, label=label, **style)


def _study(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups that differ in `k` only: of several such studies the one with the most `k`, then the most seeds."""
    studies: dict[str, list[dict[str, Any]]] = {}
    for group in groups:
        studies.setdefault(json.dumps(group["config"] | {"k": 0}, sort_keys=True), []).append(group)
    best = max(studies.values(), key=lambda s: (len(s), sum(len(g["seeds"]) for g in s)), default=[])
    return sorted(best, key=lambda group: group["config"]["k"])
