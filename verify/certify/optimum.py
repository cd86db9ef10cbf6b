"""The minimum over class embeddings, proven: a rational point near the optimum and a dual bound at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from jaxtyping import Float
from scipy.linalg import LinAlgError

from theory.errors import InputError
from theory.priors import Prior
from verify.certify.document import document, down, ratio, up
from verify.certify.enclosure import LOSSES, Enclosure, OutOfReach, Problem, ball, bounds, enclose, is_positive_definite
from verify.certify.newton import NewtonStep, derivatives

MAX_CLASSES = 256
MAX_BITS = 4096
_RANK_TOLERANCES = (1e-8, 1e-5, 1e-11, 1e-3)
_FLOAT_STEPS = 40
_ROUNDS = 20


@dataclass(frozen=True)
class OptimumProof:
    """An enclosure of `min L_k` over embeddings in `d >= C-1` dimensions, and of the optimal Gram matrix.

    `lower <= min L <= upper` is proven if `status` is "proved"; else all of it is None and `reason` says why.
    Every entry of the optimal Gram matrix is within `gram_radius` of `gram` (None for the decoupled loss, which
    need not be strictly convex). `embeddings` (integer rows, to be normalized) and `shift` are the witness: S +
    shift Diag(rho) is positive definite there (verify.checker.dual has the proof that this bounds the minimum).
    """

    problem: Problem
    d: int
    status: str
    reason: str
    lower: Fraction | None = None
    upper: Fraction | None = None
    gram: tuple[tuple[Fraction, ...], ...] | None = None
    gram_radius: Fraction | None = None
    embeddings: tuple[tuple[int, ...], ...] | None = None
    shift: Fraction | None = None
    bits: int = 0

    def certificate(self) -> dict[str, Any]:
        """The certificate `global-optimum`; without the minimizer where none is enclosed."""
        if self.lower is None or self.upper is None or self.embeddings is None or self.shift is None:
            raise ValueError(f"nothing was proven: {self.reason}")
        statement: dict[str, Any] = {
            "kind": "global-optimum",
            "loss": self.problem.loss,
            "k": self.problem.k,
            "temperature": ratio(1 / self.problem.beta),
            "d": self.d,
            "rho": [ratio(r) for r in self.problem.rho],
            "lower": ratio(self.lower),
            "upper": ratio(self.upper),
        }
        if self.gram is not None and self.gram_radius is not None:
            gram = [[ratio(g) for g in row] for row in self.gram]
            statement["minimizer"] = {"gram": gram, "radius": ratio(self.gram_radius)}
        embeddings = [[ratio(Fraction(x)) for x in row] for row in self.embeddings]
        return document(statement, {"embeddings": embeddings, "shift": ratio(self.shift), "precision": self.bits})


def prove_optimum(
    prior: Prior,
    k: int,
    embeddings: Float[np.ndarray, "C d"],
    *,
    loss: str = "logistic",
    temperature: Fraction = Fraction(1),
    d: int | None = None,
    width: Fraction = Fraction(1, 10**20),
) -> OptimumProof:
    """Enclose the minimum of `L_k` for this prior to `width`, from an optimizer's embeddings.

    The rank is read off the singular values, the embeddings are polished by Newton's method in float64 and then
    in balls until the dual slack at the exact normalized rows is proven positive definite after a shift of
    `width/4`. Rank 1 is snapped to signs, which are exact.

    Raises:
        InputError: if k is not a positive integer, `d < C-1` (no Gram matrix of rank d need attain the bound), or
            the embeddings do not have C finite rows.
    """
    C = prior.C
    d = C if d is None else d
    if not isinstance(k, int) or k < 1:
        raise InputError("k", k, "a proof needs an integer k >= 1")
    if d < C - 1:
        raise InputError("d", d, f"a proof of the optimum needs d >= C-1 = {C - 1}")
    if not 0 < width < 1:
        raise InputError("width", width, "accepted: a number between 0 and 1")
    U = np.asarray(embeddings, dtype=np.float64)
    if U.ndim != 2 or len(U) != C or not np.isfinite(U).all() or not np.linalg.norm(U, axis=1).all():
        raise InputError("embeddings", U.shape, f"{C} rows, finite and not zero")
    problem = Problem(loss, k, 1 / temperature, prior.rho if C <= MAX_CLASSES else ())
    failed = OptimumProof(problem, d, "undecided", "")
    if loss not in LOSSES:
        return replace(failed, reason=f"no proof for the loss '{loss}' with this prior; proven are {', '.join(LOSSES)}")
    if C > MAX_CLASSES:
        return replace(failed, reason=f"proofs are made for at most {MAX_CLASSES} classes")
    reason = "no stationary point of full rank was found near the embeddings"
    for start in _candidates(problem, U):
        try:
            proof = _prove(replace(failed, reason=reason), start, width)
        except OutOfReach as out:
            reason = str(out)
            continue
        if proof.status == "proved":
            return proof
        reason = proof.reason
    return replace(failed, reason=reason)


def _candidates(problem: Problem, U: Float[np.ndarray, "C d"]) -> list[Float[np.ndarray, "C r"]]:
    """Stationary points near U, of the ranks that its singular values suggest; the best dual bound first."""
    U = U / np.linalg.norm(U, axis=1)[:, None]
    left, singular, _ = np.linalg.svd(U, full_matrices=False)
    most = len(U) - 1  # an optimal Gram matrix is singular
    ranks = dict.fromkeys(min(most, max(1, int(np.sum(singular > tolerance)))) for tolerance in _RANK_TOLERANCES)
    rho = np.array([float(r) for r in problem.rho])
    found = []
    for r in ranks:
        V = left[:, :r] * singular[:r]
        norms = np.linalg.norm(V, axis=1)
        if norms.min() < 0.5:
            continue
        V = np.sign(V) if r == 1 else V / norms[:, None]
        try:
            V = _polish(problem, V, rho)
        except LinAlgError:
            continue
        local = derivatives(problem.loss, problem.k, float(problem.beta), rho, V @ V.T)
        slack = local.slack(V) / np.sqrt(np.outer(rho, rho))
        # Below rounding the dual bounds are equal, and the smaller rank is the better conditioned.
        found.append((max(-float(np.linalg.eigvalsh(slack)[0]), 1e-10), r, V))
    return [V for _, _, V in sorted(found, key=lambda item: item[:2])]


def _newton(problem: Problem, U: Float[np.ndarray, "C r"], rho: Float[np.ndarray, " C"]) -> NewtonStep:
    return NewtonStep(U, rho, derivatives(problem.loss, problem.k, float(problem.beta), rho, U @ U.T))


def _polish(problem: Problem, U: Float[np.ndarray, "C r"], rho: Float[np.ndarray, " C"]) -> Float[np.ndarray, "C r"]:
    """Newton's method in float64 until it stalls."""
    if U.shape[1] == 1:
        return U
    previous = np.inf
    for _ in range(_FLOAT_STEPS):
        newton = _newton(problem, U, rho)
        move = newton.step(newton.slack @ U)
        size = float(np.abs(move).max())
        if not isfinite(size) or size >= previous / 2:
            break
        previous = size
        U = U + move * min(1.0, 0.3 / size)
        U /= np.linalg.norm(U, axis=1)[:, None]
        if size < 1e-12:
            break
    return U


def _prove(failed: OptimumProof, U: Float[np.ndarray, "C r"], width: Fraction) -> OptimumProof:
    """Refine U until the bracket at its exact rational rounding is no wider than `width`.

    Each round encloses loss and gradient at the rounded rows, tries to conclude, and else takes a Newton step. A step
    of size s leaves an error of about 1e-12 s, so the next round asks for as many bits as can pay.
    """
    problem = failed.problem
    rho = np.array([float(r) for r in problem.rho])
    newton = None
    if U.shape[1] > 1:
        try:
            newton = _newton(problem, U, rho)
        except LinAlgError:
            return replace(failed, reason="the Hessian at the optimizer's point is not positive definite")
    skew = (1 / min(problem.rho)).__ceil__().bit_length()
    needed = _shift(width).denominator.bit_length() + skew + 16
    bits = needed if newton is None else min(needed, 100 + skew)
    places = 0 if newton is None else bits + 16
    rows = [[round(Fraction(x) * 2**places) for x in row] for row in U]
    size = np.inf
    for _ in range(_ROUNDS):
        if bits > MAX_BITS:
            return replace(failed, reason=f"the width needs more than {MAX_BITS} bits")
        local = enclose(problem, rows, bits)
        if bits >= needed:
            proof, definite = _conclude(failed, local, rows, width, bits)
            if proof is not None:
                return proof
            if newton is None and definite is False:
                break
        wanted = needed if newton is None else bits
        if newton is not None:
            move = newton.step(_residual(local, rows, bits))
            previous, size = size, float(np.abs(move).max())
            if not isfinite(size) or size > max(previous, 2.0 ** -(bits / 2)):  # below that it may be rounding
                break
            rows = [
                [x + round(Fraction(v) * 2**places) for x, v in zip(row, moves, strict=True)]
                for row, moves in zip(rows, move.tolist(), strict=True)
            ]
            wanted = max(bits, 70 + skew - int(np.log2(max(size, 1e-300))))
        if bits >= needed and (newton is None or wanted > bits + 60):
            needed += 40  # the point is as good as it can be at this precision: elimination lost the digits
        wanted = min(needed, max(bits, wanted))
        if newton is not None:
            rows = [[x << (wanted - bits) for x in row] for row in rows]
            places += wanted - bits
        bits = wanted
    return replace(failed, reason="the dual slack was not proven positive semidefinite at any precision tried")


def _shift(width: Fraction) -> Fraction:
    """A power of two of at most `width/4`."""
    return Fraction(1, 1 << (4 / width).__ceil__().bit_length())


def _residual(local: Enclosure, rows: list[list[int]], bits: int) -> Float[np.ndarray, "C r"]:
    """`S U` in float64, u the normalized rows, each entry good to its own last digits."""
    with ctx.workprec(bits + 64):
        norms = [arb(sum(x * x for x in row)).sqrt() for row in rows]
        U = arb_mat([[x / norm for x in row] for row, norm in zip(rows, norms, strict=True)])
        along = arb_mat(local.gradient) * U
        residual = []
        for c, (gradient, gram) in enumerate(zip(local.gradient, local.gram, strict=True)):
            y = sum((a * g for a, g in zip(gradient, gram, strict=True)), arb(0))
            residual.append([float(along[c, i] - y * U[c, i]) for i in range(len(rows[0]))])
        return np.array(residual)


def _conclude(
    failed: OptimumProof, local: Enclosure, rows: list[list[int]], width: Fraction, bits: int
) -> tuple[OptimumProof | None, bool | None]:
    """The proof at this point if there is one, and whether the shifted slack is positive definite."""
    problem, shift = failed.problem, _shift(width)
    with ctx.workprec(bits + problem.guard_bits):
        slack = local.slack()
        for c, r in enumerate(problem.rho):
            slack[c][c] += ball(shift * r)
        definite = is_positive_definite(slack)
    low, high = bounds(local.loss)
    if high - low > width / 16 or not definite:
        return None, definite
    # An eighth of the width at both ends leaves a checker room for errors of its own.
    margin, digits = width / 8, len(str((64 / width).__ceil__()))
    proof = replace(
        failed,
        status="proved",
        reason="a feasible point and a dual bound",
        lower=down(low - shift - margin, digits),
        upper=up(high + margin, digits),
        embeddings=tuple(tuple(row) for row in rows),
        shift=shift,
        bits=bits,
    )
    radius = gram_radius(problem, shift)
    if radius is None:
        return proof, definite
    digits = max(3, len(str((1 / radius).__ceil__())) + 2)
    gram = tuple(tuple(down(bounds(g)[0], digits) for g in row) for row in local.gram)
    gram = tuple(tuple(gram[max(c, j)][min(c, j)] for j in range(len(gram))) for c in range(len(gram)))
    return replace(proof, gram=gram, gram_radius=up(radius * Fraction(102, 100), digits)), definite


def gram_radius(problem: Problem, shift: Fraction) -> Fraction | None:
    r"""`max sqrt(eps / m_cj)`, `m_cj = beta^2 k rho_c rho_j w`, for a gap eps = `shift`; None if no w > 0 is known.

    With q = e^(-2 beta): w = q/(k+q)^2 (logistic), q (exponential), q/(1+q)^2 (separable), from the strong convexity of
    the loss in the off-diagonal entries of G over the elliptope (verify.checker.dual, step 6).
    """
    if problem.loss == "decoupled":
        return None
    q = ball(-2 * problem.beta).exp()
    weight = {"logistic": q / (problem.k + q) ** 2, "exponential": q, "separable": q / (1 + q) ** 2}[problem.loss]
    smallest = sorted(problem.rho)[:2]
    return bounds((ball(shift / (problem.beta**2 * problem.k * smallest[0] * smallest[1])) / weight).sqrt())[1]
