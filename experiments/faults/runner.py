"""Command lines in forks of a process that has its imports behind it: thousands are cheap, and each is alone.

JAX begins its threads with its first computation, which is in the fork.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, NamedTuple, NoReturn


class Ran(NamedTuple):
    """How a command line ended.

    Attributes:
        status: its exit status, or minus the signal that killed it; None if it was stopped, since its time was up.
        gigabytes: the most memory that it held, that of the imports included.
        silent_seconds: the longest time without a word on standard error (or an end).
        left: names in the folder that were not there before.
    """

    words: list[str]
    status: int | None
    out: str
    err: str
    seconds: float
    gigabytes: float
    silent_seconds: float
    left: list[str]


def warm() -> None:
    """Import what commands need; nothing is computed."""
    import flint  # noqa: F401
    import matplotlib  # noqa: F401
    import scipy.optimize  # noqa: F401

    import verify.certify
    import verify.collapse
    import verify.optimize.search
    import verify.supervised.batched
    import verify.supervised.bracket  # noqa: F401


def run(
    words: Sequence[str], main: Callable[[list[str]], NoReturn], prepare: Callable[[Path], None], limit: int
) -> Ran:
    """Run `main(words)` in a fork, in a folder of its own that `prepare` fills, for at most `limit` seconds."""
    folder = Path(tempfile.mkdtemp(prefix="nce-faults-"))
    try:
        prepare(folder)
        before = set(os.listdir(folder))
        out, err = (tempfile.TemporaryFile() for _ in range(2))  # noqa: SIM115
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            _become(main, list(words), folder, out.fileno(), err.fileno())
        heard, said, silent, stopped = begun, 0, 0.0, False
        while True:
            ended, raw, usage = os.wait4(child, os.WNOHANG)
            now = time.monotonic()
            if (size := os.fstat(err.fileno()).st_size) != said or ended:
                heard, said, silent = now, size, max(silent, now - heard)
            if ended:
                break
            if now - begun > limit:
                os.kill(child, signal.SIGKILL)
                _, raw, usage = os.wait4(child, 0)
                silent = max(silent, now - heard)
                stopped = True
                break
            time.sleep(0.002)
        texts = [_text(stream) for stream in (out, err)]
        left = sorted(set(os.listdir(folder)) - before)
        status = None if stopped else os.waitstatus_to_exitcode(raw)
        return Ran(list(words), status, texts[0], texts[1], now - begun, usage.ru_maxrss / 2**20, silent, left)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    with stream:
        return stream.read().decode(errors="backslashreplace")


def _become(main: Callable[[list[str]], NoReturn], words: list[str], folder: Path, out: int, err: int) -> NoReturn:
    """The child: its own streams and folder, and an end that the parent's code does not see."""
    status = 71
    try:
        os.chdir(folder)
        for target, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, out), (2, err)):
            os.dup2(source, target)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        # a mistake of the program must not take the machine with it
        resource.setrlimit(resource.RLIMIT_AS, (64 << 30, 64 << 30))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))
        sys.argv = ["nce-verifier", *words]
        try:
            main(words)
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1 if stop.code else 0
        except BaseException:
            import traceback

            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
