"""Kind `global-optimum`: the minimum of the contrastive loss lies in [lower, upper], for d >= C-1 dimensions.

Statement: loss, k, temperature, d, rho, lower, upper; optionally minimizer {gram, radius}: every entry of the
optimal Gram matrix is within radius of gram's. Witness: embeddings (a row for each class, of any length) and
shift (eps of `dual`); the rest, such as the maker's precision, is not used.
"""

from __future__ import annotations

from fractions import Fraction

from verify.checker.dual import enclose_optimum, read_embeddings, read_problem
from verify.checker.intervals import enclose, high, low, resolve
from verify.checker.reading import Fields
from verify.checker.verdict import Rejected, Unreadable, Unresolved


def bits_for(width: Fraction) -> int:
    """Bits that resolve a positive width, with some to spare."""
    return max(48, width.denominator.bit_length() - width.numerator.bit_length() + 20)


def compare_interval(
    lower: Fraction, upper: Fraction, low_found: Fraction, high_found: Fraction, gap: Fraction
) -> None:
    """Require `lower <= v - gap` and `v <= upper` for the number v in [low_found, high_found]."""
    if lower > high_found:
        raise Rejected("the lower bound exceeds the loss that the witness attains")
    if lower > high_found - gap:
        raise Rejected("the witness does not prove the lower bound")
    if upper < low_found:
        raise Rejected("the witness does not attain the upper bound")
    if lower > low_found - gap or upper < high_found:
        raise Unresolved("the interval is not decided at this precision")


def check(statement: Fields, witness: Fields) -> str:
    problem = read_problem(statement)
    lower, upper = statement.rational("lower"), statement.rational("upper")
    if lower >= upper:
        raise Rejected("the interval [lower, upper] has no interior")
    C = len(problem.rho)
    minimizer = statement.object("minimizer") if "minimizer" in statement.data else None
    if minimizer is not None:
        gram, radius = minimizer.matrix("gram"), minimizer.rational("radius")
        minimizer.done()
        if len(gram) != C or len(gram[0]) != C:
            raise Unreadable("statement.minimizer.gram: a C x C matrix is needed")
    embeddings, shift = read_embeddings(witness, C), witness.rational("shift")
    if shift <= 0:
        raise Rejected("the shift is not positive")

    def attempt(bits: int) -> None:
        found = enclose_optimum(problem, embeddings, shift, bits)
        compare_interval(lower, upper, low(found.loss), high(found.loss), shift)
        if minimizer is None:
            return
        if found.radius is None:
            raise Rejected("the minimizer of this loss is not enclosed by this checker")
        for c in range(C):
            for j in range(C):
                distance = abs(found.gram[c][j] - enclose(found.ctx, gram[c][j])) + found.radius[c][j]
                if low(distance) > radius:
                    raise Rejected("the witness does not prove the claim about the minimizer")
                if high(distance) > radius:
                    raise Unresolved("the claim about the minimizer is not decided at this precision")

    resolve(bits_for(min(shift, upper - lower)), attempt)
    return "the minimum is enclosed by a feasible point and a dual bound"
