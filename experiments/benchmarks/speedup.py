"""This project beside CVXPY with Clarabel, as one ratio."""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]
CLARABEL = "cvxpy-clarabel"


def speedup(records: list[Record]) -> dict[str, Any] | None:
    """This project at C = 10, k = 64 (warm) beside CVXPY with Clarabel at its largest feasible k for C = 4.

    `ratio` is of the medians; `k` the largest that Clarabel did. None while one of the two is not measured.
    """
    solved = [r for r in records if r["suite"] == "against" and r["status"] == "done"]
    theirs = [r for r in solved if r["method"] == CLARABEL and r["C"] == 4]
    ours = [r for r in solved if r["method"] == "ours" and (r["C"], r["k"]) == (10, 64)]
    if not theirs or not ours:
        return None
    largest = max(theirs, key=lambda r: r["k"])
    seconds, our_seconds = largest["seconds"]["median"], ours[0]["seconds"]["median"]
    return {
        "ratio": seconds / our_seconds,
        "clarabel_k": largest["k"],
        "clarabel_seconds": seconds,
        "our_seconds": our_seconds,
    }
