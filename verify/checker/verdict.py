"""What a check ends in, and the three ways in which it stops early."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

ACCEPTED = "accepted"
REJECTED = "rejected"
UNREADABLE = "unreadable"
EXHAUSTED = "precision exhausted"
INTERNAL_ERROR = "internal error"

#: The exit status of each verdict.
EXIT = {ACCEPTED: 0, REJECTED: 1, UNREADABLE: 2, EXHAUSTED: 3}


@dataclass(frozen=True)
class Verdict:
    """`verdict` is one of the four words above, `reason` says why in one line, `statement` is what was claimed.

    `fault` names the exception behind an internal error, a defect of the checker that says nothing of the certificate.
    """

    verdict: str
    reason: str
    statement: dict[str, Any]
    fault: str = ""


def worst(statuses: Iterable[int]) -> int:
    """The exit status for several certificates: 1 before 2 before 3 before 0."""
    return min(statuses, key=(1, 2, 3, 0).index, default=0)


def printable(text: str) -> str:
    """One line of ASCII: what might move a terminal's cursor, or cannot be encoded, is escaped."""
    return re.sub(r"[^ -~]", lambda found: ascii(found[0])[1:-1], text)


class Stop(Exception):
    """A reason to stop, as one line; the subclass is the verdict."""


class Unreadable(Stop):
    """The text is not a certificate of a known kind, or leaves the range that this checker handles."""


class Rejected(Stop):
    """The statement is false, or the witness shown to be unfit, at whatever precision."""


class Unresolved(Stop):
    """Intervals overlap: nothing is decided at this precision."""


class OutOfReach(Unresolved):
    """Not attempted at this precision: the work would be too much."""
