"""`python -m experiments.cifar summary`: tables and data files of any number of runs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from experiments.cifar.summary import summarize
from experiments.cifar.summary_output import markdown, write
from verify import cli
from verify.files import check_folder
from verify.results import NOT_IN_JSON, Status


@dataclass(frozen=True)
class Written:
    """What was summarized; its fields are the keys of `--json`.

    Attributes:
        left_out: runs that have not been evaluated.
    """

    runs: int
    groups: int
    left_out: tuple[str, ...]
    files: tuple[str, ...]
    text: str = field(repr=False, metadata=NOT_IN_JSON)
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def summary_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar summary`."""
    parser = cli.parser(
        "experiments.cifar summary",
        "Print tables of evaluated runs, with the spread over seeds. With --out, write summary.md (the tables),\n"
        "summary.json (the data of the figures) and summary.csv (one line a run and set).",
        "  python -m experiments.cifar summary nce-data/cifar/runs --out nce-data/cifar",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, or folders that hold them")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the summary's files here")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Written:
        if arguments.out is not None:
            check_folder("out", arguments.out)
        found = summarize(arguments.runs)
        files = tuple(map(str, write(found, arguments.out))) if arguments.out is not None else ()
        return Written(len(found.runs), len(found.groups), found.left_out, files, markdown(found))

    cli.main(parser, execute, lambda result: result.text, argv)
