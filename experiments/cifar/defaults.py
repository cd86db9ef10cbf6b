"""What a training run is unless it is said: by the images, the positives and the device."""

from __future__ import annotations

from typing import Any

from experiments.cifar.configuration import Configuration
from theory.priors import number
from theory.problem import check_temperature

_SMALL = {
    "network": "small",
    "width": 16,
    "dimension": 64,
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "batch": 272,
    "epochs": 30,
}
_RESNET = {
    "network": "resnet18",
    "width": 64,
    "dimension": 128,
    "learning_rate": 0.001,
    "weight_decay": 0.1,
    "batch": 1024,
    "epochs": 30,
}


def complete(given: dict[str, Any], platform: str) -> Configuration:
    """The configuration with these values, the others by default; `imbalance` and `temperature` as a user writes them.

    The small network in float32 on a processor, ResNet-18 in bfloat16 on an accelerator; crops with positives of the
    same class and SimCLR's augmentations and head with augmented ones; the generated images are taken as they are.

    Raises:
        InputError: for a value that is not accepted.
    """
    network = given.get("network") or ("small" if platform == "cpu" else "resnet18")
    simclr = given.get("positives") == "augment"
    values: dict[str, Any] = {
        **(_RESNET if network == "resnet18" else _SMALL),
        "dtype": "float32" if platform == "cpu" else "bfloat16",
        "augmentation": "simclr" if simclr else "none" if given["dataset"] == "standin" else "crop",
        "head": "mlp" if simclr else "linear",
    }
    values |= {name: value for name, value in given.items() if value is not None}
    for name in ("imbalance", "majority", "overlap"):
        if name in values:
            values[name] = number(str(values[name]), name)
    temperature = check_temperature(values.get("temperature", 1))
    initial = number(str(values.get("initial_temperature", temperature)), "initial-temperature")
    values |= {"temperature": temperature, "initial_temperature": initial}
    return Configuration(**values)
