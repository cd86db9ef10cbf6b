"""Augmentation graphs, labelings and encoders from files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Int

from theory.augmentation.families import nearest_neighbours
from theory.augmentation.graph import Graph, check_labels, from_entries, from_pairs
from theory.errors import InputError
from verify.files.arrays import read_array, read_arrays

#: What a file of a graph holds, besides `labels` (n integers).
CONTENTS = (
    "accepted: a .npz file with 'labels' (n) and one of 'pairs' (n x n), 'edges' (e x 2, with 'weights' or without), "
    "'transition' with 'marginal' (n x n and n), 'features' with 'neighbours' (n x p and a number)"
)


def read_graph(path: str | Path, labels: str | Path | None = None) -> Graph:
    """The graph of a file (`CONTENTS`); doubles are read exactly, and divided by their exact sum.

    A transition matrix must be exactly reversible, `pi_i P_ij = pi_j P_ji` in exact arithmetic. An edge (i, j) stands
    for the pairs in both orders, of its weight each. `labels` is a file (.npy) whose labels take the place of those
    in the file.

    Raises:
        InputError: if it cannot be read as a graph.
    """
    arrays = read_arrays(path, "graph")
    if labels is not None:
        arrays["labels"] = read_labels(labels, "labels")
    given = [key for key in ("pairs", "edges", "transition", "features") if key in arrays]
    if "labels" not in arrays or len(given) != 1:
        raise InputError("graph", f"{path}: {', '.join(arrays) or 'nothing'}", CONTENTS)
    own = _integers(arrays["labels"], "labels")
    if given[0] == "pairs":
        return from_pairs(arrays["pairs"], own)
    if given[0] == "edges":
        return _from_edges(arrays["edges"], arrays.get("weights"), own)
    if given[0] == "features":
        neighbours = arrays.get("neighbours")
        if neighbours is None or neighbours.size != 1 or neighbours.dtype.kind not in "iu":
            raise InputError("graph", "features", "'features' need 'neighbours', one integer")
        return nearest_neighbours(arrays["features"], own, int(neighbours.reshape(())))
    return _from_transition(arrays["transition"], arrays.get("marginal"), own)


def read_labels(path: str | Path, option: str) -> Int[np.ndarray, " n"]:
    """A vector of integers from a .npy file.

    Raises:
        InputError: if it is not one.
    """
    array = read_array(path, option)
    return _integers(array, option)


def read_tasks(path: str | Path, points: int) -> dict[str, tuple[int, ...]]:
    """Labelings of the points by name, from a .npz file of integer vectors.

    Raises:
        InputError: if it is not such a file, or a vector is no labeling of the points in two classes or more.
    """
    tasks = {name: _integers(array, "tasks") for name, array in read_arrays(path, "tasks").items()}
    for name, labels in tasks.items():
        try:
            check_labels(labels.tolist(), points)
        except InputError as error:
            raise InputError("tasks", f"{name}: {error.args[1]}", error.args[2]) from None
    if not tasks:
        raise InputError("tasks", path, "accepted: a .npz file with one vector of labels for each task")
    return {name: tuple(labels.tolist()) for name, labels in tasks.items()}


def read_features(path: str | Path, points: int) -> np.ndarray:
    """The features of the points (n x p) from a .npy file.

    Raises:
        InputError: if it holds no finite matrix with a row for each point.
    """
    array = read_array(path, "encoder")
    right = array.ndim == 2 and array.dtype.kind in "iuf"
    if not right or len(array) != points or not np.all(np.isfinite(array)):
        raise InputError("encoder", path, f"accepted: a finite matrix with a row for each of {points} points")
    return np.asarray(array, dtype=float)


def _integers(array: np.ndarray, option: str) -> Int[np.ndarray, " n"]:
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
        raise InputError(option, f"{array.dtype} {array.shape}", "accepted: a vector of integers, one for each point")
    return array.astype(np.int64)


def _from_edges(edges: np.ndarray, weights: np.ndarray | None, labels: Int[np.ndarray, " n"]) -> Graph:
    if edges.ndim != 2 or edges.shape[1:] != (2,) or edges.dtype.kind not in "iu":
        raise InputError("graph", f"edges {edges.shape}", "'edges' are pairs of integers, e x 2")
    weights = np.ones(len(edges)) if weights is None else weights
    if weights.shape != (len(edges),) or weights.dtype.kind not in "iuf" or not np.all(np.isfinite(weights)):
        raise InputError("graph", f"weights {weights.shape}", "'weights' are finite numbers, one for each edge")
    entries = dict[tuple[int, int], Fraction]()
    for (a, b), weight in zip(edges.tolist(), weights.tolist(), strict=True):
        pair = (min(a, b), max(a, b))
        entries[pair] = entries.get(pair, Fraction(0)) + Fraction(weight)
    return from_entries(entries, labels.tolist())


def _from_transition(P: np.ndarray, marginal: np.ndarray | None, labels: Int[np.ndarray, " n"]) -> Graph:
    if marginal is None or P.ndim != 2 or P.shape != (len(marginal),) * 2:
        raise InputError("graph", f"transition {P.shape}", "'transition' (n x n) needs 'marginal' (n)")
    if len(labels) != len(P):
        raise InputError("labels", f"{len(labels)} labels", f"one label for each of {len(P)} points is needed")
    if P.dtype.kind not in "iuf" or marginal.dtype.kind not in "iuf":
        raise InputError("graph", f"{P.dtype}", "'transition' and 'marginal' are real numbers")
    if not np.all(np.isfinite(P)) or not np.all(np.isfinite(marginal)):
        raise InputError("graph", "an entry that is not finite", "transition probabilities must be finite")
    exact = [[Fraction(x) for x in row] for row in P.tolist()]
    masses = [Fraction(x) for x in marginal.tolist()]
    entries = {}
    for i, row in enumerate(exact):
        for j in range(i, len(row)):
            if masses[i] * row[j] != masses[j] * exact[j][i]:
                raise InputError("graph", f"transition {i} -> {j}", "pi_i P_ij = pi_j P_ji must hold exactly")
            if row[j]:
                entries[i, j] = masses[i] * row[j]
    return from_entries(entries, labels.tolist())
