"""What a check ends in, and the three ways in which it stops early."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ACCEPTED = "accepted"
REJECTED = "rejected"
UNREADABLE = "unreadable"
EXHAUSTED = "precision exhausted"


@dataclass(frozen=True)
class Verdict:
    """`verdict` is one of the four words above, `reason` says why in one line, `statement` is what was claimed."""

    verdict: str
    reason: str
    statement: dict[str, Any]


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
