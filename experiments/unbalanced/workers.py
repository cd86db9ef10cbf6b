"""Where the batches of a map are solved: in this process, or on the cores of this machine (`cluster`: on others)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Workers(NamedTuple):
    """An executor, and how many batches should be in flight at the moment."""

    pool: Executor
    capacity: Callable[[], int]


class InProcess(Executor):
    """An executor that computes at once, in the calling process."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


#: This process alone.
HERE = Workers(InProcess(), lambda: 1)


@contextmanager
def local(jobs: int) -> Iterator[Workers]:
    """`jobs` processes on this machine; none but this one for `jobs = 1`."""
    if jobs == 1:
        yield HERE
    else:
        # forking a process in which JAX has started threads may hang
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker) as pool:
            try:
                yield Workers(pool, lambda: jobs + 1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _begin_worker() -> None:
    """Ctrl-C is for the parent; and when the parent is gone, however it went, so is the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
