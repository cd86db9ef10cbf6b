"""The proof of what double precision found (`verify.optimize.solution`), and what `verify.optimum` reports of it."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from theory.groups import class_gram
from theory.groups import cosines as cosines_of
from theory.problem import Problem
from verify import limits
from verify.certify.optimum import OptimumProof, prove_grouped
from verify.certify.rank import proven_rank
from verify.optimize.solution import Solution
from verify.results import Bracket, SearchReport, Status

#: Proofs are tried to this width, relative to max(1, value); the last for optima that are degenerate or nearly so.
_WIDTHS = (Fraction(1, 10**20), Fraction(1, 10**12))


def prove(problem: Problem, solution: Solution) -> OptimumProof | None:
    """Enclose the optimum if `k` is an integer; there is no proof where `d` does not hold the optimum found.

    With more groups than are polished the minimum only, as well as double precision has found it.
    """
    if not isinstance(problem.k, int):
        return None
    population = solution.groups if problem.objective.towers == 1 else problem.population.split()
    grouped = replace(problem, population=population)
    if len(population.masses) > limits.POLISHED_CLASSES and problem.d >= problem.population.C - 1:
        from verify.certify.bracket import prove_bracket

        return prove_bracket(grouped, solution.starts[0])
    for width in _WIDTHS:
        relative = width * max(1, int(solution.value)) if isfinite(solution.value) else width
        proof = prove_grouped(grouped, solution.starts, width=relative)
        if proof.status == "proved" or proof.rank:
            break
    return proof


def summarized(
    problem: Problem,
    solution: Solution,
    proof: OptimumProof | None,
    certificate: Path | str | None,
    tolerance: float,
) -> dict[str, Any]:
    """The fields of `verify.optimum.OptimumResult` that the solution determines; the certificate is written.

    Without a proof the status is `numerical` if the float64 bracket closes to `tolerance`.
    """
    cosines, radius, written, note = cosines_of(solution.means, solution.groups), None, None, ""
    if proof is not None and proof.lower is not None and proof.upper is not None:
        status, bracket = Status.PROVED, Bracket.around(solution.value, proof.lower, proof.upper)
        if proof.gram is not None:
            rounded, radius = proof.doubles()
            cosines = np.array(rounded)
        if certificate is not None and proof.point is not None:
            from verify.certify.publish import publish  # it brings the checker with it

            written, status, note = publish(proof.certificate(), certificate, status)
        elif certificate is not None:
            note = "no certificate: there are too many classes for the checker"
    else:
        bracket = Bracket.around(solution.value, min(solution.lower, solution.value), solution.value)
        closed = (bracket.relative_gap or 0.0) <= tolerance and solution.converged
        status = Status.NUMERICAL if closed else Status.UNDECIDED
        said = ["" if proof is None else f"not proved: {proof.reason}"]
        said += ["" if certificate is None else "no certificate: nothing was proved"]
        said += [f"the cosines are not known: {solution.reason}" if solution.errors is None else ""]
        note = "; ".join(text for text in said if text)
    by_class, merged = problem.population.C <= limits.GRAM_CLASSES, problem.objective.towers == 1
    gram = class_gram(cosines, solution.groups, problem.population) if by_class and merged else cosines
    return {
        "status": status,
        "nce": bracket,
        "gram": tuple(tuple(row) for row in gram.tolist()),
        "groups": None if by_class else tuple(solution.groups.as_groups()),
        "gram_radius": radius,
        "rank": proven_rank(proof) if status is Status.PROVED else None,
        "rank_numerical": solution.rank,
        "search": SearchReport(solution.method, 1, int(solution.converged), solution.steps, ()),
        "normalization": problem.loss.normalization if math.isinf(problem.k) else "none",
        "note": note,
        "certificate": written,
    }
