"""Claims as objects: what is stated, on which grounds, and the function that settles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Word = Literal["proved", "numerical", "refuted", "undecided"]


@dataclass(frozen=True)
class Outcome:
    """How far a claim is settled (the words of every command), and the evidence in one line."""

    status: Word
    evidence: str


@dataclass(frozen=True)
class Claim:
    """A statement that a program settles.

    Attributes:
        name: a short identifier.
        statement: complete in itself.
        source: where it is from: "[1, Lemma 1]", or "derived" with the module that holds the proof.
        hypotheses: what it is claimed under.
        depends: names of claims or symbolic steps that its proof uses.
        method: how `check` settles it.
        check: settles it at a default size; imports what it needs when it is called.
        compiled: `check` loads JAX and compiles, which takes as long as many others together.
    """

    name: str
    statement: str
    source: str
    hypotheses: tuple[str, ...]
    depends: tuple[str, ...]
    method: str
    check: Callable[[], Outcome]
    compiled: bool = False
