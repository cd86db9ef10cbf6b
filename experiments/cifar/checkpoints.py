"""Checkpoints: the complete state of a run, written whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp

from experiments.cifar.step import State
from theory.errors import InputError
from theory.float64 import jax

_KEPT = 2


class Checkpoints:
    """The checkpoints in a folder, by epoch; the last two are kept.

    Orbax writes each into a temporary folder and renames it, so that a process that is killed leaves the one before.
    Arrays are stored as the host sees them: a run may be resumed on another number of devices.
    """

    def __init__(self, folder: Path) -> None:
        # orbax reports every step of its work
        logging.getLogger("absl").setLevel(logging.ERROR)
        folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=_KEPT, enable_async_checkpointing=False, cleanup_tmp_directories=True
        )
        self.folder = folder
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *exception: object) -> None:
        self._manager.close()

    def save(self, epoch: int, state: State) -> None:
        """Write the state after `epoch` epochs, in place of a checkpoint of that epoch that was damaged."""
        if epoch in self._manager.all_steps():
            self._manager.delete(epoch)
        self._manager.save(epoch, args=ocp.args.StandardSave(_as_host(state)))
        self._manager.wait_until_finished()

    def restore(self, like: State) -> tuple[int, State] | None:
        """The last checkpoint that can be read, and its epoch; None if there is no checkpoint.

        Args:
            like: has its structure, shapes and types.

        Raises:
            InputError: if none of them can be read, or they belong to another network.
        """
        reason = ""
        for epoch in sorted(self._manager.all_steps(), reverse=True):
            try:
                found = self._manager.restore(epoch, args=ocp.args.StandardRestore(_as_host(like)))
            # orbax raises errors of many kinds, and of its own, over files that are damaged
            except Exception as error:
                reason = reason or f"{type(error).__name__} {error}".splitlines()[0][:200]
                continue
            leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(found)]
            state: State = jax.tree.unflatten(jax.tree.structure(like), leaves)
            return int(epoch), state._replace(key=jax.random.wrap_key_data(jax.numpy.asarray(state.key)))
        if reason:
            raise InputError("run", self.folder, f"no checkpoint of it can be restored: {reason}")
        return None


def _as_host(state: State) -> dict[str, Any]:
    """The leaves by number, as arrays of the host: plain names survive any change of the libraries' state classes."""
    plain = state._replace(key=jax.random.key_data(state.key))
    leaves = jax.tree.leaves(plain)
    return {f"{i:04d}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
