"""From a hit in floats to a finding: a rational prior nearby, and a proof that the loss rises there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from experiments.unbalanced.evolution import Problem
from experiments.unbalanced.search import Hit
from theory.priors import Prior
from verify import conjecture

#: Shares are rounded to multiples of one millionth.
_DENOMINATOR = 10**6
#: Among these the proof picks the pair with the largest proven rise; the search itself stops at 4096.
_KS = (1, 2, 3, 4, 8, 16, 64, 1024, 65536, 10**6)


@dataclass(frozen=True)
class Finding:
    """A proven rise: `L_sup(k2) - L_sup(k1) >= increase_lower` at this exact prior."""

    rho: tuple[str, ...]
    weighting: str
    classifier: str
    loss: str
    temperature: str
    k1: int
    k2: int
    increase_lower: float
    sup_k1: float
    sup_k2: float
    certificate: str | None


@dataclass(frozen=True)
class Proven:
    """What became of the strongest cells.

    Attributes:
        folder: where the certificates are; each was accepted by the checker before its rise was called proven.
        findings: the proven rises, version by version, strongest first.
        unproven: those that could not be proven, in words.
    """

    folder: str
    findings: tuple[Finding, ...]
    unproven: tuple[str, ...]


def rational_prior(problem: Problem, shares: tuple[float, ...]) -> Prior:
    """The prior whose groups have these shares, rounded to millionths; the largest takes up the rest."""
    numerators = [max(1, round(share * _DENOMINATOR)) for share in shares]
    numerators[numerators.index(max(numerators))] += _DENOMINATOR - sum(numerators)
    masses = [Fraction(n, _DENOMINATOR * size) for n, size in zip(numerators, problem.sizes, strict=True)]
    ordered = sorted(zip(masses, problem.sizes, strict=True), reverse=True)
    return Prior(tuple(m for m, _ in ordered), tuple(size for _, size in ordered))


def prove(problem: Problem, hit: Hit, certificate: Path | None = None) -> Finding | None:
    """The finding that a hit leads to, its certificate accepted by the checker; None if nothing is proved there."""
    return prove_rise(
        rational_prior(problem, hit.shares),
        sorted({*_KS, hit.k1, hit.k2}),
        weighting=problem.weighting,
        classifier=problem.classifier,
        loss=problem.loss.name,
        temperature=Fraction(1 / problem.beta).limit_denominator(10**6),
        certificate=certificate,
    )


def prove_rise(
    prior: Prior,
    ks: Sequence[int | float],
    *,
    weighting: str,
    classifier: str,
    loss: str = "logistic",
    temperature: Fraction = Fraction(1),
    certificate: Path | None = None,
) -> Finding | None:
    """The largest rise that is proved at this prior between two of these `k`; None if none is.

    With `certificate` the checker has accepted what is written there.
    """
    result = conjecture.run(
        prior,
        ks,
        weighting=weighting,
        classifier=classifier,
        loss=loss,
        temperature=temperature,
        certificate=certificate,
    )
    if result.witness is None or result.status.value != "refuted":
        return None
    # both ends of a witness are enclosed
    sup = {entry.k: entry.sup for entry in result.series if entry.sup is not None}
    return Finding(
        rho=result.problem.rho,
        weighting=weighting,
        classifier=classifier,
        loss=loss,
        temperature=result.problem.temperature,
        k1=result.witness.k1,
        k2=result.witness.k2,
        increase_lower=result.witness.increase_lower,
        sup_k1=sup[result.witness.k1],
        sup_k2=sup[result.witness.k2],
        certificate=None if certificate is None else certificate.name,
    )
