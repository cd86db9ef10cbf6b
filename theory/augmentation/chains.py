r"""The chain of a class, and how fast it mixes.

Within a class the positives make a reversible chain, `P_c(i, j) = W_ij / pi_i`. Its spectral gap is

    gap_c = 1 - max { v^T W v / sum_i pi_i v_i^2 :  v lives on class c, sum_i pi_i v_i = 0 }  =  1 - lambda_2(P_c),

0 where the class falls apart into components, 1 where the positive is independent of the anchor; more than 1 is
possible. Where positives leave the class the maximum is the definition. A class of one point has no such `v`, and no
gap (None).

For groups of exchangeable points (`Graph`) the maximum is over the chain between the groups and, within each group of
two or more, over vectors of sum 0, where W is a multiple of the identity (derived: Schur's lemma).

*Exactly.* `gap_c >= a` if and only if `(1 - a) Diag(pi) - W` is psd on those `v`. With `N_g` points of group `g`,
masses `s_g` of equal and `r_g` of other pairs within it, this is

    (1 - a) pi_g >= s_g - r_g / (N_g - 1)    for every group of two or more, and
    (1 - a) Diag(pi) - W_c + t pi pi^T       psd over the groups of the class, for t large,

W_c the masses between groups. `gap_matrix` gives it with a t that is large enough where no pair leaves the class.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from jaxtyping import Float
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from theory.augmentation.graph import Graph
from theory.errors import InputError


def members(graph: Graph, c: int) -> list[int]:
    """The groups of class `c`.

    Raises:
        InputError: if a group has points of several classes.
    """
    if graph.labels is None:
        raise InputError("labels", "None", "a group has points of several classes")
    return [g for g, label in enumerate(graph.labels) if label == c]


def within(graph: Graph, c: int) -> Float[np.ndarray, "g g"]:
    """The masses of pairs between the groups of the class, those of equal points included."""
    groups = members(graph, c)
    W = np.diag([float(graph.same[g]) for g in groups])
    at = {g: i for i, g in enumerate(groups)}
    for (g, h), mass in graph.joint.items():
        if g in at and h in at:
            W[at[g], at[h]] += float(mass)
            if g != h:
                W[at[h], at[g]] += float(mass)
    return W


def spectral_gaps(graph: Graph) -> list[float | None]:
    """`gap_c` of every class, in double precision; None for a class of one point."""
    return [_gap(graph, c) for c in range(graph.C)]


def _gap(graph: Graph, c: int) -> float | None:
    groups = members(graph, c)
    pi = np.array([float(graph.marginal[g]) for g in groups])
    found = [float(rate) for g in groups if (rate := mates_rate(graph, g)) is not None]
    if len(groups) > 1:
        root = np.sqrt(pi)
        constant = root / np.linalg.norm(root)
        symmetric = within(graph, c) / np.outer(root, root)
        # the constant vector is moved out of the way: eigenvalues are at most 1 in size
        projector = np.eye(len(groups)) - np.outer(constant, constant)
        moved = projector @ symmetric @ projector - 2 * np.outer(constant, constant)
        found.append(float(np.linalg.eigvalsh(moved)[-1]))
    return 1 - max(found) if found else None


def mates_rate(graph: Graph, g: int) -> Fraction | None:
    """The eigenvalue of the chain on vectors of sum 0 within group `g`, exactly; None for a group of one point."""
    count = graph.counts[g]
    if count == 1:
        return None
    return (graph.same[g] - graph.joint.get((g, g), Fraction(0)) / (count - 1)) / graph.marginal[g]


def components(graph: Graph) -> list[int]:
    """The number of components of each class's chain."""
    found = []
    for c in range(graph.C):
        groups = members(graph, c)
        # a group without pairs within is as many components as it has points, unless others join them
        W = within(graph, c)
        rows, columns = np.nonzero(W)
        _, number = connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), W.shape), directed=False)
        total = 0
        for part in set(number.tolist()):
            inside = [g for g, p in zip(groups, number, strict=True) if p == part]
            alone = len(inside) == 1 and not graph.joint.get((inside[0], inside[0]))
            total += graph.counts[inside[0]] if alone else 1
        found.append(total)
    return found


def gap_matrix(graph: Graph, c: int, a: Fraction) -> list[list[Fraction]]:
    """`(1 - a) Diag(pi) - W_c + (1 + |a|) / rho_c pi pi^T` over the groups of class `c`, which no pair leaves.

    It is psd if and only if the chain between the groups has `1 - lambda_2 >= a`: the constant vector v = 1 gives
    `(1 + |a| - a) rho_c > 0`, and nothing in common with vectors of sum 0 (derived).

    Raises:
        InputError: if a positive pair crosses classes.
    """
    if graph.crosses:
        raise InputError("graph", "a pair across classes", "no positive pair may cross classes here")
    groups = members(graph, c)
    pi = [graph.marginal[g] for g in groups]
    rho = sum(pi, Fraction(0))
    N = [[(1 + abs(a)) / rho * p * q for q in pi] for p in pi]
    for i, g in enumerate(groups):
        N[i][i] += (1 - a) * pi[i] - graph.same[g]
        for j, h in enumerate(groups):
            N[i][j] -= graph.joint.get((min(g, h), max(g, h)), Fraction(0))
    return N
