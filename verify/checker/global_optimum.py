"""Kind `global-optimum`: the minimum of the contrastive loss lies in [lower, upper], in d dimensions.

Statement: loss, k, temperature, d, rho, lower, upper; optionally objective; optionally counts, the numbers of classes
of mass rho_g each (one each where it is absent); optionally minimizer {gram, radius}: every optimal cosine is within
radius of gram's entry, between groups or, on the diagonal, within one (1 for one class). d is at least C-1, C the
number of classes; with counts and without a minimizer the rank of the witness is enough. Witness: embeddings (a row for
each group, see `dual`) and shift (eps of `dual`); the rest, such as the maker's precision, is not used.
"""

from __future__ import annotations

from fractions import Fraction

from verify.checker.dual import enclose_optimum, rank, read_means, read_problem
from verify.checker.intervals import Interval, enclose, high, low, resolve
from verify.checker.reading import Fields
from verify.checker.verdict import Rejected, Unreadable, Unresolved


def bits_for(width: Fraction) -> int:
    """Bits that resolve a positive width, with some to spare."""
    return max(48, width.denominator.bit_length() - width.numerator.bit_length() + 20)


def compare_interval(lower: Fraction, upper: Fraction, below: Interval, above: Interval) -> None:
    """Require that `lower` is at most the number in `below`, and `upper` at least that in `above`."""
    if lower > high(above):
        raise Rejected("the lower bound exceeds the loss that the witness attains")
    if lower > high(below):
        raise Rejected("the witness does not prove the lower bound")
    if upper < low(above):
        raise Rejected("the witness does not attain the upper bound")
    if lower > low(below) or upper < high(above):
        raise Unresolved("the interval is not decided at this precision")


def check(statement: Fields, witness: Fields) -> str:
    problem, d = read_problem(statement)
    lower, upper = statement.rational("lower"), statement.rational("upper")
    if lower >= upper:
        raise Rejected("the interval [lower, upper] has no interior")
    groups = range(len(problem.rho))
    minimizer = statement.object("minimizer") if "minimizer" in statement.data else None
    if minimizer is not None:
        gram, radius = minimizer.matrix("gram"), minimizer.rational("radius")
        minimizer.done()
        if len(gram) != len(groups) or len(gram[0]) != len(groups):
            raise Unreadable("statement.minimizer.gram: a row and a column for each group are needed")
    means, shift = read_means(witness, problem.points[1]), witness.rational("shift")
    if shift <= 0:
        raise Rejected("the shift is not positive")
    C = sum(problem.counts)
    if problem.objective.towers == 2:
        # nothing is said of their minimizers (`towers`)
        if minimizer is not None or d < rank(problem, means):
            raise Rejected("the minimizer of two towers is not enclosed, and d must be the rank of the witness")
    elif d < min(C - 1, rank(problem, means)):
        raise Rejected("d is less than C-1, and than the rank of the witness")
    if minimizer is not None and d < C - 1:
        # the witness' rank says nothing of a minimizer's (`dual`, 6.)
        raise Rejected("d is less than C-1, so that no minimizer is enclosed")

    def attempt(bits: int) -> None:
        found = enclose_optimum(problem, means, shift, bits)
        compare_interval(lower, upper, found.lower, found.loss)
        if minimizer is None:
            return
        radii = found.radius()
        if radii is None:
            raise Rejected("the minimizer of this loss is not enclosed by this checker")
        for g in groups:
            for h in groups:
                distance = abs(found.cosines[g][h] - enclose(found.ctx, gram[g][h])) + radii[g][h]
                if low(distance) > radius:
                    raise Rejected("the witness does not prove the claim about the minimizer")
                if high(distance) > radius:
                    raise Unresolved("the claim about the minimizer is not decided at this precision")

    resolve(bits_for(min(shift, upper - lower)), attempt)
    return "the minimum is enclosed by a feasible point and a dual bound"
