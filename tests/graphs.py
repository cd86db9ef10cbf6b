"""Hypothesis strategies for augmentation graphs."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from theory.augmentation.graph import Graph, from_pairs
from theory.geometry import normalized


@st.composite
def graphs(draw, C: int = 2, sizes: tuple[int, ...] = (2, 3), crossing: bool = False) -> Graph:
    """Random symmetric weights within classes (or everywhere), some of them 0; every point has pairs."""
    labels = np.repeat(np.arange(C), sizes)
    n = len(labels)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(0, 20, size=(n, n)) * (rng.random((n, n)) < 0.8)
    if not crossing:
        weights *= labels[:, None] == labels
    scale = rng.integers(1, 8, size=n)
    pairs = (weights + weights.T) * np.outer(scale, scale) + np.diag(rng.integers(1, 60, size=n))
    return from_pairs(pairs, labels)


@st.composite
def grams(draw, n: int, d: int = 4) -> np.ndarray:
    """A Gram matrix of `n` unit vectors, with pairs that coincide or are opposite."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    U = normalized(rng.normal(size=(n, d)))
    if draw(st.booleans()):
        U[1] = U[0]
        U[-1] = -U[0]
    G = U @ U.T
    np.fill_diagonal(G, 1.0)
    return np.clip(G, -1.0, 1.0)


def weights_of(graph: Graph) -> np.ndarray:
    """W as a matrix of doubles, one row a point."""
    law = graph.expanded().arrays
    return law.marginal[:, None] * (law.others + np.diag(law.same))


overlaps = st.integers(1, 99).map(lambda n: Fraction(n, 100))
