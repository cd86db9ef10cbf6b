"""`python -m experiments.cifar reproduce`: the whole study, as far as time allows."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.cifar.dataset_options import FOLDER
from experiments.cifar.study import PARTS
from theory.errors import InputError
from verify import cli
from verify.files import check_folder

if TYPE_CHECKING:
    from experiments.cifar.reproduce import Study


def reproduce_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar reproduce`."""
    parts = "\n".join(f"  {letter}  {title}" for letter, title in PARTS.items())
    made = cli.parser(
        "experiments.cifar reproduce",
        "Measure the whole study, in this order, until the time is used:\n"
        f"{parts}\n"
        "Every item is kept when it is done, and a run that is not finished is resumed the next time. ResNet-18 on an\n"
        "accelerator; on a processor the small network on four classes. Items among the committed results are done.",
        "  python -m experiments.cifar reproduce --folder cifar --minutes 30 --out study",
    )
    made.add_argument(
        "--folder", type=Path, metavar="PATH", help=f"folder with CIFAR-10 and CIFAR-100 (default: {FOLDER})"
    )
    made.add_argument("--minutes", type=cli.minutes, default=30.0, metavar="M", help="time to use (default: 30)")
    made.add_argument("--parts", metavar="LETTERS", help=f"only these parts (default: {''.join(PARTS)})")
    made.add_argument(
        "--out", type=Path, default=Path("nce-data/cifar/study"), metavar="DIR", help="runs, timings and summary"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Study:
        if arguments.parts is not None and not set(arguments.parts) <= set(PARTS):
            raise InputError("parts", arguments.parts, f"accepted: letters of {''.join(PARTS)}")
        check_folder("out", arguments.out)
        from experiments.cifar.reproduce import reproduce

        folder = arguments.folder or FOLDER
        return reproduce(folder, arguments.out, minutes=arguments.minutes, parts=arguments.parts, progress=progress)

    cli.main(made, execute, report, argv)


def report(study: Study) -> str:
    """The readable report."""
    lines = [f"{study.folder}: {len(study.measured)} items measured; {study.minutes:.1f} minutes this time"]
    if study.begun:
        lines.append(f"  begun, to be resumed: {', '.join(study.begun)}")
    for name, reason in study.failed.items():
        lines.append(f"  failed: {name}: {reason}")
    if study.missing:
        lines.append(f"  not measured: {', '.join(study.missing)}")
    return "\n".join(lines)
