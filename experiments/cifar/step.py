"""One training step, a pure function of the state: draw, augment, embed, loss, gradient, update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import optax
from flax import nnx
from jaxtyping import Float, Int32, PRNGKeyArray, UInt8

from experiments.cifar import sampling
from experiments.cifar.augmentation import augment
from experiments.cifar.configuration import Configuration
from experiments.cifar.draws import each_draw, each_image, embeds_each_image_once
from experiments.cifar.nce import nce_loss
from experiments.cifar.negatives import further_images
from experiments.cifar.network import build
from experiments.cifar.sampling import ClassIndex
from experiments.cifar.sharding import Devices
from theory.float64 import jax, jnp

# nnx's own types are generic over deprecated ones, at which the type checker of the tests takes offence
Tree: TypeAlias = Any
Structure: TypeAlias = Any


class State(NamedTuple):
    """All that training changes.

    Attributes:
        parameters, statistics: the network's weights and running statistics.
        optimizer: the optimizer's state.
        key: of the run; step `t` draws from `fold_in(key, t)`, so that a resumed run draws what it would have drawn.
        step: steps done.
    """

    parameters: Tree
    statistics: Tree
    optimizer: optax.OptState
    key: PRNGKeyArray
    step: Int32[jax.Array, ""]


class Data(NamedTuple):
    """The training set on the device."""

    images: UInt8[jax.Array, "n H W 3"]
    classes: ClassIndex


class Measured(NamedTuple):
    """What a step reports: its loss, and by class the sum of the anchors' embeddings and their number."""

    loss: Float[jax.Array, ""]
    sums: Float[jax.Array, "C d"]
    counts: Float[jax.Array, " C"]


def inverse_temperature(configuration: Configuration, steps: int) -> optax.Schedule:
    """`1 / temperature` over the steps: linear from its initial value, and constant from the middle on."""
    first = float(1 / configuration.initial_temperature)
    return optax.linear_schedule(first, configuration.beta, max(1, steps // 2))


Step = Callable[[State, Data], tuple[State, Measured]]


def schedule(configuration: Configuration, steps: int) -> optax.Schedule:
    """The learning rate: linear warm-up over the first 5 %, then half a cosine to 0."""
    return optax.warmup_cosine_decay_schedule(0.0, configuration.learning_rate, max(1, steps // 20), max(2, steps))


def optimizer(configuration: Configuration, steps: int) -> optax.GradientTransformation:
    """AdamW, or SGD with Nesterov momentum 0.9; matrices and kernels decay, biases and normalizations do not."""
    rate = schedule(configuration, steps)

    def decays(parameters: Any) -> Any:
        return jax.tree.map(lambda p: p.ndim > 1, parameters)

    if configuration.optimizer == "adamw":
        return optax.adamw(rate, weight_decay=configuration.weight_decay, mask=decays)
    return optax.chain(
        optax.add_decayed_weights(configuration.weight_decay, mask=decays), optax.sgd(rate, momentum=0.9, nesterov=True)
    )


@dataclass(frozen=True)
class Prepared:
    """A configuration made ready: the network's structure, the optimizer, and the state before the first step.

    Attributes:
        steps: of the whole run.
    """

    structure: Structure
    optimizer: optax.GradientTransformation
    state: State
    steps: int


def prepare(configuration: Configuration, steps: int) -> Prepared:
    """The start of a run of so many steps, on which the shape of its state does not depend."""
    made = optimizer(configuration, steps)
    structure, parameters, statistics = nnx.split(build(configuration), nnx.Param, nnx.BatchStat)  # type: ignore[misc]
    key = jax.random.key(configuration.seed)
    state = State(parameters, statistics, made.init(parameters), key, jnp.int32(0))
    return Prepared(structure, made, state, steps)


def make_step(configuration: Configuration, prepared: Prepared, devices: Devices) -> Step:
    """The step of this configuration, to be compiled by the caller."""
    made = prepared.optimizer
    betas = inverse_temperature(configuration, prepared.steps)
    embed = make_embed(prepared.structure)
    B = configuration.batch
    further = further_images(configuration.k, B, configuration.negatives)

    def pictures(data: Data, chosen: Int32[jax.Array, " n"], key: PRNGKeyArray) -> Float[jax.Array, "n H W 3"]:
        return augment(data.images[devices.split(chosen)], configuration.augmentation, key)

    def loss(
        parameters: Tree, statistics: Tree, data: Data, key: PRNGKeyArray, beta: Float[jax.Array, ""]
    ) -> tuple[Float[jax.Array, ""], tuple[Tree, Float[jax.Array, "B d"], Int32[jax.Array, " B"]]]:
        keys = jax.random.split(key, 5)
        anchors = sampling.images(data.classes, B, keys[0])
        positives = _positives(configuration, data.classes, anchors, keys[1])
        drawn = jnp.concatenate([anchors, positives, sampling.images(data.classes, further, keys[3])])

        def embed_places(chosen: Int32[jax.Array, " n"], how: PRNGKeyArray) -> tuple[Float[jax.Array, "n d"], Tree]:
            return embed(parameters, statistics, pictures(data, chosen, how))

        n = data.images.shape[0]
        if embeds_each_image_once(configuration, n):
            embeddings, updated = each_image(embed_places, drawn, keys[2], images=n, devices=devices)
        else:
            embeddings, updated = each_draw(embed_places, drawn, keys[2], batch=B, devices=devices)
        value = nce_loss(
            embeddings[:B],
            embeddings[B : 2 * B],
            embeddings[2 * B :],
            k=configuration.k,
            beta=beta,
            negatives=configuration.negatives,
            key=keys[4],
        )
        return value, (updated, embeddings[:B], anchors)

    def step(state: State, data: Data) -> tuple[State, Measured]:
        key = jax.random.fold_in(state.key, state.step)
        (value, (statistics, embeddings, anchors)), gradient = jax.value_and_grad(loss, has_aux=True)(
            state.parameters, state.statistics, data, key, jnp.float32(betas(state.step))
        )
        updates, optimizer_state = made.update(gradient, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        C = data.classes.counts.shape[0]
        # a product, not a scatter: its order of summation is fixed on every device
        member = jax.nn.one_hot(data.classes.labels[anchors], C, dtype=jnp.float32)
        measured = Measured(value, member.T @ embeddings, jnp.sum(member, axis=0))
        return State(parameters, statistics, optimizer_state, state.key, state.step + 1), measured

    return step


def _positives(
    configuration: Configuration, classes: ClassIndex, anchors: Int32[jax.Array, " B"], key: PRNGKeyArray
) -> Int32[jax.Array, " B"]:
    """The image of each positive (`Configuration.positives`)."""
    if configuration.positives == "augment":
        return anchors
    if configuration.positives == "mixed" and configuration.overlap is not None:
        return sampling.mixed(classes, anchors, float(configuration.overlap), key)
    return sampling.classmates(classes, anchors, key)


def make_embed(
    structure: Structure,
) -> Callable[..., tuple[Float[jax.Array, "n d"], Tree]]:
    """Embeddings in training mode, and the running statistics afterwards."""

    def embed(
        parameters: Tree, statistics: Tree, batch: Float[jax.Array, "n H W 3"]
    ) -> tuple[Float[jax.Array, "n d"], Tree]:
        encoder = nnx.merge(structure, parameters, statistics, copy=True)
        _, embeddings = encoder(batch, training=True)
        return embeddings, nnx.state(encoder, nnx.BatchStat)

    return embed
