"""What the study consists of, in the order in which it is done while time lasts.

A processor and an accelerator have studies of their own: the small network on memorized subsets, whose minimizer is
what the theory speaks of, and ResNet-18 on all images. Names of items say which, so that both can be committed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: Titles of the parts, by the platform's kind.
PARTS = {
    "processor": {
        "a": "CIFAR-10, 10 classes x 200 memorized images, over k",
        "b": "CIFAR-100, memorized: 20 superclasses x 100 images, and 100 classes x 20",
        "c": "long tails, and one majority, of memorized CIFAR-10: against the computed optimum",
        "d": "mixed positives below and above the overlap threshold, 10 x 12 images",
        "e": "all images of CIFAR-10, for hours",
    },
    "accelerator": {
        "a": "throughput of training",
        "b": "CIFAR-10, positives of the same class, over k; a memorized subset",
        "c": "the exact loss and its gradient in double precision, beside two matrix products",
        "d": "long-tailed CIFAR-10: the trained geometry against the computed optimum",
        "e": "mixed positives around the overlap threshold; positives by augmentation (SimCLR)",
        "f": "CIFAR-100; second and third seeds",
    },
}

KS = (1, 4, 16, 64, 256, 1024, 4096)
#: Below the threshold `alpha*(k)` of ten equal classes at temperature 1 for every k (0.0925 at k = 1, at most 0.1693),
#: above it at k = 1 only, and above it for every k.
OVERLAPS = ("1/20", "3/25", "3/10")


@dataclass(frozen=True)
class Item:
    """One measurement: a run to train and evaluate ("train"), a timing ("throughput"), or kernel timings ("kernel").

    Attributes:
        given: of "train" and "throughput", what differs from `defaults.complete`; of "kernel", `C` and `k`.
    """

    part: str
    name: str
    kind: str = "train"
    given: dict[str, Any] = field(default_factory=dict)


#: Of a rehearsal: a few images and negatives, and one epoch.
_FEW: dict[str, Any] = {"per_class": 8, "epochs": 1, "width": 8, "batch": 16, "network": "small"}


def rehearsal(study: tuple[Item, ...]) -> tuple[Item, ...]:
    """One item of each kind of every part, at sizes of seconds: whether everything runs, and nothing worth keeping.

    Of runs that differ in `k` or the seed only, that with the most negatives, which draws beyond the batch.
    """
    chosen: dict[str, Item] = {}
    for item in study:
        name = re.sub(r"-(k|seed|C|overlap)[0-9a-z]+", "", item.name)
        given = {"C": 16, "k": 4}
        if item.kind != "kernel":
            tail = {"imbalance": 4} if "imbalance" in item.given else {}
            given = {**item.given, **_FEW, **tail, "k": min(item.given["k"], 40)}
        elif name in chosen:
            continue
        if name not in chosen or given["k"] > chosen[name].given["k"]:
            chosen[name] = Item(item.part, f"rehearsal-{name}", item.kind, given)
    return tuple(chosen.values())


def kind_of(platform: str) -> str:
    """The key of `PARTS` for a platform of JAX: "processor" for "cpu", else "accelerator"."""
    return "processor" if platform == "cpu" else "accelerator"


def items(platform: str) -> tuple[Item, ...]:
    """The study for a platform, in order."""
    return tuple(_on_processor() if platform == "cpu" else _on_accelerator())


def _runs(part: str, prefix: str, ks: tuple[int, ...], seed: int = 0, **given: Any) -> Iterator[Item]:
    for k in ks:
        yield Item(part, f"{prefix}-k{k}-seed{seed}", given={"k": k, "seed": seed, **given})


#: These left the saddles (merged or antipodal classes) where weight decay 0.5 and a start at temperature 1 did not.
_FROM_COLD: dict[str, Any] = {"initial_temperature": "1/3", "weight_decay": 0.1}


def _on_processor() -> Iterator[Item]:
    # about 2,100 steps each
    memorized: dict[str, Any] = {"network": "small", "augmentation": "none", "batch": 272, "epochs": 300, **_FROM_COLD}
    ten: dict[str, Any] = {**memorized, "dataset": "cifar10", "per_class": 200}
    few: dict[str, Any] = {**ten, "per_class": 12, "dimension": 128, "positives": "mixed", "epochs": 2100}

    def mixed(ks: tuple[int, ...], seed: int, name: str, **given: Any) -> Iterator[Item]:
        for overlap in OVERLAPS:
            label = overlap.replace("/", "over")
            yield from _runs("d", f"small-{name}-overlap{label}", ks, seed, **{**few, **given, "overlap": overlap})

    yield from _runs("a", "small-cifar10-200", (16,), **ten)
    yield from mixed((1, 16, 256), 0, "mixed")
    yield from _runs("a", "small-cifar10-200", (256, 1, 64, 4, 4096, 1024), **ten)
    tails = [("longtail10", {"imbalance": 10, "per_class": 500}), ("longtail100", {"imbalance": 100, "per_class": 800})]
    for temperature, suffix in (("1", ""), ("1/2", "-T0.5")):
        for name, tail in tails:
            given = {**ten, **tail, "temperature": temperature}
            yield from _runs("c", f"small-cifar10-{name}{suffix}", (1, 16, 256), **given)
    majority = {**ten, "majority": "4/5", "per_class": 1800, "epochs": 263}
    yield from _runs("c", "small-cifar10-majority", (1, 16, 256), **majority)
    yield from _runs("b", "small-cifar20-100", (1, 16, 256), **{**memorized, "dataset": "cifar20", "per_class": 100})
    hundred = {**memorized, "dataset": "cifar100", "per_class": 20, "dimension": 128}
    yield from _runs("b", "small-cifar100-20", (1, 16, 256), **hundred)
    for seed in (1, 2):
        yield from _runs("a", "small-cifar10-200", (16, 256, 1, 64, 4), seed, **ten)
        yield from mixed((1, 16, 256), seed, "mixed")
    yield from mixed((1, 16, 256), 0, "mixed-crops", augmentation="crop")
    whole = {**memorized, "dataset": "cifar10", "augmentation": "crop"}
    yield from _runs("e", "small-cifar10-all", (16, 256), **whole)


def _on_accelerator() -> Iterator[Item]:
    common: dict[str, Any] = {"network": "resnet18", "epochs": 60, **_FROM_COLD}
    ten: dict[str, Any] = {**common, "dataset": "cifar10"}
    memorized = {**ten, "per_class": 500, "augmentation": "none", "batch": 512, "epochs": 240}
    hundred: dict[str, Any] = {**common, "dataset": "cifar100"}
    tails = [("longtail10", 10, 120), ("longtail100", 100, 180)]
    yield Item("a", "throughput-k256", "throughput", {"k": 256, **ten})
    yield from _runs("b", "cifar10", KS, **ten)
    yield from _runs("b", "cifar10-500", (16, 256, 4096), **memorized)
    for C in (1000, 10_000, 20_000):
        yield Item("c", f"kernel-C{C}-k64", "kernel", {"C": C, "k": 64})
    for name, factor, epochs in tails:
        yield from _runs("d", f"cifar10-{name}", (1, 16, 256), **{**ten, "imbalance": factor, "epochs": epochs})
    for overlap in OVERLAPS:
        given = {**memorized, "per_class": 12, "epochs": 2000, "positives": "mixed", "overlap": overlap}
        yield from _runs("e", f"cifar10-mixed-overlap{overlap.replace('/', 'over')}", (1, 16, 256), **given)
    simclr = {**ten, "positives": "augment", "temperature": "1/2", "initial_temperature": "1/2", "epochs": 100}
    yield from _runs("e", "cifar10-simclr", (16, 256, 4096), **simclr)
    yield from _runs("f", "cifar100", KS, **hundred)
    for seed in (1, 2):
        yield from _runs("f", "cifar10", KS, seed, **ten)
