"""The minimum over class embeddings, proven: a rational point near the optimum and a dual bound at it.

Classes of equal mass may be taken as one group: the unknown is then the m x m matrix B of the groups' mean embeddings
(`theory.groups`). Where no classes are taken together every group is one class, and B is the Gram matrix itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import frexp, isfinite, ldexp
from typing import Any

import numpy as np
from flint import arb, arb_mat, ctx
from jaxtyping import Float
from scipy.linalg import LinAlgError

from theory.errors import InputError
from theory.problem import Problem
from verify import limits
from verify.certify.balls import ball, bounds
from verify.certify.definite import is_positive_definite
from verify.certify.document import document, down, ratio, up
from verify.certify.enclosure import Enclosure, Point, enclose, guard_bits
from verify.certify.gram_radius import gram_radius
from verify.certify.losses import find, get, unproved
from verify.certify.rows import OutOfReach
from verify.optimize.starts import Start, candidates, newton_step, starts_near
from verify.results.digits import round_up

MAX_BITS = 4096
_ROUNDS = 20


@dataclass(frozen=True)
class OptimumProof:
    """An enclosure of `min L_k` in the groups of the problem's prior, and of the optimal cosines.

    `lower <= min L <= upper` is proven if `status` is "proved"; else all of it is None and `reason` says why.
    Every entry of the optimal Gram matrix is within `gram_radius` of `gram` (None for the decoupled loss, which
    need not be strictly convex, for `d < C-1`, and where the radius would be 2 or more, which is true of any
    cosines); for groups, its entries are the cosines between and, on the diagonal, within them.
    `point` and `shift` are the witness: S + shift Diag(totals) is positive definite there (verify.checker.dual has the
    proof that this bounds the minimum). `rank` bounds that of the witness's Gram matrix of all classes; that of
    the optimal one may be larger (`verify.certify.rank`).
    """

    problem: Problem
    status: str
    reason: str
    lower: Fraction | None = None
    upper: Fraction | None = None
    gram: tuple[tuple[Fraction, ...], ...] | None = None
    gram_radius: Fraction | None = None
    point: Point | None = None
    shift: Fraction | None = None
    rank: int = 0
    bits: int = 0

    def doubles(self) -> tuple[list[list[float]], float]:
        """`gram` in doubles, and its radius with what that rounding adds."""
        assert self.gram is not None and self.gram_radius is not None
        rounded = [[float(g) for g in row] for row in self.gram]
        pairs = [pair for rows in zip(rounded, self.gram, strict=True) for pair in zip(*rows, strict=True)]
        return rounded, round_up(self.gram_radius + max(abs(Fraction(near) - exact) for near, exact in pairs))

    def certificate(self) -> dict[str, Any]:
        """The certificate `global-optimum`; without the minimizer where none is enclosed."""
        if self.lower is None or self.upper is None or self.point is None or self.shift is None:
            raise ValueError(f"nothing was proven: {self.reason}")
        problem, prior, point = self.problem, self.problem.population, self.point
        grouped = max(prior.counts) > 1  # without groups the problem is that of the classes, and so is its certificate
        statement: dict[str, Any] = {
            "kind": "global-optimum",
            **get(problem.loss_name).stated(),
            "k": problem.k,
            "temperature": ratio(problem.temperature),
            "d": problem.d,
            **problem.objective.stated(),
            "rho": [ratio(r) for r in prior.masses],
            "lower": ratio(self.lower),
            "upper": ratio(self.upper),
        }
        if grouped:
            statement["counts"] = list(prior.counts)
        if self.gram is not None and self.gram_radius is not None:
            gram = [[ratio(g) for g in row] for row in self.gram]
            statement["minimizer"] = {"gram": gram, "radius": ratio(self.gram_radius)}
        # a group's row shorter than 1 is a mean, any other a direction: twice its length is safely the latter
        lengths = [Fraction(2 - (g in point.free), point.unit) if grouped else 1 for g in range(len(point.rows))]
        embeddings = [
            [ratio(Fraction(x) * length) for x in row] for row, length in zip(point.rows, lengths, strict=True)
        ]
        return document(statement, {"embeddings": embeddings, "shift": ratio(self.shift), "precision": self.bits})


def prove_optimum(
    problem: Problem, embeddings: Float[np.ndarray, "C d"], *, width: Fraction = Fraction(1, 10**20)
) -> OptimumProof:
    """Enclose the minimum of `L_k` to `width`, class by class, from an optimizer's embeddings.

    The rank is read off the singular values, the embeddings are polished by Newton's method in float64 and then
    in balls until the dual slack at the exact normalized rows is proven positive definite after a shift of
    `width/4`. Rank 1 is snapped to signs, which are exact.

    Raises:
        InputError: if k is not an integer, `d < C-1` (no Gram matrix of rank d need attain the bound), or the
            embeddings do not have C finite rows.
    """
    C = problem.population.C
    _check_width(width)
    check_d(problem)
    U = np.asarray(embeddings, dtype=np.float64)
    if U.ndim != 2 or len(U) != C or not np.isfinite(U).all() or not np.linalg.norm(U, axis=1).all():
        raise InputError("embeddings", U.shape, f"{C} rows, finite and not zero")
    if C > limits.POLISHED_CLASSES:
        return OptimumProof(problem, "undecided", f"proofs are made for at most {limits.POLISHED_CLASSES} classes")
    return prove_grouped(replace(problem, population=problem.population.split()), starts_near(U), width=width)


def prove_grouped(problem: Problem, starts: Sequence[Start], *, width: Fraction = Fraction(1, 10**20)) -> OptimumProof:
    """Enclose the minimum in the groups of the prior, from candidates for their mean embeddings (module docstring).

    Nothing is proven if `d` is less than both C-1 and the rank of the optimum.

    Raises:
        InputError: if k is not an integer.
    """
    _check_width(width)
    failed, loss, _ = OptimumProof(problem, "undecided", ""), problem.loss_name, problem.integer_k
    if find(loss) is None:
        return replace(failed, reason=f"no proof for the loss '{loss}' with this prior; {unproved()}")
    reason = "no stationary point of full rank was found near the embeddings"
    for start in candidates(problem, starts):
        try:
            proof = _prove(replace(failed, reason=reason), start, width)
        except OutOfReach as out:
            reason = str(out)
            continue
        if proof.status == "proved":
            return proof
        reason = proof.reason
    return replace(failed, reason=reason)


def check_d(problem: Problem) -> None:
    """The optimum has rank C-1 at most.

    Raises:
        InputError: if it need not fit in d dimensions, or k is not an integer.
    """
    least, _ = problem.population.C - 1, problem.integer_k
    if problem.d < least:
        raise InputError("d", problem.d, f"a proof of the optimum needs d >= C-1 = {least}")


def _check_width(width: Fraction) -> None:
    if not 0 < width < 1:
        raise InputError("width", width, "accepted: a number between 0 and 1")


def _prove(failed: OptimumProof, start: Start, width: Fraction) -> OptimumProof:
    """Refine the start until the bracket at its exact rational rounding is no wider than `width`.

    Each round encloses loss and gradient at the rounded rows, tries to conclude, and else takes a Newton step. A step
    of size s leaves an error of about 1e-12 s, so the next round asks for as many bits as can pay.
    """
    problem, least = failed.problem, min(failed.problem.embedded.totals)
    newton = None
    if not start.exact:
        try:
            newton = newton_step(problem, start)
        except LinAlgError:
            return replace(failed, reason="the Hessian at the optimizer's point is not positive definite")
    skew = (1 / least).__ceil__().bit_length()
    needed = _shift(width).denominator.bit_length() + skew + 16
    bits = needed if newton is None else min(needed, 100 + skew)
    places = 0 if newton is None else bits + 16
    free = frozenset(int(g) for g in np.flatnonzero(start.free))
    rows = [[_units(x, places) for x in row] for row in start.U.tolist()]
    size = np.inf
    for _ in range(_ROUNDS):
        if bits > MAX_BITS:
            return replace(failed, reason=f"the width needs more than {MAX_BITS} bits")
        point = Point(rows, free, 1 << places)
        if any(sum(x * x for x in rows[g]) >= point.unit**2 for g in free):
            return replace(failed, reason="the mean of a group's embeddings left the unit ball")
        local = enclose(problem, point, bits)
        if bits >= needed:
            proof, definite = _conclude(failed, local, point, width, bits)
            if proof is not None:
                return proof
            settled = newton is None or size < float(_shift(width) * least) / 1000
            if definite is False and settled:
                break
        wanted = needed if newton is None else bits
        if newton is not None:
            move = newton.step(_residual(local, point, bits))
            previous, size = size, float(np.abs(move).max())
            if not isfinite(size) or size > max(previous / 2, 2.0 ** -(bits / 2)):  # below that it may be rounding
                break
            rows = [
                [x + _units(v, places) for x, v in zip(row, moves, strict=True)]
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


def _units(x: float, places: int) -> int:
    """`x 2^places`, rounded; exact arithmetic on Fractions takes fifty times as long."""
    mantissa, exponent = frexp(x)
    shift = places + exponent - 53
    return int(ldexp(mantissa, 53)) << shift if shift >= 0 else round(ldexp(x, places))


def _residual(local: Enclosure, point: Point, bits: int) -> Float[np.ndarray, "m r"]:
    """`S U` in float64, u the rows of the point, each entry good to its own last digits."""
    with ctx.workprec(bits + 64):
        U = []
        for g, row in enumerate(point.rows):
            norm = arb(point.unit) if g in point.free else arb(sum(x * x for x in row)).sqrt()
            U.append([x / norm for x in row])
        along = arb_mat(local.gradient) * arb_mat(U)
        y = [arb(0) if g in point.free else product for g, product in enumerate(local.products())]
        return np.array([[float(along[g, i] - y[g] * x) for i, x in enumerate(row)] for g, row in enumerate(U)])


def _conclude(
    failed: OptimumProof, local: Enclosure, point: Point, width: Fraction, bits: int
) -> tuple[OptimumProof | None, bool | None]:
    """The proof at this point if there is one, and whether the shifted slack is positive definite."""
    problem, prior, shift = failed.problem, failed.problem.embedded, _shift(width)
    with ctx.workprec(bits + guard_bits(problem)):
        slack, products = local.slack(), local.products()
        for c, m in enumerate(prior.totals):
            slack[c][c] += ball(shift * m)
        definite = is_positive_definite(slack)
        signed = all(products[g] <= 0 for g, n in enumerate(prior.counts) if n > 1 and g not in point.free)
        gap = shift + bounds(sum((abs(products[g]) for g in point.free), arb(0)))[1]
    low, high = bounds(local.loss)
    if not (definite and signed) or max(high - low, gap - shift) > width / 16:
        return None, definite
    rank = len(point.rows[0]) + sum(prior.counts[g] - 1 for g in point.free)
    rank = min(rank, prior.C - 1)  # an optimal Gram matrix is singular
    if problem.d < rank:
        return replace(failed, reason=f"the optimum over all dimensions has rank {rank}", rank=rank), definite
    # An eighth of the width at both ends leaves a checker room for errors of its own.
    margin, digits = width / 8, len(str((64 / width).__ceil__()))
    proof = replace(
        failed,
        status="proved",
        reason="a feasible point and a dual bound",
        lower=down(low - gap - margin, digits),
        upper=up(high + margin, digits),
        point=point,
        shift=shift,
        rank=rank,
        bits=bits,
    )
    # in fewer dimensions a minimizer need not be this one, whatever this point's rank (verify.checker.dual, step 6)
    unique = problem.d >= prior.C - 1 and problem.objective.towers == 1
    radius = gram_radius(problem, gap) if unique else None
    if radius is None or radius >= 2:  # which says nothing of cosines
        return proof, definite
    digits = max(3, len(str((1 / radius).__ceil__())) + 2)
    half = [[down(bounds(g)[0], digits) for g in row[: c + 1]] for c, row in enumerate(local.cosines)]
    gram = tuple(tuple(half[max(c, j)][min(c, j)] for j in range(len(half))) for c in range(len(half)))
    return replace(proof, gram=gram, gram_radius=up(radius * Fraction(102, 100), digits)), definite
