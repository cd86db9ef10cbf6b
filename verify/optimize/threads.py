"""Threads of BLAS: small matrices are decomposed by one.

With more, each of thousands of calls waits for all threads: a fiftyfold loss where another program holds one core
(measured at C = 100 on two), and at best a small gain.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

#: Up to this size one thread is about as fast as two on an idle machine.
SMALL = 256


def small_matrices(C: int) -> AbstractContextManager[object]:
    """A context in which BLAS takes one thread if matrices C x C are small, and what it likes otherwise."""
    return _controller().limit(limits=1, user_api="blas") if C <= SMALL else nullcontext()


@cache
def _controller() -> ThreadpoolController:
    # looking for the libraries that are loaded takes a millisecond
    return ThreadpoolController()
