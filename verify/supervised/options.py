"""Options of the commands about the downstream loss. Imports nothing heavy."""

from __future__ import annotations

import argparse
from fractions import Fraction


def add_weighting(made: argparse.ArgumentParser) -> None:
    """`--weighting`: the test distribution over classes."""
    made.add_argument(
        "--weighting",
        choices=("weighted", "balanced"),
        default="weighted",
        help="test distribution over classes: the prior (default), or uniform",
    )


def add_classifier(made: argparse.ArgumentParser) -> None:
    """`--classifier`."""
    made.add_argument(
        "--classifier",
        choices=("optimal", "mean"),
        default="optimal",
        help="the best unit-norm classifier (default), or the class means",
    )


def add_embeddings(made: argparse.ArgumentParser) -> None:
    """`--embeddings FILE`."""
    made.add_argument("--embeddings", metavar="FILE", help="class embeddings (.npy, C x d) instead of the minimizer")


def shortened(rho: tuple[str, ...]) -> str:
    """A prior for a readable report: at most six masses or groups, long fractions as decimals."""
    shown = []
    for entry in rho[:6]:
        count, cross, mass = entry.rpartition("x")
        shown.append(count + cross + (mass if len(mass) <= 12 else f"{float(Fraction(mass)):.4g}"))
    return "(" + ", ".join(shown) + (", ...)" if len(rho) > 6 else ")")
