"""Training a run: epochs of steps, a checkpoint now and then, and the same result however often it is interrupted.

An epoch is `n / batch` steps (at least one). On an accelerator it is one compiled loop; on a processor each step is
compiled by itself, since XLA runs convolutions within a loop many times slower there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments.cifar import sampling
from experiments.cifar import step as steps
from experiments.cifar.checkpoints import Checkpoints
from experiments.cifar.configuration import Configuration
from experiments.cifar.draws import images_per_step
from experiments.cifar.images import Dataset
from experiments.cifar.runs import Record, Run
from experiments.cifar.sharding import Devices, devices
from experiments.cifar.step import Data, Measured, Prepared, State, prepare
from theory.class_means import cosine_matrix
from theory.float64 import jax, jnp
from theory.geometry import off_diagonal


def steps_per_epoch(configuration: Configuration, n: int) -> int:
    """How many steps are an epoch over `n` images."""
    return max(1, n // configuration.batch)


def train(
    run: Run,
    data: Dataset,
    *,
    progress: Callable[[str], None] = lambda text: None,
    until: int | float | None = None,
    checkpoint_seconds: int | float = 30.0,
) -> Record:
    """Train to the end, from the last checkpoint if there is one.

    Args:
        run: created or opened; its folder takes the log, the record and the checkpoints.
        data: the images of `run`.
        progress: called with a line of text after every epoch, on a processor after every step.
        until: stop after the epoch in which `time.monotonic()` passes this, with a checkpoint.
        checkpoint_seconds: least time between checkpoints, but for the last.

    Returns:
        The record, as written; its status is "finished", "stopped" (out of time) or "diverged": the loss was not
        finite, and the last checkpoint is from before. A run that has diverged is left as it is.

    Raises:
        InputError: if another process trains the run.
    """
    with run.locked(), Checkpoints(run.checkpoints) as checkpoints:
        return _train(run, data, checkpoints, progress, until, checkpoint_seconds)


def _train(
    run: Run,
    data: Dataset,
    checkpoints: Checkpoints,
    progress: Callable[[str], None],
    until: int | float | None,
    checkpoint_seconds: int | float,
) -> Record:
    configuration = run.configuration
    available = devices(configuration.batch)
    per_epoch = steps_per_epoch(configuration, len(data.train_labels))
    prepared = prepare(configuration, per_epoch * configuration.epochs)
    stored = run.record
    # equal configurations make equal runs: it would diverge again
    if stored is not None and stored.status == "diverged":
        return stored
    found = checkpoints.restore(prepared.state)
    done, start = found or (0, prepared.state)
    record = replace((stored if done else None) or run.blank_record(), status="running", epochs_done=done)
    run.cut_log(done)
    if done >= configuration.epochs:
        record = replace(record, status="finished")
        run.write_record(record)
        return record
    run.write_record(record)
    state = available.replicate(start)
    on_device = available.replicate(load_on_device(data))
    advance = _epoch(configuration, prepared, available, per_epoch)
    clock = _Clock(record, per_epoch * images_per_step(configuration, len(data.train_labels)))
    saved = time.monotonic()
    for epoch in range(done + 1, configuration.epochs + 1):
        where = f"epoch {epoch} of {configuration.epochs}"
        state, measured = advance(state, on_device, partial(_say, progress, where))
        loss = float(np.mean(measured.loss))
        clock.tick()
        # a last update that overflowed shows in the weights first
        if not (np.isfinite(loss) and _finite(state)):
            record = replace(record, status="diverged", wall_seconds=clock.seconds)
            run.write_record(record)
            break
        run.append_log(_line(epoch, epoch * per_epoch, loss, measured, clock))
        progress(f"{where}: loss {loss:.4f}, {clock.rate or 0:.0f} images/s")
        now = time.monotonic()
        last = epoch == configuration.epochs
        stop = not last and until is not None and now >= until
        if last or stop or now - saved >= checkpoint_seconds:
            checkpoints.save(epoch, state)
            saved = time.monotonic()
            status = "finished" if last else "stopped" if stop else "running"
            record = replace(
                record,
                status=status,
                epochs_done=epoch,
                wall_seconds=clock.seconds,
                images_per_second=clock.rate or record.images_per_second,
            )
            run.write_record(record)
        if stop:
            break
    return record


def load_on_device(data: Dataset) -> Data:
    """The training set as arrays of the device."""
    return Data(jnp.asarray(data.train_images), sampling.class_index(data.train_labels, data.C))


def _say(progress: Callable[[str], None], where: str, text: str) -> None:
    progress(where + text)


def _finite(state: State) -> bool:
    return all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(state.parameters))


Advance = Callable[[State, Data, Callable[[str], None]], tuple[State, Measured]]


def _epoch(configuration: Configuration, prepared: Prepared, available: Devices, per_epoch: int) -> Advance:
    """The function that advances the state by an epoch, and what was measured at each of its steps."""
    step = steps.make_step(configuration, prepared, available)
    if available.platform != "cpu":

        def loop(state: State, data: Data) -> tuple[State, Measured]:
            return jax.lax.scan(lambda carried, _: step(carried, data), state, None, length=per_epoch)

        compiled_loop = jax.jit(loop, donate_argnums=0)
        return lambda state, data, progress: compiled_loop(state, data)

    compiled = jax.jit(step, donate_argnums=0)

    def one_by_one(state: State, data: Data, progress: Callable[[str], None]) -> tuple[State, Measured]:
        measured = []
        for i in range(per_epoch):
            state, found = compiled(state, data)
            measured.append(jax.tree.map(np.asarray, found))
            progress(f", step {i + 1} of {per_epoch}: loss {float(found.loss):.4f}")
        return state, jax.tree.map(lambda *parts: np.stack(parts), *measured)

    return one_by_one


class _Clock:
    """Seconds of training in all, and images by the second without the first epoch, which is compiled."""

    def __init__(self, record: Record, images: int) -> None:
        self._before = record.wall_seconds
        self._begun = self._last = time.monotonic()
        self._images = images
        self._after_first: float | None = None
        self._epochs = 0
        self.epoch_seconds = 0.0

    def tick(self) -> None:
        """An epoch is over."""
        now = time.monotonic()
        self.epoch_seconds, self._last = now - self._last, now
        if self._after_first is None:
            self._after_first = now
        else:
            self._epochs += 1

    @property
    def seconds(self) -> float:
        """Since the run began, the times between its parts left out."""
        return round(self._before + time.monotonic() - self._begun, 3)

    @property
    def rate(self) -> float | None:
        """Images by the second."""
        if self._after_first is None or not self._epochs:
            return None
        return round(self._epochs * self._images / (self._last - self._after_first), 1)


def _line(epoch: int, step: int, loss: float, measured: Measured, clock: _Clock) -> dict[str, Any]:
    """What is logged of an epoch. The cosines are those of the means of the embeddings as they were met in training,
    augmented, and by a network that changed meanwhile: a curve to watch, for `evaluate` measures."""
    sums, counts = (np.asarray(part, np.float64).sum(axis=0) for part in (measured.sums, measured.counts))
    means: Float[np.ndarray, "C d"] = sums / np.maximum(counts, 1)[:, None]
    met = bool(np.all(counts > 0))
    cosines = off_diagonal(cosine_matrix(means)) if met else np.array([np.nan])
    return {
        "epoch": epoch,
        "step": step,
        "loss": loss,
        "cosines": {"min": cosines.min(), "mean": cosines.mean(), "max": cosines.max()},
        "mean_norm": float(np.mean(np.linalg.norm(means, axis=1))),
        "seconds": round(clock.epoch_seconds, 3),
    }
