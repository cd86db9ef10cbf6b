"""The folder of a run: what was asked for, what happened, and what came out.

`config.json` is the `Configuration`; `record.json` the `Record`; `log.jsonl` has one line an epoch; `checkpoints/` the
state; `metrics.json` what `evaluate` measured; `lock` is held by the process that trains.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cifar.configuration import Configuration
from experiments.cifar.dataset import load
from experiments.cifar.images import Dataset
from theory.errors import InputError
from verify import files
from verify.files import MAX_JSON, as_object, read_bytes, read_json
from verify.results import as_json, versions

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float, UInt8

    from experiments.cifar.step import Prepared, State

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_CHUNK = 1000


@dataclass(frozen=True)
class Record:
    """What happened to a run.

    Attributes:
        status: "running", "stopped" (interrupted, or out of time), "diverged" or "finished".
        device: on what it ran, in words.
        wall_seconds: of training, over all times that it was resumed.
        images_per_second: images that went forward and backward, by the second, the first epoch of each time left out.
        negatives: what is true of the negatives (`negatives.STATEMENTS`).
        command: repeats the run; the places of images and run are left out.
        determinism: how far a repetition gives the same numbers.
    """

    status: str
    epochs_done: int
    wall_seconds: float
    images_per_second: float | None
    device: str
    devices: int
    versions: dict[str, str]
    negatives: str
    command: str
    determinism: str = ""


def device_in_words() -> tuple[str, int]:
    """The devices that JAX sees, and their number."""
    from theory.float64 import jax

    found = jax.devices()
    if found[0].platform == "cpu":
        return f"{os.cpu_count()} cores, {platform.machine()}", len(found)
    return str(found[0].device_kind), len(found)


def determinism_in_words() -> str:
    """How far a repetition on the same kind and number of devices gives the same numbers.

    All draws come from the seed. On a processor XLA sums in a fixed order; on an accelerator it chooses among kernels
    by timing them, and some add in the order in which they end, unless it is told not to.
    """
    from theory.float64 import jax

    if jax.default_backend() == "cpu":
        return "bit for bit on the same processor and versions, however often it is interrupted"
    if "--xla_gpu_deterministic_ops=true" in os.environ.get("XLA_FLAGS", ""):
        return "bit for bit on the same device and versions (XLA was told to be deterministic)"
    return "the same draws, but sums in an order that may differ (XLA_FLAGS=--xla_gpu_deterministic_ops=true fixes it)"


class Run:
    """One run, in its folder."""

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        self.folder = folder
        self.configuration = configuration

    @classmethod
    def create(cls, folder: Path, configuration: Configuration) -> Run:
        """A new run in a folder that does not exist, or holds at most what a process left that was killed at once.

        Raises:
            InputError: if something is there already.
        """
        if folder.exists() and (not folder.is_dir() or not all(map(_is_leftover, folder.iterdir()))):
            raise InputError("out", folder, "something is there already; give --resume, or another folder")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(configuration.as_json(), folder / "config.json")
        return cls(folder, configuration)

    @classmethod
    def open(cls, folder: Path) -> Run:
        """A run that is there.

        Raises:
            InputError: if it is not.
        """
        return cls(folder, Configuration.from_json(read_json(folder / "config.json", "run")))

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.folder / "checkpoints"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else trains this run meanwhile; a process that dies holds no lock.

        Raises:
            InputError: if another process trains it.
        """
        with (self.folder / "lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError("out", self.folder, "another process trains this run") from None
            yield

    @property
    def record(self) -> Record | None:
        """What `record.json` holds, or None."""
        path = self.folder / "record.json"
        if not path.is_file():
            return None
        try:
            return Record(**read_json(path, "run"))
        except TypeError:
            raise InputError("run", path, "accepted: the record of a run of this version") from None

    def write_record(self, record: Record) -> None:
        """Replace `record.json`."""
        write_json(as_json(record), self.folder / "record.json")

    def blank_record(self) -> Record:
        """The record of a run that begins here and now."""
        from experiments.cifar.negatives import STATEMENTS

        device, count = device_in_words()
        negatives = STATEMENTS[self.configuration.negatives]
        command = f"python -m experiments.cifar train {' '.join(self.configuration.as_options())}"
        made = versions(*PACKAGES)
        return Record("running", 0, 0.0, None, device, count, made, negatives, command, determinism_in_words())

    def log(self) -> list[dict[str, Any]]:
        """The lines of `log.jsonl`; one that was not written to its end is left out.

        Raises:
            InputError: if it is damaged.
        """
        path = self.folder / "log.jsonl"
        lines = read_bytes(path, "run", most=MAX_JSON).split(b"\n")[:-1] if path.is_file() else []
        found = [as_object(line, path, "run") for line in lines]
        if not all(isinstance(line.get("epoch"), int) for line in found):
            raise InputError("run", path, "it is damaged")
        return found

    def append_log(self, line: dict[str, Any]) -> None:
        """Add a line."""
        with (self.folder / "log.jsonl").open("a") as stream:
            stream.write(json.dumps(as_json(line), allow_nan=False) + "\n")

    def cut_log(self, epochs: int) -> None:
        """Drop what was logged after so many epochs."""
        kept = [json.dumps(line) + "\n" for line in self.log() if line["epoch"] <= epochs]
        files.write(self.folder / "log.jsonl", "".join(kept).encode())

    def dataset(self, place: Path | None) -> Dataset:
        """The images of the run; `place` is the folder or archive with CIFAR.

        Raises:
            InputError: if they cannot be read, or the files say that they are of another origin.
        """
        c = self.configuration
        generated = c.dataset == "standin"
        found = load(
            c.dataset,
            None if generated else place,
            classes=c.classes,
            imbalance=c.imbalance,
            majority=c.majority,
            per_class=c.per_class,
            seed=c.data_seed,
            size=c.size,
        )
        return found if generated else replace(found, provenance=c.provenance)

    @cached_property
    def state(self) -> State:
        """The state of the last checkpoint.

        Raises:
            InputError: if there is none.
        """
        from experiments.cifar.checkpoints import Checkpoints

        with Checkpoints(self.checkpoints) as checkpoints:
            found = checkpoints.restore(self._prepared.state)
        if found is None:
            raise InputError("run", self.folder, "it has no checkpoint; train it first")
        return found[1]

    def features(
        self, images: UInt8[np.ndarray, "n H W 3"]
    ) -> tuple[Float[np.ndarray, "n channels"], Float[np.ndarray, "n d"]]:
        """Features and unit-norm embeddings of images as they are, the network frozen: float64 copies of its float32.

        Batch normalization uses the running statistics, so that an image's row depends on that image alone.
        """
        import numpy as np

        from theory.float64 import jnp

        # one shape, so that one compilation serves all
        rows = []
        for begin in range(0, len(images), _CHUNK):
            chunk = images[begin : begin + _CHUNK]
            padding = np.zeros((_CHUNK - len(chunk), *chunk.shape[1:]), np.uint8)
            batch = jnp.asarray(np.concatenate([chunk, padding]))
            made = _frozen()(self._prepared.structure, self.state.parameters, self.state.statistics, batch)
            rows.append([np.asarray(part, np.float64)[: len(chunk)] for part in made])
        features, embeddings = (np.concatenate(parts) for parts in zip(*rows, strict=True))
        return features, embeddings

    @cached_property
    def _prepared(self) -> Prepared:
        from experiments.cifar.step import prepare

        return prepare(self.configuration, 1)

    def fingerprint(self) -> str:
        """sha256 of all weights and running statistics: equal before and after what must not change them."""
        import numpy as np

        from theory.float64 import jax

        digest = hashlib.sha256()
        for leaf in jax.tree.leaves((self.state.parameters, self.state.statistics)):
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()


@cache
def _frozen() -> Callable[..., Any]:
    """Features and embeddings of images as they are, compiled once for all runs whose networks are alike."""
    from functools import partial

    from flax import nnx

    from experiments.cifar.augmentation import augment
    from theory.float64 import jax

    @partial(jax.jit, static_argnums=0)
    def embed(structure: Any, parameters: Any, statistics: Any, batch: Any) -> Any:
        encoder = nnx.merge(structure, parameters, statistics)
        return encoder(augment(batch, "none", jax.random.key(0)), training=False)

    return embed


def write_json(value: Any, path: Path) -> None:
    """Write a file of JSON, all of it or nothing."""
    files.write(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def _is_leftover(path: Path) -> bool:
    return path.name == "lock" or path.suffix in {".part", ".tmp"}
