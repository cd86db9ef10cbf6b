"""`python -m experiments.cifar embed`: the embeddings of a trained network as a file for `verify.embeddings`."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from experiments.cifar.dataset_options import FOLDER
from verify import cli
from verify.results import NOT_IN_JSON, Status


@dataclass(frozen=True)
class Embedded:
    """What was written; its fields are the keys of `--json`.

    Attributes:
        part: "train" or "test".
        command: measures the file, with the `k` and the temperature that the network was trained with.
    """

    run: str
    out: str
    part: str
    points: int
    d: int
    command: str
    status: Status = field(default=Status.NUMERICAL, repr=False, metadata=NOT_IN_JSON)


def embed(folder: Path, out: Path, *, images: Path | None = None, part: str = "train") -> Embedded:
    """Embed the images of a run by its last checkpoint, and write them with their labels.

    Args:
        folder: of the run.
        out: the .npz to write.
        images: folder or archive with CIFAR.
        part: "train" or "test".

    Raises:
        InputError: if there is no run, checkpoint or data set.
    """
    import numpy as np

    from experiments.cifar.runs import Run
    from verify.files.delivery import deliver

    run = Run.open(folder)
    data, c = run.dataset(images), run.configuration
    chosen, labels = {
        "train": (data.train_images, data.train_labels),
        "test": (data.test_images, data.test_labels),
    }[part]
    _, embeddings = run.features(chosen)
    stream = io.BytesIO()
    np.savez(stream, embeddings=embeddings, labels=labels)
    deliver(out, stream.getvalue())
    command = f"python -m verify.embeddings {out} --k {c.k} --temperature {c.temperature}"
    return Embedded(str(folder), str(out), part, len(labels), embeddings.shape[1], command)


def report(found: Embedded) -> str:
    """The readable report."""
    what = f"{found.points} embeddings in {found.d} dimensions, and their labels"
    return f"{found.out}: {what}. Measure them with\n  {found.command}"


def embed_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.cifar embed`."""
    parser = cli.parser(
        "experiments.cifar embed",
        "Embed the images of a trained network, for verify.embeddings.",
        "  python -m experiments.cifar embed nce-data/cifar/runs/first --out first.npz",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--out", type=cli.writable, required=True, metavar="FILE", help="the .npz to write")
    parser.add_argument("--set", choices=("train", "test"), default="train", help="which images (default: train)")
    parser.add_argument("--folder", type=Path, metavar="PATH", help=f"folder or archive with CIFAR (default: {FOLDER})")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Embedded:
        progress("embedding")
        return embed(arguments.run, arguments.out, images=arguments.folder or FOLDER, part=arguments.set)

    cli.main(parser, execute, report, argv)


if __name__ == "__main__":
    embed_main()
