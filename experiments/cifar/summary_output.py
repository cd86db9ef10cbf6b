"""The summary as files: tables for a reader of the paper, JSON for figures, CSV for everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from experiments.cifar.summary import PARTS, Group, Part, Spread, Summary, numbers
from verify import files
from verify.results import as_json

_TITLES = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "cifar20": "CIFAR-100 in its superclasses",
    "standin": "the generated stand-in set",
}
_SETS = {"train": "training", "test": "test"}

#: Columns of the two tables of a study: heading, dotted name of the number, digits after the point.
ACCURACY = (
    ("linear probe", "linear_probe.overall", 4),
    ("nearest neighbours", "knn.overall", 4),
    ("mean classifier", "mean_classifier.overall", 4),
    ("linear probe, balanced", "linear_probe.balanced", 4),
)
GEOMETRY = (
    ("cosine within", "cosines.within.mean", 3),
    ("cosine between", "cosines.between.mean", 3),
    ("to ETF, max", "to_etf.max", 3),
    ("to ETF, rms", "to_etf.rms", 3),
    ("to optimum, max", "to_optimum.max", 3),
    ("to optimum, rms", "to_optimum.rms", 3),
    ("ratio of max", "optimum_over_etf", 3),
)
COLLAPSE = (
    ("NC1", "neural_collapse.nc1", 3),
    ("NC2 norms", "neural_collapse.nc2_means.norms", 3),
    ("NC2 angles", "neural_collapse.nc2_means.angles", 3),
    ("NC2 to -1/(C-1)", "neural_collapse.nc2_means.maximal_angle", 3),
    ("NC2 norms of probe", "neural_collapse.nc2_classifier.norms", 3),
    ("NC3", "neural_collapse.nc3", 3),
    ("NC4", "neural_collapse.nc4", 4),
)

#: Columns of the table of losses on the training set: heading, field of `Group`, dotted name, digits.
LOSSES = (
    ("NCE loss", "loss", "value", 5),
    ("above the least", "loss", "excess", 5),
    ("of it spread", "loss", "spread", 5),
    ("of it class means", "loss", "geometry", 5),
    ("downstream loss", "downstream", "upper", 4),
    ("of the optimum", "downstream", "optimum", 4),
    ("of the mean classifier", "downstream", "mean_classifier", 4),
)

_LEGEND = """\
Numbers are means over seeds, with [least, largest] where there are several. *Cosine within* and *between*: mean over
pairs of images of the same class and of different classes. *To ETF* and *to optimum*: off the diagonal, the largest
entry (max) and the root mean square (rms) of the difference between the cosines of the class means and those of the
simplex ETF, -1/(C-1), and of the Gram matrix that minimizes the population NCE loss for the training set's class
frequencies, `k` and the temperature. *Ratio of max*: below 1 where the computed optimum predicts better than the ETF.
*Above the least*: how far training is from the optimum, in the population loss of the training images as points; its
parts are the spread of images within their class, and the arrangement of the class means. *Downstream loss*: of the
best classifier of unit norms on the training set. *Cosine within, optimal*: that of the minimizer.
NC1 to NC4: Papyan, Han & Donoho 2020, with the linear probe as the classifier. *Balanced*: mean over classes.
"""


_NO_PREDICTION = (
    "The positives are augmentations of one image, and the loss knows no classes: the simplex ETF of the classes is "
    "not what the theory predicts, and the distance from it is given for comparison only."
)


def write(summary: Summary, folder: Path) -> tuple[Path, ...]:
    """Write `summary.json`, `summary.md` (`markdown`) and `summary.csv` (`table`); their paths.

    Raises:
        OSError: if a file cannot be written.
    """
    text = {
        "summary.json": json.dumps(as_json(summary), allow_nan=False) + "\n",
        "summary.md": markdown(summary),
        "summary.csv": table(summary),
    }
    written = []
    for name, content in text.items():
        files.write(folder / name, content.encode(), folders=True)
        written.append(folder / name)
    return tuple(written)


def table(summary: Summary) -> str:
    """CSV with one line a run and set: the configuration, then every number by its dotted name."""
    rows = []
    for run in summary.runs:
        for part in PARTS:
            record = {name: run.record.get(name) for name in ("device", "wall_seconds", "images_per_second")}
            rows.append({"run": run.name} | run.config | record | {"set": part} | dict(numbers(run.metrics[part])))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def markdown(summary: Summary) -> str:
    """One section a study (the groups that differ in `k` only), with tables of accuracy, geometry and collapse."""
    studies: dict[str, list[Group]] = {}
    for group in summary.groups:
        studies.setdefault(str({**group.config, "k": 0}), []).append(group)
    lines = ["# Trained networks against the theory", "", _LEGEND]
    for study in studies.values():
        lines += _study(summary, study)
    if summary.left_out:
        lines += [f"Left out, since they have not been evaluated: {', '.join(summary.left_out)}.", ""]
    return "\n".join(lines)


def _study(summary: Summary, groups: list[Group]) -> list[str]:
    config = groups[0].config
    largest, smallest = (pick(map(Fraction, groups[0].rho)) for pick in (max, min))
    tail = "" if largest == smallest else f", largest over smallest class {float(largest / smallest):.4g}"
    title = f"## {_TITLES.get(config['dataset'], config['dataset'])}, {groups[0].C} classes{tail}"
    titled = ("k", "dataset", "provenance")
    shown = [f"{key} {value}" for key, value in config.items() if key not in titled and value is not None]
    records = [summary.runs[i].record for group in groups for i in group.runs]
    lines = [title, "", f"Images: {config.get('provenance', 'not stated')}.", "", f"Configuration: {', '.join(shown)}."]
    lines += ["", _ran(records), ""]
    if config["positives"] == "augment":
        lines += [_NO_PREDICTION, ""]
    # for equal classes the optimum is the simplex ETF
    geometry = GEOMETRY if tail else tuple(column for column in GEOMETRY if "optimum" not in column[1])
    for heading, columns in (("Accuracy", ACCURACY), ("Geometry", geometry), ("Neural collapse", COLLAPSE)):
        lines += [f"### {heading}", "", *_table(groups, columns), ""]
    if any(group.downstream for group in groups):
        lines += ["### Losses on the training set", "", *_losses(groups), ""]
    return lines


def _losses(groups: Sequence[Group]) -> list[str]:
    head = ["k", "seeds", *(name for name, *_ in LOSSES), "cosine within", "optimal"]
    rows = [head, ["---"] * len(head)]
    for group in groups:
        cells = [_shown(getattr(group, field).get(name), digits) for _, field, name, digits in LOSSES]
        optimal = "n/a" if group.optimum is None else _number(group.optimum["within"], 4)
        cosine = _shown(group.train.values.get("cosines.within.mean"), 4)
        rows.append([str(group.config["k"]), str(len(group.seeds)), *cells, cosine, optimal])
    return [f"| {' | '.join(row)} |" for row in rows]


def _ran(records: list[dict[str, Any]]) -> str:
    devices = sorted({str(record.get("device", "unknown device")) for record in records})
    seconds = [record["wall_seconds"] for record in records if record.get("wall_seconds") is not None]
    time = f", {_range(seconds)} s each" if seconds else ""
    return f"{len(records)} runs on {', '.join(devices)}{time}."


def _table(groups: Sequence[Group], columns: Sequence[tuple[str, str, int]]) -> list[str]:
    head = ["k", "seeds", "set", *(name for name, _, _ in columns)]
    rows = [head, ["---"] * len(head)]
    for group in groups:
        for part in PARTS:
            of: Part = getattr(group, part)
            cells = [_cell(of, name, digits) for _, name, digits in columns]
            rows.append([str(group.config["k"]), str(len(group.seeds)), _SETS[part], *cells])
    return [f"| {' | '.join(row)} |" for row in rows]


def _cell(part: Part, name: str, digits: int) -> str:
    return _shown(part.values.get(name), digits)


def _shown(spread: Spread | None, digits: int) -> str:
    if spread is None:
        return "n/a"
    show: Callable[[float], str] = lambda value: _number(value, digits)  # noqa: E731
    least, most = show(spread.min), show(spread.max)
    return show(spread.mean) if least == most else f"{show(spread.mean)} [{least}, {most}]"


def _number(value: float, digits: int) -> str:
    """Fixed point, or scientific where that would show no digit."""
    return f"{value:.{digits}f}" if value == 0 or abs(value) >= 10.0 ** (1 - digits) else f"{value:.1e}"


def _range(values: list[float]) -> str:
    least, most = f"{min(values):.0f}", f"{max(values):.0f}"
    return least if least == most else f"{least} to {most}"
