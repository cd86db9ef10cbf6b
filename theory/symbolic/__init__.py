"""Derivations that SymPy reduces exactly: one idea a file, each a list of steps.

A step is a statement with the obligations that it comes down to (`theory.symbolic.step`): identities that must
reduce to exactly zero, and signs that must follow from the assumptions on the symbols. Sums and products over
`n` classes, points or negatives are kept with a symbolic `n`; no obligation is settled by evaluating numbers.
Each docstring carries the prose that joins the obligations.
"""

from importlib import import_module

from theory.symbolic.step import Obligation, Proof, Step, prove

__all__ = ["MODULES", "Obligation", "Proof", "Step", "prove", "steps"]

MODULES = (
    "frullani",
    "log_sum_exp",
    "equiangularity",
    "closed_forms",
    "dual_program",
    "collapse_threshold",
    "lifting",
    "bound_growth",
    "augmentation",
)


def steps() -> tuple[Step, ...]:
    """All steps, in an order in which later ones use earlier ones."""
    return tuple(s for name in MODULES for s in import_module(f"theory.symbolic.{name}").STEPS)
