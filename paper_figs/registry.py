"""Every figure: its name, what it shows, and how long its data takes. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


@dataclass(frozen=True)
class Entry:
    """One figure.

    Attributes:
        name: of the figure, its module in `paper_figs.figures` and its data.
        shows: what it shows, in one line.
        seconds: about how long its data takes on two cores; None where it is measured by another command.
    """

    name: str
    shows: str
    seconds: int | None

    @property
    def module(self) -> ModuleType:
        """The module that computes and draws it."""
        return import_module(f"paper_figs.figures.{self.name}")


FIGURES = {
    entry.name: entry
    for entry in (
        Entry("etf", "The simplex ETF: 3 vectors in the plane, 4 in space; minimizers found from random starts", 6),
        Entry("bounds", "Prior bounds against the exact downstream loss of the optimum: they explode or saturate", 12),
        Entry("coverage", "Probabilities of collision and of coverage against k: the supposed trade-off", 3),
        Entry("lemma", "The loss as classes are collapsed one by one; the averaging step, and a loss it fails for", 25),
        Entry("unbalanced", "Downstream loss of the minimizer against k, proven: falling, constant, and refuted", 25),
        Entry("geometry", "Optimal Gram matrices for unbalanced classes as k grows; three classes as vectors", 7),
        Entry("collapse", "Collapse threshold against k; cosine of the minorities against the majority's mass", 14),
        Entry("simplex", "Maps over the simplex of priors: collapse, where the conjecture fails, and by how much", 380),
        Entry("family", "The optimum's loss for each loss of the family at several temperatures, against k", 50),
        Entry(
            "augmentation", "Augmentation graphs: thresholds of collapse against k; the downstream loss around them", 60
        ),
        Entry("overlap", "Where more negatives hurt: the rise of the downstream loss over overlap and k", 60),
        Entry("encoders", "Augmentation graphs: restricted encoders, coarse and fine tasks, against k", None),
        Entry("cifar_cosine", "Trained networks: cosines within and between classes at several k", None),
        Entry("cifar_accuracy", "Trained networks: downstream accuracy against k, with the spread over seeds", None),
        Entry("cifar_longtail", "Trained networks, long-tailed data: the Gram matrix and the computed optimum", None),
        Entry("scaling", "Cost against k and C, beside the alternatives", None),
        Entry("methods", "A thousand classes: certified gap against matrix products, for each method tried", None),
    )
}
