"""`python -m experiments.trained embed`: the embeddings of a run of `experiments.cifar`, for `verify.embeddings`."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from verify import cli
from verify.results import Status

if TYPE_CHECKING:
    from verify.embeddings import Measures


@dataclass(frozen=True)
class Embedded:
    """What was written, and the numbers that `verify.embeddings.measure` gives of it."""

    run: str
    out: str
    k: int
    temperature: str
    measures: Measures
    status: Status = field(default=Status.NUMERICAL, repr=False)


def embed(folder: Path, out: Path, images: Path) -> Embedded:
    """Embed the training images of a run by its last checkpoint, and write them with their labels.

    Raises:
        InputError: if there is no run, checkpoint or data set.
    """
    import numpy as np

    from experiments.cifar.runs import Run
    from verify.embeddings import measure
    from verify.files import write

    run = Run.open(folder)
    data, c = run.dataset(images), run.configuration
    _, embeddings = run.features(data.train_images)
    stream = io.BytesIO()
    np.savez(stream, embeddings=embeddings, labels=data.train_labels)
    write(out, stream.getvalue())
    measures = measure(embeddings, data.train_labels, c.k, temperature=c.temperature)
    return Embedded(str(folder), str(out), c.k, str(c.temperature), measures)


def report(found: Embedded) -> str:
    """The readable report."""
    m = found.measures
    return (
        f"{found.out}: k = {found.k}, temperature {found.temperature}\n"
        f"  loss {m.value:.6f}, minimum {m.optimum_upper:.6f}: spread {m.spread:.6f}, geometry {m.geometry:.6f}; "
        f"{100 * m.share:.1f} % of the way from chance"
    )


def embed_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.trained embed`."""
    from experiments.cifar.dataset_options import FOLDER

    made = cli.parser(
        "experiments.trained embed",
        "Embed the training images of a run of experiments.cifar, for verify.embeddings.",
        "  python -m experiments.trained embed nce-data/cifar/runs/first --out first.npz",
    )
    made.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    made.add_argument("--out", type=cli.writable, required=True, metavar="FILE", help="the .npz to write")
    made.add_argument("--folder", type=Path, metavar="PATH", help=f"folder or archive with CIFAR (default: {FOLDER})")

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Embedded:
        progress("embedding")
        return embed(arguments.run, arguments.out, arguments.folder or FOLDER)

    cli.main(made, execute, report, argv)


if __name__ == "__main__":
    embed_main()
