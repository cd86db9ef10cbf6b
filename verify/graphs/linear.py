r"""Encoders that are linear in given features and have outputs of unit length: `G = Phi M Phi^T`, M psd, diag(G) = 1.

The loss is convex in M. With an orthonormal basis Phi of the column space (n x r) the constraints are linear, and `M
= M0 + sum_j z_j N_j` over their solutions; for `n > r (r+1)/2` points in general position there is none. A barrier
method over z,

    minimize L(Phi M Phi^T) - mu log det M,   mu -> 0,

ends near `Phi^T (A - Diag(y)) Phi = mu M^-1`, so that `Phi^T (A - Diag(y)) Phi M` is nearly 0, which gives the
multipliers y by least squares. They are in general *not* diag(A G). The dual bound (derived): for any y, `S = A -
Diag(y)`, if `Phi^T (S + eps Diag(pi)) Phi` is psd, then for every feasible G'

    L(G') >= L(G) - <A, G> + sum y - eps,

since `<A, G'> = <Phi^T S Phi, M'> + sum y` and `<Phi^T Diag(pi) Phi, M'> = sum_i pi_i = 1`. In double precision.

Normalizing the outputs of a linear map is another problem, and not a convex one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.linalg import LinAlgError, cho_factor, cho_solve, null_space

from theory.augmentation.graph import Graph
from theory.errors import InputError
from theory.problem import Problem
from verify import limits
from verify.graphs.means import GraphMeans
from verify.optimize.barrier import Optimum

_FALL, _LAST, _STEPS = 0.1, 1e-13, 60


def minimize_linear(problem: Problem[Graph], features: Float[np.ndarray, "n p"]) -> Optimum:
    """The optimum over linear encoders with outputs of unit length.

    Raises:
        InputError: if there is none, the features have rank above `ENCODER_RANK`, or the graph has groups.
    """
    if max(problem.population.counts) > 1:
        raise InputError("encoder", "linear", "a linear encoder needs one group for each point")
    left, singular, _ = np.linalg.svd(features, full_matrices=False)
    Phi = left[:, singular > 1e-10 * singular[0]]
    r = Phi.shape[1]
    if r > limits.ENCODER_RANK:
        raise InputError("encoder", f"features of rank {r}", f"accepted: a rank of at most {limits.ENCODER_RANK}")
    first, second = np.triu_indices(r)
    times = np.where(first == second, 1.0, np.sqrt(2.0))
    # symmetric matrices as vectors, with the inner product of matrices
    rows = Phi[:, first] * Phi[:, second] * times
    solution, *_ = np.linalg.lstsq(rows, np.ones(len(Phi)), rcond=None)
    if np.max(np.abs(rows @ solution - 1)) > 1e-9:
        raise InputError("encoder", f"{len(Phi)} points, rank {r}", "no linear map of these features has unit outputs")
    basis = null_space(rows, rcond=1e-12)

    def matrix(x: Float[np.ndarray, "*b v"]) -> Float[np.ndarray, "*b r r"]:
        M = np.zeros((*x.shape[:-1], r, r))
        M[..., first, second] = x / times
        M[..., second, first] = x / times
        return M

    N = matrix(basis.T)
    M, loss = _interior(matrix(solution), N), GraphMeans(problem)
    directions = Phi @ N @ Phi.T
    mu, steps = 1.0, 0
    while mu >= _LAST and len(N):
        M, taken, done = _center(loss, Phi, M, N, directions, mu)
        steps += taken
        if not done:
            break
        mu *= _FALL
    G = Phi @ M @ Phi.T
    np.fill_diagonal(G, 1.0)
    local = loss.derivatives(G, hessian=False)
    # Phi^T (A - Diag(y)) Phi M = 0, as nearly as can be
    pulled = np.einsum("ia,ib->iab", Phi, Phi @ M).reshape(len(Phi), -1).T
    y, *_ = np.linalg.lstsq(pulled, (Phi.T @ local.gradient @ Phi @ M).ravel(), rcond=None)
    slack = Phi.T @ (local.gradient - np.diag(y)) @ Phi
    weights = Phi.T @ (loss.totals[:, None] * Phi)
    root = np.linalg.inv(np.linalg.cholesky(weights))
    shift = max(0.0, -float(np.linalg.eigvalsh(root @ slack @ root.T)[0]))
    lower = local.value - float(np.sum(local.gradient * G)) + float(np.sum(y)) - shift
    return Optimum(G, loss.scale * local.value, loss.scale * lower, mu, steps)


def _interior(M: Float[np.ndarray, "r r"], N: Float[np.ndarray, "j r r"]) -> Float[np.ndarray, "r r"]:
    """A positive definite solution: the analytic centre of `M + s I`, s falling.

    Raises:
        InputError: if none is found.
    """
    eye = np.eye(len(M))
    s = max(0.0, -2 * float(np.linalg.eigvalsh(M)[0])) + 1e-3
    for _ in range(400):
        shifted = M + s * eye
        inverse = np.linalg.inv(shifted)
        if len(N):
            weighted = np.einsum("ab,jbc->jac", inverse, N)
            gradient = -np.einsum("jaa->j", weighted)
            hessian = np.einsum("jab,lba->jl", weighted, weighted)
            move = -np.linalg.lstsq(hessian, gradient, rcond=None)[0]
            decrement = float(np.sqrt(max(0.0, -gradient @ move)))
            M = M + np.einsum("j,jab->ab", move / (1 + decrement), N)
        least = float(np.linalg.eigvalsh(M)[0])
        if least > 1e-7:
            return M
        s = max(-least, 0.0) + 0.5 * (s + least)
        if s + least < 1e-9:
            break
    raise InputError("encoder", f"rank {len(M)}", "no linear map of these features has unit outputs (to 1e-7)")


def _center(
    loss: GraphMeans,
    Phi: Float[np.ndarray, "n r"],
    M: Float[np.ndarray, "r r"],
    N: Float[np.ndarray, "j r r"],
    directions: Float[np.ndarray, "j n n"],
    mu: float,
) -> tuple[Float[np.ndarray, "r r"], int, bool]:
    def value(M: Float[np.ndarray, "r r"]) -> float:
        try:
            logdet = 2 * float(np.sum(np.log(np.diag(np.linalg.cholesky(M)))))
        except np.linalg.LinAlgError:
            return np.inf
        return loss.derivatives(Phi @ M @ Phi.T, hessian=False).value - mu * logdet

    current = value(M)
    for step in range(_STEPS):
        local = loss.derivatives(Phi @ M @ Phi.T)
        assert local.hessian is not None
        weighted = np.einsum("ab,jbc->jac", np.linalg.inv(M), N)
        gradient = np.einsum("ab,jab->j", local.gradient, directions) - mu * np.einsum("jaa->j", weighted)
        curved = np.einsum("gab,jgb->jga", local.hessian, directions)
        hessian = np.einsum("jga,lga->jl", curved, directions) + mu * np.einsum("jab,lba->jl", weighted, weighted)
        try:
            move = -cho_solve(cho_factor(hessian), gradient)
        except (LinAlgError, ValueError):
            return M, step, False
        decrement = -float(gradient @ move)
        if decrement <= 1e-6 * mu:
            return M, step, True
        size, change = 1.0, np.einsum("j,jab->ab", move, N)
        while size > 1e-10:
            trial = value(M + size * change)
            if trial <= current - 0.1 * size * decrement + 1e-15 * abs(current):
                break
            size /= 2
        else:
            return M, step, decrement <= 0.1 * mu
        M, current = M + size * change, trial
    return M, _STEPS, False
