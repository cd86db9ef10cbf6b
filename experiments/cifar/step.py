"""One training step, a pure function of the state: draw, augment, embed, loss, gradient, update."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import optax
from flax import nnx
from jaxtyping import Float, Int32, Key, PRNGKeyArray, UInt8

from experiments.cifar import sampling
from experiments.cifar.augmentation import augment
from experiments.cifar.configuration import Configuration
from experiments.cifar.nce import nce_loss
from experiments.cifar.negatives import further_draws
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
    draws = further_draws(configuration.k, configuration.batch, configuration.negatives)
    B = configuration.batch

    def pictures(data: Data, chosen: Int32[jax.Array, " n"], key: PRNGKeyArray) -> Float[jax.Array, "n H W 3"]:
        return augment(data.images[devices.split(chosen)], configuration.augmentation, key)

    def loss(
        parameters: Tree, statistics: Tree, data: Data, key: PRNGKeyArray, beta: Float[jax.Array, ""]
    ) -> tuple[Float[jax.Array, ""], tuple[Tree, Float[jax.Array, "B d"], Int32[jax.Array, " B"]]]:
        keys = jax.random.split(key, 5)
        anchors = sampling.images(data.classes, B, keys[0])
        alike = configuration.positives == "augment"
        positives = anchors if alike else sampling.classmates(data.classes, anchors, keys[1])
        batch = pictures(data, jnp.concatenate([anchors, positives]), keys[2])
        embeddings, updated = embed(parameters, statistics, batch)

        # the images of a further draw are embedded by themselves, and once more in the backward pass, so that
        # memory does not grow with k
        @jax.checkpoint
        def draw(key: PRNGKeyArray) -> Float[jax.Array, "B d"]:
            which, how = jax.random.split(key)
            return embed(parameters, statistics, pictures(data, sampling.images(data.classes, B, which), how))[0]

        drawn = _all(draw, jax.random.split(keys[3], draws), devices.platform != "cpu") if draws else embeddings[:0]
        value = nce_loss(
            embeddings[:B],
            embeddings[B:],
            drawn,
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


def _all(draw: Callable[..., Any], keys: Key[jax.Array, " draws"], compiled_loop: bool) -> Float[jax.Array, "E d"]:
    """The embeddings of all further draws, one after the other."""
    if compiled_loop:
        drawn = jax.lax.map(draw, keys)
        return drawn.reshape(-1, drawn.shape[-1])
    # XLA runs convolutions within a loop many times slower on a processor
    return jnp.concatenate([draw(keys[i]) for i in range(keys.shape[0])])
