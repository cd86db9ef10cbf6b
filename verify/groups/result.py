"""What `verify.optimum` reports of an optimum that was found in groups."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from theory.groups import class_gram
from theory.losses import LOSSES
from theory.priors import Prior
from verify.certify.publish import publish
from verify.certify.rank import proven_rank
from verify.groups.solve import Solution
from verify.results import Bracket, SearchReport, Status

#: The most classes whose cosines are given one by one.
MAX_ROWS = 256


def fields(
    solution: Solution, prior: Prior, k: int | float, loss: str, certificate: Path | str | None, tolerance: float
) -> dict[str, Any]:
    """The fields of `verify.optimum.OptimumResult` that the solution determines; the certificate is written.

    Without a proof the status is `numerical` if the float64 bracket closes to `tolerance`.
    """
    found, proof = solution.found, solution.proof
    cosines, radius, written, note = solution.cosines, None, None, ""
    if proof is not None and proof.lower is not None and proof.upper is not None:
        status, bracket = Status.PROVED, Bracket.around(found.value, proof.lower, proof.upper)
        if proof.gram is not None:
            rounded, radius = proof.doubles()
            cosines = np.array(rounded)
        if certificate is not None:
            written, status, note = publish(proof.certificate(), certificate, status)
    else:
        bracket = Bracket.around(found.value, min(found.lower, found.value), found.value)
        closed = (bracket.relative_gap or 0.0) <= tolerance and found.converged
        status = Status.NUMERICAL if closed else Status.UNDECIDED
        said = ["" if proof is None else f"not proved: {proof.reason}"]
        said += ["" if certificate is None else "no certificate: nothing was proved"]
        note = "; ".join(text for text in said if text)
    by_class = prior.C <= MAX_ROWS
    gram = class_gram(cosines, solution.groups, prior) if by_class else cosines
    return {
        "status": status,
        "nce": bracket,
        "gram": tuple(tuple(row) for row in gram.tolist()),
        "groups": None if by_class else tuple(solution.groups.as_groups()),
        "gram_radius": radius,
        "rank": proven_rank(proof) if status is Status.PROVED else None,
        "rank_numerical": solution.rank,
        "search": SearchReport("groups", 1, int(found.converged), found.steps, ()),
        "normalization": LOSSES[loss].normalization if math.isinf(k) else "none",
        "note": note,
        "certificate": written,
    }
