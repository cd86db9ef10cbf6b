"""How far a long computation is, on standard error."""

from __future__ import annotations

import sys
import threading
import time

from theory.errors import one_line
from verify.cli.ending import say


class Progress:
    """A line on a terminal that is written over as the work goes on, with the seconds once there are some; elsewhere a
    line now and then, so that a log shows that the work goes on and is otherwise left alone."""

    #: Seconds before the first sign of life and between two, on a terminal and elsewhere.
    TERMINAL = (1.0, 1.0)
    ELSEWHERE = (30.0, 30.0)

    def __init__(self, prog: str = "") -> None:
        self._prog, self._text = prog, ""
        try:
            self._terminal = sys.stderr.isatty()
        except ValueError:
            self._terminal = False
        self._begun = time.monotonic()
        self._ended = threading.Event()
        # one writes at a time, and nobody after the end
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        with self._lock:
            self._text = one_line(text)
            if self._terminal and not self._ended.is_set():
                say(f"\r\x1b[K{self._text}", end="")

    def begin(self) -> None:
        """From now on show signs of life, whether or not there is anything to say."""
        threading.Thread(target=self._live, daemon=True).start()

    def _live(self) -> None:
        first, every = self.TERMINAL if self._terminal else self.ELSEWHERE
        wait = first
        while not self._ended.wait(wait):
            wait = every
            seconds = round(time.monotonic() - self._begun)
            with self._lock:
                if self._ended.is_set():
                    return
                if self._terminal:
                    say(f"\r\x1b[K{self._text or 'at work'} ({seconds} s)", end="")
                else:
                    say(f"{self._prog}: at work for {seconds} s{': ' if self._text else ''}{self._text}")

    def done(self) -> None:
        """Clear the line; nothing more is shown."""
        with self._lock:
            if not self._ended.is_set():
                self._ended.set()
                if self._terminal:
                    say("\r\x1b[K", end="")
