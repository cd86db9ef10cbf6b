"""`python -m paper_figs`: every figure as PDF and PNG, from data files that are computed where they are missing."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from paper_figs.registry import FIGURES, Entry
from theory.errors import InputError
from verify import cli
from verify.files import check_folder
from verify.results import versions

_MISSING = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one figure.

    Attributes:
        status: "drawn" or "not measured".
        files: what was written.
        data: "committed", or the file that the data was read from or computed into.
        command: what makes the data again.
        versions: of the packages that made the data.
        reason: why it was not drawn, else the empty string.
    """

    name: str
    status: str
    files: tuple[str, ...]
    data: str | None
    command: str | None
    versions: dict[str, str]
    reason: str


@dataclass(frozen=True)
class FiguresResult:
    """What `run` did; its fields are the keys of `--json`. `status` is the exit status: 3 if a figure has no data."""

    claim: str
    status: int
    figures: tuple[Outcome, ...]
    seconds: float
    versions: dict[str, str]


@dataclass(frozen=True)
class Listed:
    """One line of `--list`; `data` is "committed", "computed when asked for" or "measured by another command"."""

    name: str
    shows: str
    seconds: int | None
    data: str


@dataclass(frozen=True)
class ListResult:
    """What `--list` prints; its fields are the keys of `--json`."""

    claim: str
    status: int
    figures: tuple[Listed, ...]


def run(
    names: Sequence[str] = (),
    *,
    out: Path = Path("figures"),
    data: Path = Path("nce-data"),
    recompute: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> FiguresResult:
    """Draw figures; one without data does not stop the others.

    Args:
        names: of `FIGURES`; all if there are none.
        out: folder for `NAME.pdf` and `NAME.png`.
        data: folder of a user's own data, and of what is computed.
        recompute: compute the data, whatever there is.
        progress: called with a line of text as the work goes on.

    Raises:
        InputError: for a name that is no figure, or a folder that cannot be written.
    """
    begun = time.perf_counter()
    chosen = [_entry(name) for name in dict.fromkeys(names)] or list(FIGURES.values())
    check_folder("out", out)
    if data.exists() and not data.is_dir():
        raise InputError("data", data, "accepted: a folder, which may be made")
    outcomes = tuple(_one(entry, out, data, recompute, progress) for entry in chosen)
    drawn = all(outcome.status == "drawn" for outcome in outcomes)
    return FiguresResult(
        claim="figures",
        status=0 if drawn else _MISSING,
        figures=outcomes,
        seconds=time.perf_counter() - begun,
        versions=versions("matplotlib", "numpy"),
    )


def _one(entry: Entry, out: Path, folder: Path, recompute: bool, progress: Callable[[str], None]) -> Outcome:
    from paper_figs.data import NotMeasured, load
    from paper_figs.style import paper, save

    try:
        data = load(entry, folder, recompute=recompute, progress=progress)
    except NotMeasured as missing:
        return Outcome(entry.name, "not measured", (), None, None, {}, str(missing))
    progress(f"{entry.name}: drawing")
    with paper():
        written = save(entry.module.draw(data.parts), out, entry.name)
    return Outcome(entry.name, "drawn", tuple(map(str, written)), data.source, data.command, data.versions, "")


def _entry(name: str) -> Entry:
    if name not in FIGURES:
        raise InputError("name", name, f"accepted: {', '.join(FIGURES)}")
    return FIGURES[name]


def _name(text: str) -> str:
    if text not in FIGURES:
        raise cli.refused(text, ", ".join(FIGURES))
    return text


def listed() -> ListResult:
    """What each figure shows, and how long its data takes."""
    from paper_figs.data import committed

    def where(entry: Entry) -> str:
        if entry.seconds is None:
            return "measured by another command"
        return "computed when asked for" if committed(entry.name) is None else "committed"

    lines = tuple(Listed(e.name, e.shows, e.seconds, where(e)) for e in FIGURES.values())
    return ListResult("figures-list", 0, lines)


def report(result: FiguresResult | ListResult) -> str:
    """The readable report."""
    width = max(len(figure.name) for figure in result.figures)
    lines = []
    if isinstance(result, ListResult):
        for line in result.figures:
            lines.append(f"{line.name:<{width}}  {line.shows}")
            again = "" if line.seconds is None else f"; about {_duration(line.seconds)} to compute"
            lines.append(f"{'':<{width}}    data: {line.data}{again}")
        return "\n".join(lines)
    for figure in result.figures:
        if figure.status == "drawn":
            lines.append(f"{figure.name:<{width}}  {' '.join(figure.files)}  data: {figure.data}")
        else:
            lines.append(f"{figure.name:<{width}}  {figure.status}: {figure.reason}")
    drawn = sum(figure.status == "drawn" for figure in result.figures)
    lines.append(f"{drawn} of {len(result.figures)} figures drawn in {result.seconds:.1f} s")
    return "\n".join(lines)


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m paper_figs`."""
    parser = cli.parser(
        "paper_figs",
        "Draw the figures, all or those named, as PDF and PNG. Their data is committed where it is small, and\n"
        "computed where it is missing: stop it in any way and run it again to go on. A figure whose data has to be\n"
        "measured elsewhere and has not been is left out, the others are drawn, and the exit status is 3.",
        "  python -m paper_figs\n  python -m paper_figs bounds unbalanced --out pictures\n"
        "  python -m paper_figs --list",
    )
    parser.add_argument(
        "names", nargs="*", type=_name, metavar="NAME", help="figures to draw (default: all; see --list)"
    )
    parser.add_argument("--list", action="store_true", help="say what each figure shows and how long its data takes")
    parser.add_argument(
        "--out", type=Path, default=Path("figures"), metavar="DIR", help="folder for the pictures (default: figures)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("nce-data"),
        metavar="DIR",
        help="folder of your own data, which comes before committed data, and of what is computed (default: nce-data)",
    )
    parser.add_argument("--recompute", action="store_true", help="compute the data from nothing, whatever there is")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> FiguresResult | ListResult:
        if arguments.list:
            return listed()
        return run(
            arguments.names,
            out=arguments.out,
            data=arguments.data,
            recompute=arguments.recompute,
            progress=progress,
        )

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    main()
