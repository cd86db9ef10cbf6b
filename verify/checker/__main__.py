"""`python -m verify.checker FILE...`: the checker alone, which needs Python and mpmath and nothing else.

One line for each file, `FILE: verdict: reason`. The exit status is that of the worst: 1 (rejected) before 2
(unreadable) before 3 (precision exhausted) before 0 (accepted).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import mpmath

from verify.checker import check
from verify.checker.reading import MAX_BYTES
from verify.checker.verdict import EXIT, UNREADABLE, Verdict, printable, worst

PROG = "python -m verify.checker"
USAGE, INTERRUPTED, CLOSED_PIPE = 2, 130, 141


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {printable(message)}\n")

    def print_help(self, file: object = None) -> None:  # argparse's own passes over what cannot be written
        print(self.format_help(), end="", flush=True)


def check_file(name: str) -> Verdict:
    """The verdict on a file, or on standard input for "-"."""
    try:
        if name == "-":
            if sys.stdin is None:
                raise OSError("standard input is closed")
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        return Verdict(UNREADABLE, f"the file cannot be read ({getattr(error, 'strerror', None) or error})", {})
    return check(content)


def main(argv: Sequence[str] | None = None) -> int:
    """Check each file, print a line for it, and return the worst status."""
    if sys.stdout is None:
        _say("standard output is closed, so that no verdict can be told")
        return USAGE
    try:
        try:
            return _check_all(_parser().parse_args(argv).files)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to print at exit
        if isinstance(error, BrokenPipeError):
            return CLOSED_PIPE
        _say(f"the verdict cannot be written to standard output: {error.strerror}")
        return USAGE


def _parser() -> _Parser:
    made = _Parser(
        prog=PROG,
        description="Decide whether certificates prove their statements. One line for each file; exit status 0 if all "
        "are accepted, else that of the worst: 1 rejected, 2 unreadable, 3 precision exhausted.",
        epilog="example: python -m verify.checker etf.json optimum.json",
        allow_abbrev=False,
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="a certificate, or - for standard input")
    used = f"checker of nce-certificate 1, mpmath {mpmath.__version__}, Python {platform.python_version()}"
    made.add_argument("--version", action="version", version=used)
    return made


def _check_all(names: Sequence[str]) -> int:
    statuses = []
    for name in names:
        verdict = check_file(name)
        statuses.append(EXIT[verdict.verdict])
        print(printable(f"{name}: {verdict.verdict}: {verdict.reason}"), flush=True)
        if verdict.fault:
            _say(f"a defect of the checker: {printable(verdict.fault)}")
    return worst(statuses)


def _say(line: str) -> None:
    """Write to standard error, or to nobody."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"{PROG}: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
