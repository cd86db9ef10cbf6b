"""How fast training is, and where the time goes: a bare forward and backward pass, with the loss, and a whole step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.cifar import step as steps
from experiments.cifar.configuration import Configuration
from experiments.cifar.draws import images_per_step
from experiments.cifar.images import Dataset
from experiments.cifar.nce import nce_loss
from experiments.cifar.sharding import devices
from experiments.cifar.step import prepare
from experiments.cifar.training import load_on_device
from theory.float64 import jax, jnp

#: Dense bf16 operations by the second of one device, from NVIDIA's data sheets (SXM).
PEAK_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12}


@dataclass(frozen=True)
class Throughput:
    """Medians over repetitions, which take turns.

    Attributes:
        bare_seconds: forward and backward pass over the images of a step, with a sum as the loss.
        loss_seconds: the same with the NCE loss, and the sums by class from which the log's geometry is made.
        step_seconds: a whole step: drawing and augmenting images and updating the weights too.
        loss_overhead: `loss_seconds / bare_seconds - 1`.
        images_per_second: of whole steps.
        flops_per_image: of the bare pass as the compiler counts them (a product and a sum are two), or None.
        share_of_peak: of the device's bf16 peak that whole steps use, or None where it is not known.
    """

    images: int
    bare_seconds: float
    loss_seconds: float
    step_seconds: float
    loss_overhead: float
    images_per_second: float
    flops_per_image: float | None
    share_of_peak: float | None


def measure(
    configuration: Configuration,
    data: Dataset,
    *,
    repetitions: int = 20,
    progress: Callable[[str], None] = lambda text: None,
) -> Throughput:
    """Time the parts of a step of this configuration. Further images are left out of `bare` and `loss` alike."""
    available = devices(configuration.batch)
    prepared = prepare(configuration, 1000)
    on_device = available.replicate(load_on_device(data))
    B, C = configuration.batch, data.C
    embed = steps.make_embed(prepared.structure)
    batch = jax.random.uniform(jax.random.key(0), (2 * B, *data.train_images.shape[1:]), jnp.float32)
    labels = jnp.arange(B, dtype=jnp.int32) % C

    def bare(parameters: Any, statistics: Any, batch: jax.Array) -> jax.Array:
        return jnp.sum(embed(parameters, statistics, available.split(batch))[0])

    def with_loss(parameters: Any, statistics: Any, batch: jax.Array) -> tuple[jax.Array, Any]:
        found, _ = embed(parameters, statistics, available.split(batch))
        k = min(configuration.k, B - 1)
        loss = nce_loss(
            found[:B],
            found[B:],
            found[:0],
            k=k,
            beta=configuration.beta,
            negatives=configuration.negatives,
            key=jax.random.key(1),
        )
        return loss, jax.nn.one_hot(labels, C, dtype=jnp.float32).T @ found[:B]

    step = steps.make_step(configuration, prepared, available)
    state = available.replicate(prepared.state)
    weights = (state.parameters, state.statistics, batch)
    compiled = {
        "bare": jax.jit(jax.value_and_grad(bare)).lower(*weights).compile(),
        "loss": jax.jit(jax.value_and_grad(with_loss, has_aux=True)).lower(*weights).compile(),
        "step": jax.jit(step).lower(state, on_device).compile(),
    }
    arguments = {"bare": weights, "loss": weights, "step": (state, on_device)}
    seconds: dict[str, list[float]] = {name: [] for name in compiled}
    for i in range(repetitions + 1):
        for name, function in compiled.items():
            begun = time.perf_counter()
            jax.block_until_ready(function(*arguments[name]))  # type: ignore[no-untyped-call]
            if i:  # the first warms up
                seconds[name].append(time.perf_counter() - begun)
        progress(f"repetition {i} of {repetitions}")
    median = {name: float(np.median(times)) for name, times in seconds.items()}
    # ratios of neighbours in time: what else the machine does hits both
    overhead = float(np.median(np.array(seconds["loss"]) / np.array(seconds["bare"]))) - 1
    counted = (compiled["bare"].cost_analysis() or {}).get("flops")
    flops = None if not counted else float(counted) / (2 * B)
    rate = images_per_step(configuration, len(data.train_labels)) / median["step"]
    kind = str(jax.devices()[0].device_kind)
    peak = next((peak for name, peak in PEAK_BF16.items() if name in kind), None)
    share = None if peak is None or flops is None else rate * flops / (peak * available.count)
    return Throughput(2 * B, median["bare"], median["loss"], median["step"], overhead, rate, flops, share)
