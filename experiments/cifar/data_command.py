"""`python -m experiments.cifar data`: fetch CIFAR, or say what a data set holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from experiments.cifar.dataset_options import FOLDER, add_dataset, load_chosen
from theory.errors import InputError
from verify import cli
from verify.results import NOT_IN_JSON, Status

if TYPE_CHECKING:
    from experiments.cifar.images import Dataset


@dataclass(frozen=True)
class Contents:
    """What a data set holds; its fields are the keys of `--json`.

    Attributes:
        train, test: images a class, in label order.
        rho: the exact class frequencies of the training set.
    """

    name: str
    provenance: str
    size: tuple[int, ...]
    class_names: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    rho: tuple[str, ...]
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def data_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar data`."""
    parser = cli.parser(
        "experiments.cifar data",
        "Say what a data set holds: images a class, and where they come from. With --download, fetch the official\n"
        "archive first, unless it is there; its checksum is compared with the published one.",
        "  python -m experiments.cifar data --dataset cifar10 --download\n"
        "  python -m experiments.cifar data --dataset cifar100 --folder cifar-100-binary --imbalance 100",
    )
    add_dataset(parser)
    parser.add_argument("--download", action="store_true", help="fetch the official archive into --folder")
    parser.add_argument(
        "--layout", choices=("binary", "python"), default="binary", help="which archive (default: binary)"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Contents:
        if arguments.download:
            _download(arguments, progress)
        return contents(load_chosen(arguments))

    cli.main(parser, execute, report, argv)


def contents(data: Dataset) -> Contents:
    """The `Contents` of a data set."""
    import numpy as np

    return Contents(
        name=data.name,
        provenance=data.provenance,
        size=data.train_images.shape[1:],
        class_names=data.class_names,
        train=data.train_counts,
        test=tuple(np.bincount(data.test_labels, minlength=data.C).tolist()),
        rho=tuple(data.prior().as_strings()),
    )


def report(found: Contents) -> str:
    """The readable report."""
    width = max(len(name) for name in found.class_names)
    lines = [
        f"{found.name}: {found.provenance}",
        f"  {len(found.class_names)} classes, {sum(found.train)} training and {sum(found.test)} test images of "
        f"{' x '.join(map(str, found.size))} bytes",
        f"  {'class':{width}}  {'training':>8}  {'test':>6}  frequency",
    ]
    for name, train, test, rho in zip(found.class_names, found.train, found.test, found.rho, strict=True):
        lines.append(f"  {name:{width}}  {train:8}  {test:6}  {rho}")
    return "\n".join(lines)


def _download(arguments: argparse.Namespace, progress: cli.Progress) -> None:
    if arguments.dataset == "standin":
        raise InputError("dataset", arguments.dataset, "--download accepts: cifar10, cifar100, cifar20")
    from experiments.cifar.download import ARCHIVES, download

    folder = arguments.folder or FOLDER
    if folder.is_file():
        raise InputError("folder", folder, "--download needs a folder, which may not exist yet")
    owner = "cifar100" if arguments.dataset == "cifar20" else arguments.dataset
    download(ARCHIVES[owner, arguments.layout], folder, progress)
