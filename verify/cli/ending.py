"""The one place where a command ends: what is said, in one line, and the exit status, whatever happened.

    0, 1, 3  what the result says (`verify.results.Status`): no accident ends so
    2        bad input, and what a user can mend: a file, a package, memory, the environment
    70       what nobody foresaw; the traceback is in a file that the line names
    130      Ctrl-C
    141      the reader of standard output has left before there was a result

Standard error may be closed, full, or a pipe that nobody reads: that changes nothing.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from theory.errors import InputError, one_line
from verify.results import versions

USAGE = 2
UNFORESEEN = 70
INTERRUPTED = 130
CLOSED = 141
UNTOLD = "standard output is closed, so that no result can be told"


class Ended(BaseException):
    """A command is at its end: the exit status, and a line for standard error (none if it is empty)."""

    def __init__(self, status: int, line: str = "") -> None:
        super().__init__(status, line)
        self.status, self.line = status, line


def open_streams() -> bool:
    """Open what was closed when the process began, so that no other file takes its place; whether results can be told.

    Text that standard output cannot encode is escaped.
    """
    told = sys.stdout is not None
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # the lowest number that is free, which is the one that was closed
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    return told


def say(line: str, end: str = "\n") -> None:
    """Write to standard error, or to nobody."""
    try:
        print(line, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # what it holds would be written again when the interpreter ends, which then exits with 120
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def tell(text: str, status: int) -> None:
    """Write the result to standard output.

    Raises:
        Ended: if it cannot be written: quietly with `status` if the reader has left, else with a line.
    """
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        _drop_output()
        raise Ended(status) from None
    except (OSError, ValueError) as error:
        _drop_output()
        reason = getattr(error, "strerror", None) or error
        raise Ended(USAGE, f"the result cannot be written to standard output: {reason}") from None


def foreseen(error: BaseException, named: Callable[[str], str] = str) -> str | None:
    """What a user can do something about, in words; None for anything else. `named` says what a parameter is called on
    the command line."""
    text = str(error) or type(error).__name__
    if isinstance(error, InputError):
        return f"{named(error.option)}: {error.reason}"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or text
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in text):
        return f"there is not enough memory ({text}); smaller sizes need less"
    if isinstance(error, KeyboardInterrupt):
        return "code that was loaded raised KeyboardInterrupt"
    if isinstance(error, ImportError):
        return f"a package is missing or damaged: {text}"
    if isinstance(error, RuntimeError) and type(error).__name__ == "BrokenProcessPool":
        return "a worker process died; was there too little memory?"
    if (reason := _no_device()) is not None:
        return f"JAX finds no device (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): {reason}"
    return None


def _no_device() -> str | None:
    """Why JAX, if it is loaded, can compute nothing: it says so by errors of many kinds, some of them empty."""
    try:
        if (jax := sys.modules.get("jax")) is not None:
            jax.devices()
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def unforeseen(error: BaseException) -> str:
    """The line about an error that nobody foresaw; its traceback is written to a file, which the line names."""
    head = f"an error that nobody foresaw ({type(error).__name__}: {one_line(str(error), 120)})"
    used = versions("nce-verifier", "jax", "numpy", "scipy", "python-flint", "mpmath")
    text = "\n".join(
        (
            f"command: {sys.argv}",
            f"versions: {used}, Python {platform.python_version()}, {platform.platform()}",
            "".join(traceback.format_exception(error)),
        )
    )
    try:
        handle, path = tempfile.mkstemp(prefix="nce-verifier-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(text)
    except OSError as full:
        return f"{head}; please report it (the traceback could not be kept: {full.strerror})"
    return f"{head}; please report it with the file {path}"


def conclude(
    prog: str,
    work: Callable[[], NoReturn],
    clear: Callable[[], None] = lambda: None,
    named: Callable[[str], str] = str,
) -> NoReturn:
    """Do the work of a command, and end the process as the module docstring says.

    Args:
        prog: the command, with which every line begins.
        work: ends in `Ended`, or in any error; `SystemExit` passes through.
        clear: clears the line of progress, before anything is said.
        named: what a parameter that is refused is called on the command line.
    """
    interrupt = Interrupt()
    try:
        work()
    except Ended as ended:
        status, line = ended.status, ended.line
    except SystemExit:
        raise
    except BaseException as error:
        if interrupt.asked:
            interrupt.done()
            clear()
            say(f"{prog}: interrupted")
            # all cleaning up is done; an ordinary exit may report an interrupt that an import had swallowed (status -2)
            os._exit(INTERRUPTED)
        known = foreseen(error, named)
        status, line = (UNFORESEEN, unforeseen(error)) if known is None else (USAGE, known)
    clear()
    if line:
        say(f"{prog}: {one_line(line)}")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _drop_output()
    sys.exit(status)


def _drop_output() -> None:
    """Nothing more goes to standard output: what its buffer holds would make the interpreter fail at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Interrupt:
    """Ctrl-C, remembered: an extension that is being loaded turns it into an error of its own, or prints and loses it.
    So it is raised again until `done`, and what is printed meanwhile is dropped."""

    _REPEAT_SECONDS = 2.0

    def __init__(self) -> None:
        self.asked = False
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._raise)

    def _raise(self, number: int, frame: object) -> NoReturn:
        if not self.asked:
            self.asked = True
            self._stderr = os.dup(2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            signal.signal(signal.SIGALRM, self._raise)
            signal.setitimer(signal.ITIMER_REAL, self._REPEAT_SECONDS, self._REPEAT_SECONDS)
        raise KeyboardInterrupt

    def done(self) -> None:
        """Stop raising, and speak again."""
        os.dup2(self._stderr, 2)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
