"""The options that say which images are meant, shared by all commands of `python -m experiments.cifar`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cifar.images import NAMES
from verify import cli

if TYPE_CHECKING:
    from experiments.cifar.images import Dataset

#: Where CIFAR is looked for and downloaded to.
FOLDER = Path("nce-data/cifar")


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """`--dataset` and what narrows it down."""
    parser.add_argument("--dataset", choices=NAMES, default="standin", help="the images (default: standin, generated)")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="PATH",
        help=f"folder or archive with CIFAR in an official layout (default: {FOLDER})",
    )
    parser.add_argument(
        "--provenance",
        metavar="TEXT",
        help="where the images come from, said beside every result (default: PROVENANCE.txt beside the data)",
    )
    parser.add_argument(
        "--classes", type=_classes, metavar="N", help="the first N classes, or those with the labels A,B,... in order"
    )
    parser.add_argument(
        "--per-class", type=cli.integer(1), metavar="N", help="at most N training images a class (standin: exactly N)"
    )
    parser.add_argument(
        "--imbalance", metavar="F", help="a long-tailed training set: largest over smallest class, exponential profile"
    )
    parser.add_argument(
        "--majority", metavar="P", help="share of the first class in the training set, the others equal; or --imbalance"
    )
    parser.add_argument(
        "--size", type=cli.integer(1), default=32, metavar="N", help="width of the generated images (default: 32)"
    )
    parser.add_argument(
        "--data-seed", type=cli.integer(0), default=0, metavar="N", help="seed of subsets and generated images"
    )


def load_chosen(arguments: argparse.Namespace) -> Dataset:
    """The data set that the options of `add_dataset` say.

    Raises:
        InputError: as `dataset.load` does.
    """
    from experiments.cifar.dataset import load

    return load(arguments.dataset, **load_options(arguments))


def load_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options as keyword arguments of `dataset.load`."""
    folder = arguments.folder
    if folder is None and arguments.dataset != "standin":
        folder = FOLDER
    return {
        "folder": folder,
        "classes": arguments.classes,
        "imbalance": arguments.imbalance,
        "majority": arguments.majority,
        "per_class": arguments.per_class,
        "seed": arguments.data_seed,
        "size": arguments.size,
        "provenance": arguments.provenance,
    }


def _classes(text: str) -> int | tuple[int, ...]:
    accepted = "a number of classes (4), or labels (0,3,5)"
    try:
        labels = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise cli.refused(text, accepted) from None
    return labels[0] if len(labels) == 1 else labels
