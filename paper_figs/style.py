"""How all figures look: widths of a two-column paper, the style sheet, and files that are the same at every run."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from verify import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Inches: one column, and both.
COLUMN = 3.3
PAGE = 6.9

#: Dates and versions of programs would make two runs differ.
_METADATA = {"pdf": {"CreationDate": None, "Creator": None, "Producer": None}, "png": {"Software": None}}


@contextmanager
def paper() -> Iterator[None]:
    """The style of the paper, whatever the user's own Matplotlib settings are."""
    os.environ["MPLBACKEND"] = "agg"  # one that does not exist would stop the import, and none but this is used
    import matplotlib
    from matplotlib import style

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        style.use(Path(__file__).parent / "paper.mplstyle")
        yield


def save(figure: Figure, folder: Path, name: str) -> tuple[Path, ...]:
    """Write `name.pdf` and `name.png`; equal figures are equal byte for byte."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    written = []
    for kind, metadata in _METADATA.items():
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata=metadata)
        path = folder / f"{name}.{kind}"
        files.write(path, stream.getvalue(), folders=True)
        written.append(path)
    return tuple(written)


def k_axis(axes: Axes) -> None:
    """A logarithmic axis of the number of negatives."""
    axes.set_xscale("log")
    axes.set_xlabel("number of negatives $k$")


def label_panels(panels: Iterable[Axes]) -> None:
    """(a), (b), ... in bold, left of each panel's title."""
    for axes, letter in zip(panels, "abcdefghij", strict=False):
        axes.set_title(f"({letter})", loc="left", fontweight="bold")


def state(figure: Figure, text: str) -> None:
    """What holds in all panels, in small letters below: the loss, the temperature, the prior."""
    figure.supxlabel(text, x=0.995, ha="right", fontsize=6.5, color="0.3")


def cycle(start: int = 0) -> Iterator[dict[str, Any]]:
    """The style sheet's colour, line style and marker, one after the other, from number `start` on."""
    from matplotlib import rcParams

    return islice(iter(rcParams["axes.prop_cycle"]), start, None)
