"""Balanced classes: the minimum over all representations, enclosed in closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from flint import ctx

from theory.errors import InputError
from theory.problem import Problem
from verify.certify.balls import Ball, ball, bounds
from verify.certify.document import document, down, ratio, up
from verify.certify.losses import find, get
from verify.certify.rows import law, row_losses

#: The loss that has no row, and whose minimum is enclosed here all the same.
HINGE = "hinge"


@dataclass(frozen=True)
class EtfProof:
    """`lower <= min L_k <= upper` for a uniform prior, over all representations in `d >= C-1`
    dimensions; the minimum is attained at the simplex ETF (verify.checker.etf_optimality has the proof)."""

    problem: Problem
    status: str
    reason: str
    lower: Fraction | None = None
    upper: Fraction | None = None

    def certificate(self) -> dict[str, Any]:
        """The certificate `etf-optimality`, which needs no witness."""
        if self.lower is None or self.upper is None:
            raise ValueError(f"nothing was proven: {self.reason}")
        problem = self.problem
        statement = {
            "kind": "etf-optimality",
            **({"loss": HINGE} if problem.loss_name == HINGE else get(problem.loss_name).stated()),
            "C": problem.population.C,
            "k": problem.k,
            "temperature": ratio(problem.temperature),
            "d": problem.d,
            **problem.objective.stated(),
            "lower": ratio(self.lower),
            "upper": ratio(self.upper),
        }
        return document(statement, {})


def prove_etf(problem: Problem, *, width: Fraction = Fraction(1, 10**30)) -> EtfProof:
    """Enclose the minimum for C equal classes and k negatives to `width`.

    `L* = E l(0 (m times), b (k-m times))`, `m ~ Bin(k, 1/C)`, `b = C / ((C-1) temperature)`: convexity, Jensen given
    the collision pattern, and monotonicity (derived: verify.checker.etf_optimality). Without collisions m = 0.

    Raises:
        InputError: if the classes are not equal, k is not an integer, or `d < C-1`, where no simplex ETF exists.
    """
    C, k, loss = problem.population.C, problem.integer_k, problem.loss_name
    if not problem.population.is_uniform:
        raise InputError("rho", "a prior that is not uniform", "the simplex ETF is optimal for equal classes")
    if problem.d < C - 1:
        raise InputError("d", problem.d, f"a simplex ETF of {C} classes needs d >= {C - 1}")
    if not 0 < width < 1:
        raise InputError("width", width, "accepted: a number between 0 and 1")
    proof = EtfProof(problem, "undecided", f"no proof for the loss '{loss}'")
    if loss != HINGE and find(loss) is None:
        return proof
    bits = (8 / width).__ceil__().bit_length() + k.bit_length()
    low, high = bounds(_minimum(problem, bits))
    margin, digits = width / 8, len(str((64 / width).__ceil__()))
    lower, upper = down(low - margin, digits), up(high + margin, digits)
    return replace(proof, status="proved", reason="convexity", lower=lower, upper=upper)


def _minimum(problem: Problem, bits: int) -> Ball:
    loss, C, k = problem.loss_name, problem.population.C, problem.integer_k
    with ctx.workprec(bits + 2 * k.bit_length() + 32):
        b, collision = Fraction(C, C - 1) * problem.beta, problem.objective.own(Fraction(1, C))
        if loss == HINGE:
            none = ball(1 - collision) ** k
            return 1 - none + none * ball(max(Fraction(0), 1 - b))
        pairs = law([(0, collision), (1, 1 - collision)])
        return row_losses(loss, k, [ball(1), ball(-b).exp()], [pairs], bits, problem.objective.pool)[0][0]
