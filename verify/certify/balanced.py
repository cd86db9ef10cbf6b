"""Balanced classes: the minimum over all representations, enclosed in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import ctx

from theory.errors import InputError
from verify.certify.balls import Ball, ball, bounds
from verify.certify.document import document, down, ratio, up
from verify.certify.losses import find, get
from verify.certify.rows import row_losses

#: The loss that has no row, and whose minimum is enclosed here all the same.
HINGE = "hinge"


@dataclass(frozen=True)
class EtfProof:
    """`lower <= min L_k <= upper` for the uniform prior on C classes, over all representations in `d >= C-1`
    dimensions; the minimum is attained at the simplex ETF (verify.checker.etf_optimality has the proof)."""

    C: int
    k: int
    d: int
    loss: str
    temperature: Fraction
    status: str
    reason: str
    lower: Fraction | None = None
    upper: Fraction | None = None

    def certificate(self) -> dict[str, Any]:
        """The certificate `etf-optimality`, which needs no witness."""
        if self.lower is None or self.upper is None:
            raise ValueError(f"nothing was proven: {self.reason}")
        statement = {
            "kind": "etf-optimality",
            **({"loss": HINGE} if self.loss == HINGE else get(self.loss).stated()),
            "C": self.C,
            "k": self.k,
            "temperature": ratio(self.temperature),
            "d": self.d,
            "lower": ratio(self.lower),
            "upper": ratio(self.upper),
        }
        return document(statement, {})


def prove_etf(
    C: int,
    k: int,
    *,
    loss: str = "logistic",
    temperature: Fraction = Fraction(1),
    d: int | None = None,
    width: Fraction = Fraction(1, 10**30),
) -> EtfProof:
    """Enclose the minimum for C equal classes and k negatives to `width`.

    `L* = E l(0 (m times), b (k-m times))`, `m ~ Bin(k, 1/C)`, `b = C / ((C-1) temperature)`: convexity, Jensen given
    the collision pattern, and monotonicity (derived: verify.checker.etf_optimality).

    Raises:
        InputError: if C < 2, k is not a positive integer, or `d < C-1`, where no simplex ETF exists.
    """
    d = C if d is None else d
    if C < 2:
        raise InputError("C", C, "at least 2 classes are needed")
    if not isinstance(k, int) or k < 1:
        raise InputError("k", k, "a proof needs an integer k >= 1")
    if d < C - 1:
        raise InputError("d", d, f"a simplex ETF of {C} classes needs d >= {C - 1}")
    if not 0 < width < 1:
        raise InputError("width", width, "accepted: a number between 0 and 1")
    proof = EtfProof(C, k, d, loss, temperature, "undecided", f"no proof for the loss '{loss}'")
    if loss != HINGE and find(loss) is None:
        return proof
    bits = (8 / width).__ceil__().bit_length() + k.bit_length()
    low, high = bounds(_minimum(loss, C, k, temperature, bits))
    margin, digits = width / 8, len(str((64 / width).__ceil__()))
    return EtfProof(
        C, k, d, loss, temperature, "proved", "convexity", down(low - margin, digits), up(high + margin, digits)
    )


def _minimum(loss: str, C: int, k: int, temperature: Fraction, bits: int) -> Ball:
    with ctx.workprec(bits + 2 * k.bit_length() + 32):
        b, collision = Fraction(C, C - 1) / temperature, Fraction(1, C)
        if loss == HINGE:
            none = ball(1 - collision) ** k
            return 1 - none + none * ball(max(Fraction(0), 1 - b))
        law = ((0, collision), (1, 1 - collision))
        return row_losses(loss, k, [ball(1), ball(-b).exp()], [law], bits)[0][0]
