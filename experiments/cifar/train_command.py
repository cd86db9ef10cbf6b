"""`python -m experiments.cifar train`: one run, begun or resumed."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from experiments.cifar.configuration import CHOICES, Configuration
from experiments.cifar.dataset_options import FOLDER, add_dataset, load_chosen
from theory.errors import InputError
from verify import cli
from verify.files import check_folder
from verify.results import NOT_IN_JSON, Status

if TYPE_CHECKING:
    from experiments.cifar.runs import Record, Run

#: Where runs go unless `--out` says otherwise.
RUNS = Path("nce-data/cifar/runs")


@dataclass(frozen=True)
class Trained:
    """What became of a run; its fields are the keys of `--json`."""

    run: str
    record: Record
    loss: float | None
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def train_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar train`."""
    parser = cli.parser(
        "experiments.cifar train",
        "Train a network with the NCE loss, k negatives drawn iid from the marginal as in the theory. Everything\n"
        "goes to the folder of the run: configuration, record, log and checkpoints. Stop it in any way and give\n"
        "--resume to go on; the result is that of an uninterrupted run.",
        "  python -m experiments.cifar train --classes 4 --k 8 --out nce-data/cifar/runs/first\n"
        "  python -m experiments.cifar train --dataset cifar10 --folder cifar-10-batches-bin --k 64 --out run --resume",
    )
    add_dataset(parser)
    add_training(parser)
    parser.add_argument(
        "--out", dest="run", type=Path, metavar="DIR", help=f"the folder of the run (default: in {RUNS})"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out; begin it if it is not there"
    )
    parser.add_argument(
        "--checkpoint-seconds", type=cli.integer(0), default=30, metavar="S", help="between checkpoints (default: 30)"
    )
    parser.add_argument("--minutes", type=cli.minutes, metavar="M", help="stop after about M minutes, to be resumed")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Trained:
        until = None if arguments.minutes is None else time.monotonic() + 60 * arguments.minutes
        return _run(arguments, _given(parser, argv), until, progress)

    cli.main(parser, execute, report, argv)


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options of a `Configuration` beyond the images; without a default where `defaults.complete` has it."""
    parser.add_argument(
        "--k", type=cli.integer(1), default=16, metavar="K", help="negatives of an anchor (default: 16)"
    )
    helps = {
        "positives": "another image of the class, another augmentation of the image, or a mixture (default: class)",
        "negatives": "iid from the marginal, or resampled from the batch (default: marginal)",
        "augmentation": "of every image drawn",
        "network": "(default: small on a processor, resnet18 on an accelerator)",
        "head": "from features to embeddings",
        "optimizer": "(default: adamw)",
        "dtype": "in which the network computes (default: bfloat16 on an accelerator)",
    }
    for name, accepted in CHOICES.items():
        parser.add_argument(f"--{name}", choices=accepted, help=helps[name])
    parser.add_argument(
        "--overlap", metavar="A", help="share of mixed positives that are of another image of the class"
    )
    parser.add_argument("--temperature", metavar="T", help="the loss sees cosines / T (default: 1)")
    parser.add_argument(
        "--initial-temperature", metavar="T", help="at first, changing over the first half (default: that of the loss)"
    )
    for name, text in {
        "width": "channels of the first stage",
        "dimension": "of the embeddings",
        "epochs": "passes over the training set",
        "batch": "anchors in a step",
    }.items():
        parser.add_argument(f"--{name}", type=cli.integer(1), metavar="N", help=text)
    parser.add_argument("--learning-rate", type=float, metavar="X", help="at its height")
    parser.add_argument("--weight-decay", type=float, metavar="X", help="decoupled for adamw (default: 0.1)")
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="of weights and draws (default: 0)")


def configure(arguments: argparse.Namespace, provenance: str) -> Configuration:
    """The configuration that the options ask for, on the device that is there."""
    from experiments.cifar.configuration import FIELDS
    from experiments.cifar.defaults import complete
    from theory.float64 import jax

    given = {name: getattr(arguments, name) for name in FIELDS} | {"provenance": provenance}
    return complete(given, jax.default_backend())


def _given(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> dict[str, Any]:
    """The values of a configuration that the command line states, equal to a default or not."""
    from experiments.cifar.configuration import FIELDS

    unset = object()
    stated = vars(parser.parse_args(argv, argparse.Namespace(**dict.fromkeys(FIELDS, unset))))
    return {name: stated[name] for name in FIELDS if stated[name] is not unset}


def _run(arguments: argparse.Namespace, given: dict[str, Any], until: float | None, progress: cli.Progress) -> Trained:
    from experiments.cifar.runs import Run
    from experiments.cifar.sharding import devices
    from experiments.cifar.training import train

    if arguments.resume and arguments.run is None:
        raise InputError("out", "nothing", "--resume needs the folder of the run")
    check_folder("out", arguments.run or RUNS)
    if arguments.resume and (arguments.run / "config.json").is_file():
        run = Run.open(arguments.run)
        _agree(given, run)
        data = run.dataset(arguments.folder or FOLDER)
    else:
        data = load_chosen(arguments)
        configuration = configure(arguments, data.provenance)
        devices(configuration.batch)  # refused before anything is written
        run = Run.create(arguments.run or RUNS / name_of(configuration), configuration)
    record = train(run, data, progress=progress, until=until, checkpoint_seconds=arguments.checkpoint_seconds)
    log = run.log()
    status = Status.UNDECIDED if record.status == "diverged" else Status.NUMERICAL
    return Trained(str(run.folder), record, log[-1]["loss"] if log else None, status)


def name_of(configuration: Configuration) -> str:
    """A name for the folder of a run."""
    c = configuration
    parts = [c.dataset, c.network, c.positives, f"k{c.k}", f"seed{c.seed}"]
    if c.classes is not None:
        parts.insert(1, f"C{c.classes if isinstance(c.classes, int) else '.'.join(map(str, c.classes))}")
    if c.per_class is not None:
        parts.insert(2, f"n{c.per_class}")
    if c.imbalance is not None:
        parts.insert(2, f"F{float(c.imbalance):g}")
    if c.majority is not None:
        parts.insert(2, f"M{float(c.majority):g}")
    if c.overlap is not None:
        parts.insert(-2, f"a{float(c.overlap):g}")
    return "-".join(parts)


def _agree(given: dict[str, Any], run: Run) -> None:
    """Refuse options that say something else than the run that is resumed."""
    stored = run.configuration
    for name, value in given.items():
        asked = {**stored.as_json(), name: list(value) if isinstance(value, tuple) else value}
        if Configuration.from_json(asked) != stored:
            option = name.replace("_", "-")
            raise InputError(option, value, f"the run in {run.folder} has {stored.as_json()[name]}")


def report(found: Trained) -> str:
    """The readable report."""
    record = found.record
    rate = "" if record.images_per_second is None else f", {record.images_per_second:.0f} images/s"
    lines = [f"{found.run}: {record.status} after {record.epochs_done} epochs, {record.wall_seconds:.1f} s{rate}"]
    if found.loss is not None:
        lines.append(f"  loss of the last epoch {found.loss:.6f}")
    if record.status == "diverged":
        kept = f"the checkpoint after epoch {record.epochs_done} is kept" if record.epochs_done else "nothing is kept"
        lines.append(f"  the loss is no longer finite; {kept}")
    if record.status == "stopped":
        lines.append("  out of time: give --resume to go on")
    return "\n".join(lines)
