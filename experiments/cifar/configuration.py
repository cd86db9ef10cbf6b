"""What a training run is, completely: equal configurations make equal runs (on one kind of device)."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, get_args

from theory.errors import InputError
from theory.problem import check_temperature
from verify.results import as_json

Positives = Literal["class", "augment", "mixed"]
Negatives = Literal["marginal", "batch"]
Augmentation = Literal["none", "crop", "simclr"]
NetworkName = Literal["small", "resnet18"]
Head = Literal["linear", "mlp"]
Optimizer = Literal["adamw", "sgd"]
DType = Literal["float32", "bfloat16"]

CHOICES: dict[str, tuple[str, ...]] = {
    "positives": get_args(Positives),
    "negatives": get_args(Negatives),
    "augmentation": get_args(Augmentation),
    "network": get_args(NetworkName),
    "head": get_args(Head),
    "optimizer": get_args(Optimizer),
    "dtype": get_args(DType),
}


@dataclass(frozen=True)
class Configuration:
    """One training run.

    Attributes:
        dataset, provenance, classes, per_class, imbalance, majority, size, data_seed: the images (`dataset.load`);
            `provenance` is what is said of them beside every result.
        k: number of negatives of an anchor.
        positives: "class", another image of the anchor's class, `(x, x+) ~ D_c^2` as in [1]; "augment", another
            augmentation of the anchor's image, as in SimCLR; "mixed", the former with probability `overlap`, else the
            latter (`sampling.mixed`).
        overlap: of "mixed" positives, from 0 to 1.
        negatives: "marginal" or "batch", see `negatives`.
        temperature: the loss sees cosines over this, exactly.
        initial_temperature: training begins with this instead, and `1 / temperature` changes linearly to its value
            over the first half of the steps (`step.inverse_temperature`); the second half is spent on the loss itself.
        augmentation: what is done to every image that is drawn (`augmentation`).
        width: channels of the first stage.
        dimension: of the embeddings, on the unit sphere.
        head: from features to embeddings, one linear map or SimCLR's two-layer network.
        batch: anchors in a step.
        seed: of the weights and of every draw.
        dtype: in which the network computes; weights, embeddings, loss and optimizer are float32.

    Raises:
        InputError: for a value that is not accepted.
    """

    dataset: str
    provenance: str
    k: int
    classes: int | tuple[int, ...] | None = None
    per_class: int | None = None
    imbalance: Fraction | None = None
    majority: Fraction | None = None
    size: int = 32
    data_seed: int = 0
    positives: str = "class"
    overlap: Fraction | None = None
    negatives: str = "marginal"
    temperature: Fraction = Fraction(1)
    initial_temperature: Fraction = Fraction(1)
    augmentation: str = "crop"
    network: str = "small"
    width: int = 16
    dimension: int = 64
    head: str = "linear"
    epochs: int = 30
    batch: int = 128
    optimizer: str = "adamw"
    learning_rate: float = 0.002
    weight_decay: float = 0.0001
    seed: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for name, accepted in CHOICES.items():
            if getattr(self, name) not in accepted:
                raise InputError(_option(name), getattr(self, name), f"accepted: {', '.join(accepted)}")
        for name, (least, most) in _INTEGERS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                raise InputError(_option(name), value, f"accepted: an integer from {least} to {most}")
        check_temperature(self.temperature)
        try:
            check_temperature(self.initial_temperature)
        except InputError:
            reason = "accepted: what --temperature accepts"
            raise InputError("initial-temperature", self.initial_temperature, reason) from None
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 100):
            raise InputError("learning-rate", self.learning_rate, "accepted: a number above 0, at most 100")
        if not (math.isfinite(self.weight_decay) and 0 <= self.weight_decay <= 1):
            raise InputError("weight-decay", self.weight_decay, "accepted: a number from 0 to 1")
        if self.width % 4:
            raise InputError("width", self.width, "accepted: a multiple of 4 (channels are normalized in 4 groups)")
        if (self.overlap is None) != (self.positives != "mixed"):
            raise InputError("overlap", self.overlap, "it is given with, and only with, --positives mixed")
        if self.overlap is not None and not 0 <= self.overlap <= 1:
            raise InputError("overlap", self.overlap, "accepted: a number from 0 to 1")
        if self.positives == "augment" and self.augmentation == "none":
            raise InputError("augmentation", "none", "two augmentations of one image need one: crop or simclr")

    @property
    def beta(self) -> float:
        """`1 / temperature`."""
        return float(1 / self.temperature)

    def as_json(self) -> dict[str, Any]:
        """JSON types; exact numbers as "p/q"."""
        made: dict[str, Any] = as_json(self)
        return made

    def as_options(self) -> list[str]:
        """The options of `train` that make this configuration, but for the place of the images."""
        words = []
        for name, value in self.as_json().items():
            if value is not None and not (name == "provenance" and self.dataset == "standin"):
                text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
                words += [f"--{_option(name)}", shlex.quote(text)]
        return words

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Configuration:
        """The inverse of `as_json`.

        Raises:
            InputError: if a key is missing or unknown, or a value is not accepted.
        """
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != known:
            given = values.keys() if isinstance(values, dict) else {str(values)}
            odd = ", ".join(sorted(known ^ set(given)))
            raise InputError("run", odd, "the configuration of a run has exactly the keys of this version")
        try:
            read = {name: _READ.get(name, _same)(value) for name, value in values.items()}
        except (TypeError, ValueError):
            raise InputError("run", json.dumps(values), "accepted: a configuration of this version") from None
        return cls(**read)


def _same(value: Any) -> Any:
    return value


def _option(name: str) -> str:
    return name.replace("_", "-")


_READ: dict[str, Callable[[Any], Any]] = {
    "classes": lambda value: tuple(value) if isinstance(value, list) else value,
    "imbalance": lambda value: None if value is None else Fraction(value),
    "majority": lambda value: None if value is None else Fraction(value),
    "overlap": lambda value: None if value is None else Fraction(value),
    "temperature": Fraction,
    "initial_temperature": Fraction,
    "learning_rate": float,
    "weight_decay": float,
}

_INTEGERS = {
    "k": (1, 10**6),
    "size": (8, 256),
    "data_seed": (0, 2**32 - 1),
    "width": (8, 1024),
    "dimension": (2, 4096),
    "epochs": (1, 100_000),
    "batch": (2, 65_536),
    "seed": (0, 2**32 - 1),
}

#: Names of the fields, in order; those of the options of `train` too.
FIELDS = tuple(field.name for field in fields(Configuration))
