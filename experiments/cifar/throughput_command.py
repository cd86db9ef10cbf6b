"""`python -m experiments.cifar throughput`: images per second, and what the loss costs beside the network."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from experiments.cifar.dataset_options import add_dataset, load_chosen
from experiments.cifar.train_command import add_training, configure
from verify import cli
from verify.results import NOT_IN_JSON, Status, as_json, versions

if TYPE_CHECKING:
    from experiments.cifar.throughput import Throughput


@dataclass(frozen=True)
class Measured:
    """What was timed, where; its fields are the keys of `--json`."""

    config: dict[str, Any]
    device: str
    devices: int
    versions: dict[str, str]
    throughput: Throughput
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def throughput_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar throughput`."""
    parser = cli.parser(
        "experiments.cifar throughput",
        "Time a bare forward and backward pass, the same with the NCE loss, and a whole training step.",
        "  python -m experiments.cifar throughput --classes 4 --k 64",
    )
    add_dataset(parser)
    add_training(parser)
    parser.add_argument(
        "--repetitions", type=cli.integer(1), default=20, metavar="N", help="of each part, in turns (default: 20)"
    )
    parser.add_argument("--out", type=cli.writable, metavar="FILE", help="write the JSON object here too")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Measured:
        from experiments.cifar.runs import PACKAGES, device_in_words, write_json
        from experiments.cifar.throughput import measure

        data = load_chosen(arguments)
        configuration = configure(arguments, data.provenance)
        found = measure(configuration, data, repetitions=arguments.repetitions, progress=progress)
        device, count = device_in_words()
        parser = Measured(configuration.as_json(), device, count, versions(*PACKAGES), found)
        if arguments.out is not None:
            write_json(as_json(parser), Path(arguments.out))
        return parser

    cli.main(parser, execute, report, argv)


def report(found: Measured) -> str:
    """The readable report."""
    t = found.throughput
    lines = [
        f"{found.config['network']}, {found.config['dtype']}, {t.images} images a pass, on {found.device}",
        f"  forward and backward pass  {1000 * t.bare_seconds:8.1f} ms",
        f"  with the NCE loss          {1000 * t.loss_seconds:8.1f} ms, {100 * t.loss_overhead:+.1f} %",
        f"  whole training step        {1000 * t.step_seconds:8.1f} ms, {t.images_per_second:.0f} images/s",
    ]
    if t.share_of_peak is not None:
        lines.append(f"  {100 * t.share_of_peak:.1f} % of the device's bf16 peak")
    return "\n".join(lines)
