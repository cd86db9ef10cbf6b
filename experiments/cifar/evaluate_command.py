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
from verify.results import Status, as_json

if TYPE_CHECKING:
    from experiments.cifar.dataset import Dataset
    from experiments.cifar.evaluation import Metrics
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
    status: Status = field(default=Status.NUMERICAL, repr=False)


def evaluate_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar evaluate`."""
    made = cli.parser(
        "experiments.cifar evaluate",
        "Measure trained networks on training and test set: linear probe, nearest neighbours and mean classifier,\n"
        "cosines, neural collapse, and the distance from the simplex ETF and from the computed optimum. Writes\n"
        "metrics.json into the folder of each run.",
        "  python -m experiments.cifar evaluate nce-data/cifar/runs/first",
    )
    made.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs")
    made.add_argument("--folder", type=Path, metavar="PATH", help=f"folder or archive with CIFAR (default: {FOLDER})")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> AllEvaluated:
        from experiments.cifar.runs import Run

        runs = [Run.open(folder) for folder in arguments.runs]
        found = [evaluate(run, run.dataset(arguments.folder or FOLDER), progress=progress) for run in runs]
        return AllEvaluated(tuple(found))

    cli.main(made, execute, lambda result: "\n".join(report(found) for found in result.runs), argv)


def evaluate(run: Run, data: Dataset, *, progress: Callable[[str], None] = lambda text: None) -> Evaluated:
    """Measure the last checkpoint of a run and write `metrics.json`.

    Raises:
        InputError: if there is no checkpoint.
        RuntimeError: if measuring changed the network.
    """
    from experiments.cifar.evaluation import evaluate_features
    from verify.certify.document import write

    begun = time.perf_counter()
    before = run.fingerprint()
    progress(f"{run.folder.name}: embedding")
    train_features, train = run.features(data.train_images)
    test_features, test = run.features(data.test_images)
    c = run.configuration
    prior = data.prior()

    def say(text: str) -> None:
        progress(f"{run.folder.name}: {text}")

    def measured(of_train: Any, of_test: Any) -> Metrics:
        return evaluate_features(
            of_train,
            data.train_labels,
            of_test,
            data.test_labels,
            prior=prior,
            k=c.k,
            temperature=c.temperature,
            seed=c.seed,
            progress=say,
        )

    embeddings = measured(train, test)
    below = measured(train_features, test_features)
    if run.fingerprint() != before:
        raise RuntimeError(f"{run.folder}: the network changed while it was measured")
    features = {
        part: {name: getattr(getattr(below, part), name) for name in ("linear_probe", "knn")}
        for part in ("train", "test")
    }
    found = Evaluated(str(run.folder), embeddings, features, before, round(time.perf_counter() - begun, 3))
    extra = {"features": features, "weights_sha256": before, "seconds": found.seconds}
    write(as_json(embeddings) | as_json(extra), run.folder / "metrics.json")
    return found


def report(found: Evaluated) -> str:
    """The readable report of one run."""
    m = found.embeddings
    lines = [f"{found.run}: C = {m.C}, k = {m.k}, temperature {m.temperature}; measured in {found.seconds:.1f} s"]
    lines.append(f"  {'':34}{'training':>10}{'test':>10}")
    rows: list[tuple[str, float, float]] = [
        (label, getattr(getattr(m.train, name), key), getattr(getattr(m.test, name), key))
        for label, name, key in (
            ("linear probe", "linear_probe", "overall"),
            ("nearest neighbours", "knn", "overall"),
            ("mean classifier", "mean_classifier", "overall"),
            ("cosine within classes, mean", "cosines", "within"),
            ("cosine between classes, mean", "cosines", "between"),
            ("class means to simplex ETF, max", "to_etf", "max"),
            ("class means to optimum, max", "to_optimum", "max"),
        )
        if name != "cosines"
    ]
    rows.insert(3, ("cosine within classes, mean", m.train.cosines.within.mean, m.test.cosines.within.mean))
    rows.insert(4, ("cosine between classes, mean", m.train.cosines.between.mean, m.test.cosines.between.mean))
    rows.append(("the second over the first", m.train.optimum_over_etf, m.test.optimum_over_etf))
    for name in ("linear_probe", "knn"):
        label = {"linear_probe": "linear probe", "knn": "nearest neighbours"}[name]
        both = (found.features[part][name].overall for part in ("train", "test"))
        rows.append((f"{label}, below the head", *both))
    lines += [f"  {label:34}{train:10.4f}{test:10.4f}" for label, train, test in rows]
    return "\n".join(lines)
