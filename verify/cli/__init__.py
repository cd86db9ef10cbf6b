"""What all commands share: options, reports, exit statuses. A command module holds `run` and a thin `main`."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

from theory.errors import SHOWN, InputError, one_line
from theory.problem import MAX_K, check_k
from verify.cli.ending import CLOSED, UNTOLD, USAGE, Ended, conclude, open_streams, say, tell
from verify.cli.progress import Progress
from verify.files import unwritable
from verify.files.delivery import collected, keep
from verify.results import Result, Status, as_json, versions


class Parser(argparse.ArgumentParser):
    """An argument parser whose every error is one line, and that speaks through `verify.cli.ending`."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line, and exit with status 2."""
        say(f"{self.prog}: {one_line(message)}")
        self.exit(USAGE)

    def named(self, name: str) -> str:
        """A parameter (`InputError.option`) as it stands on this command line: `argument --rho`, or `argument FILE` for
        one without dashes; by its bare name where the command has none of that name."""
        for action in self._actions:
            if f"--{name}" in action.option_strings:
                return f"argument --{name}"
        for action in self._actions:
            if action.dest == name:
                return f"argument {[*action.option_strings, action.metavar or name][0]}"
        return name

    def print_help(self, file: Any = None) -> None:
        """Print the help on standard output."""
        tell(self.format_help(), CLOSED)


class _Version(argparse.Action):
    """`--version`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        tell(f"nce-verifier {versions()['nce-verifier']}\n", CLOSED)
        parser.exit()


def parser(command: str, description: str, example: str) -> Parser:
    """A parser with the options that every command has."""
    parser = Parser(
        prog=f"python -m {command}",
        description=description,
        epilog=f"example:\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, and nothing else, on standard output"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the program's version number and exit")
    return parser


def add_problem(parser: Parser, *, rho: bool) -> None:
    """The options that say which population loss is meant."""
    if rho:
        parser.add_argument(
            "--rho",
            required=True,
            metavar="R",
            help="class prior: 'uniform', '0.5,0.3,0.2', '1/2,3/10,1/5', 'zipf:S', 'longtail:F' (these with --C), "
            "'groups:N1xM1,N2xM2,...' or 'counts:FILE' (counts of labels); read exactly, must sum to 1",
        )
        parser.add_argument("--normalize", action="store_true", help="divide the masses of --rho by their sum")
    parser.add_argument("--C", type=integer(2), required=not rho, metavar="C", help="number of classes, at least 2")
    parser.add_argument(
        "--k", type=k_list, required=True, metavar="K", help="numbers of negatives: 64, inf, 1,4,16 or 1:1024"
    )
    parser.add_argument("--d", type=integer(2), metavar="D", help="dimension of the embeddings (default: C)")
    parser.add_argument(
        "--loss",
        default="logistic",
        metavar="L",
        help="logistic (default), hinge, exponential, separable, decoupled, weighted-logistic:Q (the k negatives "
        "weigh Q together), or package.module:callable",
    )
    parser.add_argument("--temperature", default="1", metavar="T", help="the loss sees margins / T, T > 0 (default: 1)")
    add_objective(parser)


def add_objective(parser: Parser) -> None:
    """`--objective`."""
    parser.add_argument(
        "--objective",
        default="nce",
        metavar="O",
        help="which negatives an anchor meets: nce (iid from the prior; default) or no-collisions (of other classes); "
        "pool:N (the other items of a batch out of N); two towers: clip, sigmoid:B (bias B), clip-no-collisions, "
        "sigmoid-no-collisions:B",
    )


def problem_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options of `add_problem` but for `--rho` and `--k`, and `--seed`, as keyword arguments of `run`."""
    names = ("C", "normalize", "d", "loss", "temperature", "objective", "seed")
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


def add_search(parser: Parser, starts: int) -> None:
    """The options of a search from random starts."""
    parser.add_argument(
        "--starts",
        type=integer(1),
        default=starts,
        metavar="N",
        help=f"random starts of the search (default: {starts})",
    )
    parser.add_argument(
        "--seed", type=integer(0), default=0, metavar="N", help="seed of the random starts (default: 0)"
    )


def add_certificate(parser: Parser) -> None:
    """`--certificate FILE`."""
    parser.add_argument(
        "--certificate", type=writable, metavar="FILE", help="write a certificate, for python -m verify.check FILE"
    )


def add_save(parser: Parser) -> None:
    """`--save FILE`."""
    parser.add_argument(
        "--save", type=writable, metavar="FILE", help="write the arrays (.npz), or the embeddings alone (.npy)"
    )


def add_weighting(parser: Parser) -> None:
    """`--weighting`: the test distribution over classes."""
    parser.add_argument(
        "--weighting",
        choices=("weighted", "balanced"),
        default="weighted",
        help="test distribution over classes: the prior (default), or uniform",
    )


def add_classifier(parser: Parser) -> None:
    """`--classifier`."""
    parser.add_argument(
        "--classifier",
        choices=("optimal", "mean"),
        default="optimal",
        help="the best unit-norm classifier (default), or the class means",
    )


def add_embeddings(parser: Parser) -> None:
    """`--embeddings FILE`."""
    parser.add_argument("--embeddings", metavar="FILE", help="class embeddings (.npy, C x d) instead of the minimizer")


def refused(text: str, accepted: str) -> argparse.ArgumentTypeError:
    """The error of what reads an option: what was given, and what is accepted."""
    return argparse.ArgumentTypeError(f"got '{text[:40]}'; accepted: {accepted}")


def integer(least: int) -> Callable[[str], int]:
    """Reads an integer of at least `least`."""

    def read(text: str) -> int:
        accepted = f"an integer >= {least}"
        try:
            value = int(text) if len(text) <= 40 else least - 1
        except ValueError:
            raise refused(text, accepted) from None
        if value < least:
            raise refused(text, accepted)
        return value

    return read


def minutes(text: str) -> float:
    """Reads a time in minutes, from 0 to 10^6."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10**6:
        raise refused(text, "a number of minutes from 0 to 10^6")
    return value


def one_k(text: str) -> int | float:
    """Reads one number of negatives: an integer, or inf."""
    if text == "inf":
        return math.inf
    try:
        return check_k(int(text)) if len(text) <= 40 else check_k(0)
    except (ValueError, InputError):
        raise refused(text, f"an integer from 1 to {MAX_K}, or inf") from None


def k_list(text: str) -> tuple[int | float, ...]:
    """Reads numbers of negatives: `64`, a list `1,4,inf`, a range `1:1024` with both ends; sorted, without repeats."""
    ks: set[int | float] = set()
    for part in text.split(","):
        first, colon, last = part.partition(":")
        if not colon:
            ks.add(one_k(part))
            continue
        low, high = one_k(first), one_k(last)
        if not isinstance(low, int) or not isinstance(high, int) or low > high or high - low >= 10**6:
            raise refused(part, "a range FIRST:LAST of at most 10^6 integers")
        ks.update(range(low, high + 1))
    return tuple(sorted(ks))


def writable(text: str) -> Path:
    """Reads the path of a file to be written; nothing is written yet."""
    if reason := unwritable(Path(text)):
        raise argparse.ArgumentTypeError(f"got '{text[:SHOWN]}'; accepted: a file that can be written ({reason})")
    return Path(text)


def main(
    parser: Parser,
    execute: Callable[[argparse.Namespace, Progress], Any],
    report: Callable[[Any], str],
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Parse, execute, print and exit, as `verify.cli.ending` says.

    `execute` is given the options and a line of progress, and returns a frozen result with a `status`; `report` makes
    the readable text of it. What else is printed meanwhile, by code of the user's or a library's, goes to standard
    error: standard output has the result and nothing else.
    """
    told = open_streams()
    progress = Progress(parser.prog)

    def work() -> NoReturn:
        if "_ARGCOMPLETE" in os.environ:
            import argcomplete

            argcomplete.autocomplete(parser)
        try:
            arguments = parser.parse_args(argv)
        except SystemExit as stop:
            raise Ended(stop.code if isinstance(stop.code, int) else USAGE) from None
        if not told:
            raise Ended(USAGE, UNTOLD)
        progress.begin()
        try:
            with redirect_stdout(sys.stderr), collected() as undelivered:
                result = execute(arguments, progress)
        except SystemExit as stop:
            raise Ended(USAGE, f"code that was loaded ended the program: sys.exit({stop.code!r})") from None
        finally:
            progress.done()
        text = json.dumps(payload(result), allow_nan=False) if arguments.json else report(result)
        status = result.status
        code = status.exit_status if isinstance(status, Status) else int(status)
        try:
            tell(f"{text}\n", code)
        except Ended as untold:
            if untold.line and (place := keep(f"{text}\n".encode(), ".json" if arguments.json else ".txt")) is not None:
                raise Ended(untold.status, f"{untold.line}; it is in {place}") from None
            raise
        raise Ended(USAGE if undelivered else code, "; ".join(undelivered))

    conclude(parser.prog, work, progress.done, parser.named)


def payload(result: Any) -> Any:
    """The JSON object of a result: its fields, with `k` as a number or "inf"."""
    return result.to_dict() if isinstance(result, Result) else as_json(result)
