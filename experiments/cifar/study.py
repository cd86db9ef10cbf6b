"""What the study consists of, in the order in which it is done while time lasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

#: Titles of the parts, in order.
PARTS = {
    "a": "CIFAR-10, positives of the same class, over k",
    "b": "the exact loss and its gradient in double precision, beside two matrix products",
    "t": "throughput of training",
    "c": "long-tailed CIFAR-10: the trained geometry against the computed optimum",
    "d": "CIFAR-100, positives of the same class, over k",
    "e": "CIFAR-10, positives by augmentation (SimCLR)",
    "f": "second seeds",
}

KS = (1, 4, 16, 64, 256, 1024, 4096)


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


def items(platform: str) -> tuple[Item, ...]:
    """The study for a processor (four classes, the small network), or for an accelerator (ResNet-18)."""
    found = [*_on_accelerator()] if platform != "cpu" else [*_on_processor()]
    return tuple(sorted(found, key=lambda item: list(PARTS).index(item.part)))


def _runs(part: str, prefix: str, ks: tuple[int, ...], seed: int = 0, **given: Any) -> Iterator[Item]:
    for k in ks:
        yield Item(part, f"{prefix}-k{k}-seed{seed}", given={"k": k, "seed": seed, **given})


def _on_accelerator() -> Iterator[Item]:
    ten: dict[str, Any] = {"dataset": "cifar10", "epochs": 20}
    hundred: dict[str, Any] = {"dataset": "cifar100", "epochs": 20}
    tails = [("cifar10-longtail10", 10, 40), ("cifar10-longtail100", 100, 60)]
    yield from _runs("a", "cifar10", KS, **ten)
    for C in (1000, 10_000, 20_000, 30_000, 40_000):
        for k in (1, 64, 4096) if C <= 10_000 else (64,):
            yield Item("b", f"kernel-C{C}-k{k}", "kernel", {"C": C, "k": k})
    yield Item("t", "throughput-k256", "throughput", {"k": 256, **ten})
    for name, factor, epochs in tails:
        yield from _runs("c", name, (1, 16, 256), dataset="cifar10", imbalance=factor, epochs=epochs)
    yield from _runs("d", "cifar100", KS, **hundred)
    yield from _runs(
        "e", "cifar10-simclr", (16, 256, 4096), dataset="cifar10", positives="augment", temperature="1/2", epochs=100
    )
    yield from _runs("f", "cifar10", KS, 1, **ten)
    for name, factor, epochs in tails:
        yield from _runs("f", name, (1, 16, 256), 1, dataset="cifar10", imbalance=factor, epochs=epochs)
    yield from _runs("f", "cifar100", KS, 1, **hundred)


def _on_processor() -> Iterator[Item]:
    cold: dict[str, Any] = {"initial_temperature": "1/5"}
    four: dict[str, Any] = {"dataset": "cifar10", "classes": 4, "epochs": 3, "width": 8, **cold}
    memorized = {**four, "per_class": 300, "augmentation": "none", "epochs": 60, "batch": 64, "width": 12}
    yield from _runs("a", "cifar10-4-memorized", (8,), **memorized)
    yield from _runs("a", "cifar10-4", (1, 8, 64), **four)
    for C in (100, 300, 1000):
        yield Item("b", f"kernel-C{C}-k64", "kernel", {"C": C, "k": 64})
    yield Item("t", "throughput-k64", "throughput", {"k": 64, **four})
    yield from _runs("c", "cifar10-4-longtail10", (8,), **{**four, "imbalance": 10, "epochs": 6})
    yield from _runs("d", "cifar100-4", (8,), dataset="cifar100", classes=4, epochs=20, width=8, **cold)
    yield from _runs("e", "cifar10-4-simclr", (16, 64), **four, positives="augment", temperature="1/2")
    yield from _runs("f", "cifar10-4", (1, 8, 64), 1, **four)
