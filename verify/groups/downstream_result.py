"""What `verify.downstream` reports of a minimizer that was found in groups."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from theory.errors import InputError
from theory.priors import Prior
from verify.groups.downstream import GroupedDownstream
from verify.groups.solve import pays
from verify.results import Status
from verify.supervised.bracket import Bracket
from verify.supervised.minimizer import STRICT

_WIDTH = Fraction(1, 10**17)


def applies(prior: Prior, loss: str, *, by_class: bool) -> bool:
    """Whether equal classes are taken together: not if the caller wants the classes one by one."""
    return loss in STRICT and pays(prior, loss) and not by_class


def fields(
    prior: Prior, k: int | float, d: int, loss: str, temperature: Fraction, weighting: str, tolerance: float
) -> dict[str, Any]:
    """Status, both brackets (exact or in doubles), accuracy, structure and note.

    Raises:
        InputError: if `d` does not hold the minimizer.
    """
    problem = GroupedDownstream(prior, k, loss=loss, temperature=temperature, d=d)
    if d < problem.rank:
        raise InputError("d", d, f"accepted for these groups: at least {problem.rank}, the rank of the minimizer")
    head = problem.head(weighting)
    mean = problem.mean_loss(weighting)
    closed = head.value - head.lower <= tolerance * max(1.0, abs(head.value)) and d > problem.rank
    notes = [] if d > problem.rank else ["d < rank + 1: 'lower' is that of the unit ball"]
    made: dict[str, Any] = {
        "status": Status.NUMERICAL if closed and problem.found.converged and head.converged else Status.UNDECIDED,
        "sup": (head.lower, head.value),
        "mean_classifier": (mean, mean),
        "accuracy": None,
        "accuracy_numerical": head.accuracy,
        "structure": None,
    }
    proof = prove(problem, weighting)
    if isinstance(proof, str):
        notes.append(f"not proved: {proof}")
    else:
        structure, optimal, average = proof
        made |= {"status": Status.PROVED, "sup": optimal, "mean_classifier": average, "structure": structure}
    return {**made, "note": "; ".join(notes)}


def prove(problem: GroupedDownstream, weighting: str) -> tuple[str | None, Bracket, Bracket] | str:
    """Why the minimizer is known exactly (if it is) and proven brackets for both classifiers, or why there are none."""
    if not isinstance(problem.k, int):
        return "k is not an integer"
    optimal = problem.best(weighting, "optimal", _WIDTH)
    if isinstance(optimal, str):
        return optimal
    minimizer, bracket = optimal
    mean = problem.bracket(minimizer, weighting, "mean")
    return "the enclosure of the minimizer is too wide" if mean is None else (minimizer.structure, bracket, mean)
