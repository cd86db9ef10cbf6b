"""`python -m experiments.cifar evaluate`: everything that is measured of trained networks, written beside them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from experiments.cifar.dataset_options import FOLDER
from verify import cli
from verify.results import NOT_IN_JSON, Status, as_json

if TYPE_CHECKING:
    from experiments.cifar.evaluation import Metrics, SetMetrics
    from experiments.cifar.images import Dataset
    from experiments.cifar.runs import Run


@dataclass(frozen=True)
class Evaluated:
    """The metrics of one run.

    Attributes:
        embeddings: of the unit-norm embeddings, which the theory is about; the top keys of `metrics.json`.
        features: accuracies of the features below the head, as they are usually reported: linear probe and nearest
            neighbours, for training and test set.
        weights_sha256: of weights and running statistics, the same before and after.
    """

    run: str
    embeddings: Metrics
    features: dict[str, Any]
    weights_sha256: str
    seconds: float


@dataclass(frozen=True)
class AllEvaluated:
    """The metrics of all runs; its fields are the keys of `--json`."""

    runs: tuple[Evaluated, ...]
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def evaluate_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar evaluate`."""
    parser = cli.parser(
        "experiments.cifar evaluate",
        "Measure trained networks on training and test set: linear probe, nearest neighbours and mean classifier,\n"
        "cosines, neural collapse, and the distance from the simplex ETF and from the computed optimum. Writes\n"
        "metrics.json into the folder of each run.",
        "  python -m experiments.cifar evaluate nce-data/cifar/runs/first",
    )
    parser.add_argument("run", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    parser.add_argument("--folder", type=Path, metavar="PATH", help=f"folder or archive with CIFAR (default: {FOLDER})")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> AllEvaluated:
        from experiments.cifar.runs import Run

        runs = [Run.open(folder) for folder in arguments.run]
        found = [evaluate(run, run.dataset(arguments.folder or FOLDER), progress=progress) for run in runs]
        return AllEvaluated(tuple(found))

    cli.main(parser, execute, lambda result: "\n".join(report(found) for found in result.runs), argv)


def evaluate(run: Run, data: Dataset, *, progress: Callable[[str], None] = lambda text: None) -> Evaluated:
    """Measure the last checkpoint of a run and write `metrics.json`.

    Raises:
        InputError: if there is no checkpoint.
        RuntimeError: if measuring changed the network.
    """
    from experiments.cifar.evaluation import evaluate_accuracies, evaluate_features
    from experiments.cifar.runs import write_json

    begun = time.perf_counter()
    before = run.fingerprint()
    progress(f"{run.folder.name}: embedding")
    train_features, train = run.features(data.train_images)
    test_features, test = run.features(data.test_images)
    c = run.configuration
    prior = data.prior()

    def say(text: str) -> None:
        progress(f"{run.folder.name}: {text}")

    embeddings = evaluate_features(
        train,
        data.train_labels,
        test,
        data.test_labels,
        prior=prior,
        k=c.k,
        temperature=c.temperature,
        positives=c.positives,
        overlap=c.overlap,
        seed=c.seed,
        progress=say,
    )
    say("features below the head")
    features = evaluate_accuracies(
        train_features, data.train_labels, test_features, data.test_labels, data.C, seed=c.seed
    )
    if run.fingerprint() != before:
        raise RuntimeError(f"{run.folder}: the network changed while it was measured")
    found = Evaluated(str(run.folder), embeddings, features, before, round(time.perf_counter() - begun, 3))
    extra = {"features": features, "weights_sha256": before, "seconds": found.seconds}
    write_json(as_json(embeddings) | as_json(extra), run.folder / "metrics.json")
    return found


def report(found: Evaluated) -> str:
    """The readable report of one run."""
    m = found.embeddings
    lines = [f"{found.run}: C = {m.C}, k = {m.k}, temperature {m.temperature}; measured in {found.seconds:.1f} s"]
    lines.append(f"  {'':34}{'training':>10}{'test':>10}")
    rows: list[tuple[str, float | None, float | None]] = [
        (label, value(m.train), value(m.test)) for label, value in _ROWS.items()
    ]
    for name, label in (("linear_probe", "linear probe"), ("knn", "nearest neighbours")):
        rows.append((f"{label}, below the head", *(found.features[part][name].overall for part in ("train", "test"))))
    rows.append(("downstream loss", m.downstream.upper, None))
    if m.loss is not None and m.optimum is not None:
        rows.append(("downstream loss of the optimum", m.optimum.downstream, None))
        rows.append(("NCE loss of the training set", m.loss.value, None))
        rows.append(("what it is above the optimum's", m.loss.excess, None))
    lines += [f"  {label:34}{_cell(train)}{_cell(test)}".rstrip() for label, train, test in rows]
    return "\n".join(lines)


_ROWS: dict[str, Callable[[SetMetrics], float | None]] = {
    "linear probe": lambda m: m.linear_probe.overall,
    "nearest neighbours": lambda m: m.knn.overall,
    "mean classifier": lambda m: m.mean_classifier.overall,
    "cosine within classes, mean": lambda m: m.cosines.within.mean,
    "cosine between classes, mean": lambda m: m.cosines.between.mean,
    "class means to simplex ETF, max": lambda m: m.to_etf.max,
    "class means to optimum, max": lambda m: None if m.to_optimum is None else m.to_optimum.max,
    "the second over the first": lambda m: m.optimum_over_etf,
}


def _cell(value: float | None) -> str:
    return " " * 10 if value is None else f"{value:10.4f}"
