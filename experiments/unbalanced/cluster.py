"""The batches of a map on a Dask cluster (extra `cluster`); the store stays with the process that sweeps.

A worker that dies loses nothing: the scheduler gives its batches to others, and the store takes the first result of a
batch only. Rows of two versions of this program must not mix, so every batch is solved only where the sources and the
numerical packages are those of the process that asks.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from experiments.unbalanced.workers import Workers
from theory.errors import InputError
from verify.results import versions

T = TypeVar("T")
_PACKAGES = ("theory", "verify", "experiments")
#: Batches in flight for each thread of the workers: none waits for this process.
_AHEAD = 2


class OtherVersion(Exception):
    """A worker that runs another version; the message says where and which."""


@functools.cache
def fingerprint() -> dict[str, str]:
    """All that the last digits of a row depend on: a digest of the sources here, and the numerical packages."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(file for package in _PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return versions("jax", "jaxlib", "numpy", "scipy") | {"sources": digest.hexdigest()[:12]}


def differences(here: dict[str, str], there: dict[str, str]) -> str:
    """What a worker has otherwise, in words; empty if nothing."""
    return ", ".join(
        f"{name} {there.get(name)} instead of {here[name]}" for name in here if there.get(name) != here[name]
    )


def run_checked(expected: dict[str, str], fn: Callable[..., T], *args: Any) -> T:
    """Run on a worker, unless it is another version.

    Raises:
        OtherVersion: if it is.
    """
    if other := differences(expected, fingerprint()):
        from distributed import get_worker

        raise OtherVersion(f"the worker {get_worker().address} has {other}")
    return fn(*args)


class _Checked(Executor):
    """Submits to a Dask client what `run_checked` guards."""

    def __init__(self, client: Any) -> None:
        # a task is not named by its arguments: another process at the same scheduler must not share it
        self._inner: Executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return self._inner.submit(run_checked, fingerprint(), functools.partial(fn, **kwargs), *args)


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The workers of a scheduler, as many as there are at each moment.

    Raises:
        InputError: if the package is missing, the scheduler cannot be reached or is lost, or a worker is of another
            version, or dies again and again of the same batch.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise InputError("scheduler", address, "this needs Dask: pip install 'nce-verifier[cluster]'") from None
    # this program says itself, in one line, what went wrong; the loops beneath may find a connection gone, too
    for name in ("distributed", "distributed.client", "tornado.application", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client: Any = Client(address, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError("scheduler", address, f"no scheduler answers there ({reason[:120]})") from None
    try:
        with client:
            _check(client, address)
            yield Workers(_Checked(client), lambda: max(1, _AHEAD * sum(client.nthreads().values())))
    except OtherVersion as error:
        raise InputError("scheduler", address, f"{error}; install the same version everywhere") from None
    except KilledWorker as error:
        raise InputError("scheduler", address, f"workers die of a batch ({str(error)[:120]})") from None
    except (CancelledError, OSError) as error:
        if not isinstance(error, CancelledError) and client.status == "running":
            raise
        raise InputError("scheduler", address, "the scheduler is gone; run again to go on") from None


def _check(client: Any, address: str) -> None:
    """Ask the workers that are there for their versions, and wait for the first."""
    if not client.nthreads():
        print(f"no workers at {address} yet: waiting", file=sys.stderr, flush=True)
        client.wait_for_workers(1)
    for worker, there in client.run(fingerprint, on_error="return").items():
        if isinstance(there, OSError):
            continue  # it was lost meanwhile: that says nothing of its version, and every batch is checked again
        if not isinstance(there, dict):
            raise OtherVersion(f"the worker {worker} cannot run this program ({str(there).splitlines()[0][:120]})")
        if other := differences(fingerprint(), there):
            raise OtherVersion(f"the worker {worker} has {other}")
