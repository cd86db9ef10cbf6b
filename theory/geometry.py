"""Gram matrices of class embeddings, and the simplex equiangular tight frame (ETF)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from theory.errors import InputError


def normalized(U: Float[np.ndarray, "*b C d"]) -> Float[np.ndarray, "*b C d"]:
    """Rows scaled to unit length.

    Raises:
        InputError: if a row is zero or not finite.
    """
    norms = np.linalg.norm(U, axis=-1, keepdims=True)
    if not np.all(np.isfinite(norms)) or np.any(norms == 0):
        raise InputError("embeddings", U.shape, "every embedding must be finite and not zero")
    return U / norms


def gram(U: Float[np.ndarray, "*b C d"]) -> Float[np.ndarray, "*b C C"]:
    """`G = U U^T` of unit rows: symmetric, the diagonal exactly 1, entries within [-1, 1]."""
    product = np.clip(U @ np.swapaxes(U, -1, -2), -1.0, 1.0)
    product = (product + np.swapaxes(product, -1, -2)) / 2
    diagonal = np.arange(product.shape[-1])
    product[..., diagonal, diagonal] = 1.0
    return product


def root(B: Float[np.ndarray, "m m"], zero: float = 0.0) -> Float[np.ndarray, "m m"]:
    """`U` with `U U^T = B`: eigenvectors times roots of the eigenvalues, rising; those of at most `zero` count as 0."""
    eigenvalues, vectors = np.linalg.eigh(B)
    U: Float[np.ndarray, "m m"] = vectors * np.sqrt(np.where(eigenvalues > zero, eigenvalues, 0.0))
    return U


def from_gram(G: Float[np.ndarray, "C C"], d: int) -> Float[np.ndarray, "C d"]:
    """Unit rows whose Gram matrix is nearest to `G` among those of rank `d`; `G` itself if it is one of them.

    `gram` is the inverse, up to a rotation of the rows. Columns are by falling eigenvalue, so that those that are not
    needed come last, and are 0.
    """
    columns = root(G)[:, ::-1][:, :d]
    return normalized(np.pad(columns, ((0, 0), (0, d - columns.shape[1]))))


def simplex_etf(C: int, d: int | None = None, *, seed: int | None = None) -> Float[np.ndarray, "C d"]:
    """The simplex ETF: `C` unit vectors in `R^d` with all cosines `-1/(C-1)` [3, Definition 1].

    Unique up to an orthogonal map of `R^d`, which is drawn from Haar measure if a `seed` is given. `d` defaults to
    `C - 1`, the least dimension that holds it.

    Raises:
        InputError: if `C < 2` or `d < C - 1`.
    """
    if C < 2:
        raise InputError("C", C, "at least 2 classes are needed")
    d = C - 1 if d is None else d
    if d < C - 1:
        raise InputError("d", d, f"a simplex ETF of {C} vectors needs d >= {C - 1}")
    # Helmert's orthonormal basis of the hyperplane sum = 0: the rows, centred unit vectors seen in that basis
    helmert = np.zeros((C, d))
    for j in range(1, C):
        helmert[:j, j - 1] = 1.0
        helmert[j, j - 1] = -j
        helmert[:, j - 1] /= np.sqrt(j * (j + 1.0))
    frame = normalized(helmert)
    if seed is None:
        return frame
    basis, triangular = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return frame @ (basis * np.sign(np.diag(triangular)))


def off_diagonal(G: Float[np.ndarray, "C C"]) -> Float[np.ndarray, " pairs"]:
    """The `C (C-1) / 2` cosines above the diagonal."""
    return G[np.triu_indices(G.shape[0], 1)]


def max_cosine_error(G: Float[np.ndarray, "C C"], target: float) -> float:
    """`max_{c != j} |G_cj - target|`: for `target = -1/(C-1)` the distance from the simplex ETF."""
    return float(np.max(np.abs(off_diagonal(G) - target)))


def equiangularity(G: Float[np.ndarray, "C C"]) -> float:
    """The spread `max - min` of the cosines between distinct classes: 0 iff equiangular."""
    return float(np.ptp(off_diagonal(G)))


def rank(G: Float[np.ndarray, "C C"], tolerance: float = 1e-7) -> int:
    """The number of eigenvalues of `G` above `tolerance` times the largest."""
    eigenvalues = np.linalg.eigvalsh(G)
    return int(np.sum(eigenvalues > tolerance * eigenvalues[-1]))


def effective_rank(G: Float[np.ndarray, "C C"]) -> float:
    """`exp(-sum p log p)`, `p` the eigenvalues of `G` over their sum (Roy & Vetterli 2007)."""
    eigenvalues = np.clip(np.linalg.eigvalsh(G), 0.0, None)
    p = eigenvalues[eigenvalues > 0] / np.sum(eigenvalues)
    return float(np.exp(-np.sum(p * np.log(p))))
