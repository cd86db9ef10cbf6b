"""What settles a claim, as an outcome: symbolic steps, or instances that were tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from theory.claims import Outcome, Word

if TYPE_CHECKING:
    from verify.results import Status

#: What a symbolic proof is not.
PROSE = "each step is reduced by machine, the prose that joins them is not checked by one"


def word(status: Status) -> Word:
    """The word of a claim for a status of a command."""
    return status.value


def symbolic(*names: str) -> Outcome:
    """Settled by these symbolic steps alone."""
    from verify.symbolic import run

    result = run(names)
    obligations = sum(len(step.obligations) for step in result.steps)
    return Outcome(word(result.status), f"{obligations} symbolic obligations of {len(names)} steps reduced")


def tried(violations: int, trials: int, smallest: float) -> Outcome:
    """Instances of a theorem, in floats: a violated margin would say that a step is misread."""
    word: Word = "undecided" if violations else "numerical"
    return Outcome(word, f"{violations} violations in {trials} trials, smallest margin {smallest:.1e}")
