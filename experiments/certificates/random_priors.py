"""Random priors, from uniform to very skewed: what fraction of the optima is proven, and are the proofs right?

Priors of 2 to 8 classes with masses down to 1e-4 (logarithmic), k from 1 to 10^5 and temperatures from 1/5 to 5 (both
logarithmic), all exact rationals. Every certificate goes through the checker; where enumeration fits, the interval
must contain the 60-digit reference.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from experiments.certificates import reference
from theory.geometry import from_gram
from theory.priors import Prior, from_masses
from theory.problem import Problem
from verify import optimum
from verify.certify import prove_optimum
from verify.checker import check

RELATIVE_WIDTH = Fraction(1, 10**15)


@dataclass(frozen=True)
class Case:
    """One random problem."""

    prior: Prior
    k: int
    temperature: Fraction


@dataclass(frozen=True)
class Report:
    """`wrong` says what is false about a proof, if anything is."""

    case: Case
    status: str
    note: str
    relative_width: float | None
    referenced: bool
    wrong: str
    search_seconds: float
    check_seconds: float


def draw(rng: Random) -> Case:
    """A random problem: every mass is at least 1e-4 and a multiple of 1e-8."""
    C = rng.randrange(2, 9)
    spread = 4 * rng.random()
    weights = [10 ** (-spread * rng.random()) for _ in range(C)]
    least, unit = 10**4, 10**8
    masses = [max(least, round(w / sum(weights) * unit)) for w in weights]
    masses[masses.index(max(masses))] += unit - sum(masses)
    k = round(10 ** (5 * rng.random()))
    temperature = Fraction(round(1000 * 5 ** rng.uniform(-1, 1)), 1000)
    return Case(from_masses([Fraction(m, unit) for m in masses]), k, temperature)


def settle(case: Case) -> Report:
    """`verify.optimum` on one problem, its certificate through the checker, its interval against the reference."""
    begun = time.process_time()
    result = optimum.run(case.prior, case.k, temperature=case.temperature)
    found = time.process_time()
    width = result.nce.relative_gap
    referenced, wrong, status = False, "", result.status.value
    if status == "proved":
        if width is None or width > RELATIVE_WIDTH:
            status = "too wide"
        # The same proof again, from the optimizer's Gram matrix, as a certificate.
        U = from_gram(np.array(result.gram), case.prior.C)
        proof = prove_optimum(Problem(case.prior, case.k, temperature=case.temperature), U)
        verdict = check(proof.certificate())
        if verdict.verdict != "accepted":
            wrong = f"the checker says {verdict.verdict}: {verdict.reason}"
        elif case.prior.C <= 3 and case.k <= 12:
            referenced = True
            exact = reference.minimum("logistic", case.prior.rho, case.k, 1 / case.temperature)
            assert proof.lower is not None and proof.upper is not None
            if not reference.number(proof.lower) <= exact.loss <= reference.number(proof.upper):
                wrong = "the interval misses the reference"
    return Report(case, status, result.note, width, referenced, wrong, found - begun, time.process_time() - found)


def run(count: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """`count` random problems: how many were proven, how fast (CPU seconds), and all that was not."""
    rng = Random(seed)
    reports = []
    begun = time.perf_counter()
    for i in range(count):
        reports.append(settle(draw(rng)))
        progress(i)
    statuses = Counter(report.status for report in reports)
    widths = [report.relative_width for report in reports if report.relative_width is not None]
    return {
        "problems": count,
        "seed": seed,
        "statuses": dict(sorted(statuses.items())),
        "proved_fraction": statuses["proved"] / count,
        "wrong": [_describe(report) for report in reports if report.wrong],
        "not_proved": [_describe(report) for report in reports if report.status != "proved"],
        "against_the_reference": sum(report.referenced for report in reports),
        "largest_relative_width": max(widths, default=None),
        "search_and_proof_cpu_seconds": _summary([report.search_seconds for report in reports]),
        "proof_and_check_cpu_seconds": _summary([report.check_seconds for report in reports]),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _describe(report: Report) -> dict[str, Any]:
    case = report.case
    return {
        "rho": case.prior.as_strings(),
        "k": case.k,
        "temperature": str(case.temperature),
        "status": report.status,
        "note": report.note,
        "wrong": report.wrong,
    }


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {"median": round(ordered[len(ordered) // 2], 2), "most": round(ordered[-1], 2)}
