"""Data parallelism: every device holds the weights and the images, and embeds its share of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theory.errors import InputError
from theory.float64 import jax


@dataclass(frozen=True)
class Devices:
    """The devices of a run, as a mesh with the one axis "data"."""

    mesh: jax.sharding.Mesh

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.mesh.size)

    @property
    def platform(self) -> str:
        """ "cpu", "gpu" or "tpu"."""
        return str(self.mesh.devices.flat[0].platform)

    def replicate(self, tree: Any) -> Any:
        """The arrays of a tree, whole on every device."""
        return jax.device_put(tree, self._sharding())

    def split(self, batch: jax.Array) -> jax.Array:
        """Within a compiled function: the rows of a batch shared out among the devices.

        The compiler derives all else: what is said of a whole batch (its statistics, its pairwise products, the mean
        loss) is computed over all devices, so that the numbers are those of one device up to rounding.
        """
        if self.count == 1:
            return batch
        return jax.lax.with_sharding_constraint(batch, self._sharding("data"))  # type: ignore[no-untyped-call]

    def rounded_up(self, n: int) -> int:
        """The least multiple of the number of devices that is at least `n`."""
        return -(-n // self.count) * self.count

    def _sharding(self, *axes: str) -> jax.sharding.NamedSharding:
        return jax.sharding.NamedSharding(self.mesh, jax.sharding.PartitionSpec(*axes))  # type: ignore[no-untyped-call]


def devices(batch: int) -> Devices:
    """All visible devices of the default platform.

    Raises:
        InputError: if the batch cannot be shared out evenly.
    """
    visible = jax.devices()
    if batch % len(visible):
        raise InputError("batch", batch, f"accepted: a multiple of {len(visible)}, the number of devices")
    return Devices(jax.make_mesh((len(visible),), ("data",), axis_types=(jax.sharding.AxisType.Auto,)))
