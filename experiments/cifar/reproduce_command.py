"""`python -m experiments.cifar reproduce`: the whole study, as far as time allows."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.cifar.dataset_options import FOLDER
from experiments.cifar.images import NAMES
from experiments.cifar.study import PARTS, items, kind_of, rehearsal
from theory.errors import InputError
from verify import cli
from verify.cli.ending import say
from verify.files import check_folder

if TYPE_CHECKING:
    from experiments.cifar.reproduce import Study


def reproduce_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar reproduce`."""
    parts = "\n".join(
        f"{kind}:\n" + "\n".join(f"  {letter}  {title}" for letter, title in titles.items())
        for kind, titles in PARTS.items()
    )
    parser = cli.parser(
        "experiments.cifar reproduce",
        "Measure the whole study, in this order, until the time is used:\n"
        f"{parts}\n"
        "Every item is kept when it is done, and a run that is not finished is resumed the next time: stop it in any\n"
        "way. An item that fails is reported, and the others are measured. Items among the committed results are done.",
        "  python -m experiments.cifar reproduce --folder cifar --minutes 30 --out study",
    )
    parser.add_argument(
        "--folder", type=Path, metavar="PATH", help=f"folder with CIFAR-10 and CIFAR-100 (default: {FOLDER})"
    )
    parser.add_argument(
        "--provenance",
        type=_provenance,
        action="append",
        metavar="DATASET=TEXT",
        help="where the images come from, said beside every result (default: PROVENANCE.txt beside the data)",
    )
    parser.add_argument("--minutes", type=cli.minutes, default=30.0, metavar="M", help="time to use (default: 30)")
    parser.add_argument("--parts", metavar="LETTERS", help="only these parts (default: all)")
    parser.add_argument(
        "--rehearse", action="store_true", help="only whether every part runs: one item of each kind, at tiny sizes"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("nce-data/cifar/study"), metavar="DIR", help="runs, timings and summary"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Study:
        from experiments.cifar.reproduce import reproduce
        from theory.float64 import jax

        check_folder("out", arguments.out)
        platform = jax.default_backend()
        accepted = "".join(PARTS[kind_of(platform)])
        if arguments.parts is not None and not set(arguments.parts) <= set(accepted):
            raise InputError("parts", arguments.parts, f"accepted: letters of {accepted}")

        folder = arguments.folder or FOLDER
        return reproduce(
            folder,
            arguments.out,
            minutes=arguments.minutes,
            parts=arguments.parts,
            wanted=rehearsal(items(platform)) if arguments.rehearse else None,
            provenance=dict(arguments.provenance or ()),
            progress=progress,
            ended=_log,
        )

    cli.main(parser, execute, report, argv)


def _provenance(text: str) -> tuple[str, str]:
    name, equals, words = text.partition("=")
    accepted = [name for name in NAMES if name != "standin"]
    if not equals or name not in accepted or not words.strip():
        raise cli.refused(text, f"DATASET=TEXT, DATASET of {', '.join(accepted)}")
    return name, words.strip()


def _log(line: str) -> None:
    """Say that an item has ended, where no terminal shows it anyway."""
    if not sys.stderr.isatty():
        say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")


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
