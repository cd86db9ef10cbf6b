"""Priors with one to three rare classes: do all commands agree, and how much of what they print is known?

Where two classes are rare the curvature of `L_k` between them is about the product of their masses, so that no gap in
the loss and no gradient in ordinary coordinates fixes the minimizer: what was printed there was wrong once. Every
number of every command is compared with the enclosures, and the estimate that stands where nothing is enclosed with the
distance that an enclosure in high precision shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from theory.groups import cosines
from theory.priors import Prior
from theory.problem import Problem
from verify import bounds, conjecture, downstream, optimum
from verify.certify import prove_grouped
from verify.optimize.solution import solve
from verify.supervised.estimate import estimate
from verify.supervised.minimizer import Enclosing
from verify.supervised.sequence import point

KS = (1, 2, 4, 16, 64, 256, 4096, 65536, 10**6)
#: What the enclosures of the reference are narrower than, in the entries of the Gram matrix.
_REFERENCE = Fraction(1, 10**60)
#: What doubles cost in a value that is printed without an interval.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Case:
    """One problem; the last masses are the rare ones."""

    prior: Prior
    k: int
    temperature: Fraction
    weighting: str

    @property
    def least(self) -> Fraction:
        """The smallest mass."""
        return min(self.prior.masses)


def draw(count: int, seed: int) -> list[Case]:
    """3 to 6 classes, one to three of them of masses from 1e-9 to 1e-3, temperatures from 0.1 to 5."""
    rng = np.random.default_rng(seed)
    cases: list[Case] = []
    while len(cases) < count:
        C = int(rng.integers(3, 7))
        rare = 10.0 ** rng.uniform(-9, -3, size=int(rng.integers(1, min(3, C - 1) + 1)))
        shares = rng.dirichlet(np.ones(C - len(rare)))
        masses = [Fraction(f"{share:.6f}") for share in np.maximum(shares, 1e-3)[1:]]
        masses += [Fraction(f"{mass:.3e}") for mass in rare]
        first = 1 - sum(masses, Fraction(0))
        temperature = Fraction(f"{10 ** rng.uniform(-1, np.log10(5)):.3f}")
        k, weighting = int(rng.choice(KS)), str(rng.choice(["weighted", "balanced"]))
        if first > max(map(Fraction, rare)):
            cases.append(Case(Prior((first, *masses), (1,) * C), k, temperature, weighting))
    return cases


def examine(case: Case) -> dict[str, Any]:
    """What the commands say of one problem, and whether it fits together."""
    prior, k, T, weighting = case.prior, case.k, case.temperature, case.weighting
    shared: dict[str, Any] = {"temperature": T}
    least = optimum.run(prior, k, **shared)
    sup = downstream.run(prior, k, weighting=weighting, **shared)
    series = conjecture.run(prior, (k,), weighting=weighting, **shared)
    means = conjecture.run(prior, (k,), weighting=weighting, classifier="mean", **shared)
    prior_bounds = bounds.run(prior, k, **shared)
    weighted = sup if weighting == "weighted" else downstream.run(prior, k, **shared)
    entry, of_means = series.series[0], means.series[0]
    pairs = [
        (_interval(sup.sup), (entry.sup_lower, entry.sup_upper)),
        (_interval(sup.mean_classifier), (of_means.sup_lower, of_means.sup_upper)),
        (_interval(weighted.sup), _around(prior_bounds.exact.sup)),
        (_interval(weighted.mean_classifier), _around(prior_bounds.exact.mean_classifier)),
        ((least.nce.lower, least.nce.upper), (entry.nce_lower, entry.nce_upper)),
        ((least.nce.lower, least.nce.upper), _around(prior_bounds.exact.nce)),
    ]
    nothing = [None in one or None in two for one, two in pairs]
    agree = all(_meet(one, two) for one, two in pairs)
    return {
        "rho": prior.as_strings(),
        "k": k,
        "temperature": str(T),
        "weighting": weighting,
        "least_mass": float(case.least),
        "agree": agree,
        "null": any(nothing) or least.gram is None,
        "status": sup.status.value,
        "width": None if sup.sup is None else sup.sup.gap,
        **compare(case),
    }


def compare(case: Case) -> dict[str, Any]:
    """The estimates beside an enclosure that is far narrower than doubles are."""
    problem = Problem(case.prior, case.k, temperature=case.temperature)
    found = solve(problem)
    proof = prove_grouped(replace(problem, population=found.groups), found.starts, width=_REFERENCE)
    if proof.gram is None or found.errors is None:
        return {"estimated": None, "true": None, "estimate_holds": None}
    ours = cosines(found.means, found.groups)
    error = np.array(
        [[abs(float(g - Fraction(x))) for g, x in zip(*rows, strict=True)]
         for rows in zip(proof.gram, ours.tolist(), strict=True)]
    )  # fmt: skip
    allowed = found.errors[:, None] + found.errors + 2 * np.finfo(float).eps
    at = Enclosing(problem)
    losses = []
    for classifier in ("optimal", "mean"):
        exact = point(at, case.weighting, classifier)
        near = estimate(at, case.weighting, classifier)
        if exact.bracket is not None and not isinstance(near, str):
            losses.append(near.lower <= exact.bracket.upper and exact.bracket.lower <= near.upper)
    return {
        "estimated": float(allowed.max()),
        "true": float(error.max()),
        "estimate_holds": bool(np.all(error <= allowed)) and all(losses),
    }


def run(count: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """Examine random problems; what disagrees is listed with what is null."""
    records = []
    for i, case in enumerate(draw(count, seed)):
        progress(i)
        records.append(examine(case))
    return {"problems": count, "seed": seed, **summarized(records)}


def summarized(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What the records come to."""
    common = [record for record in records if record["least_mass"] > 1e-6]
    ratios = [record["true"] / record["estimated"] for record in records if record["estimated"]]
    return {
        "disagree": [record for record in records if not record["agree"]],
        "null": [record for record in records if record["null"]],
        "proved": sum(record["status"] == "proved" for record in records),
        "with_masses_above_1e-6": len(common),
        "null_share_above_1e-6": sum(record["null"] for record in common) / max(1, len(common)),
        "estimate_exceeded": [record for record in records if record["estimate_holds"] is False],
        "without_estimate": sum(record["estimated"] is None for record in records),
        "largest_true_over_estimated": max(ratios, default=None),
        "largest_estimate": max((record["estimated"] or 0.0 for record in records), default=None),
    }


def _meet(one: tuple[float | None, float | None], two: tuple[float | None, float | None]) -> bool:
    """Whether the intervals have a point in common, as far as both are known."""
    a, b, c, d = *one, *two
    return a is None or b is None or c is None or d is None or (a <= d and c <= b)


def _interval(found: downstream.Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if found is None else (found.lower, found.upper)


def _around(value: float | None) -> tuple[float | None, float | None]:
    if value is None:
        return None, None
    return value - _ROUNDING * max(1.0, abs(value)), value + _ROUNDING * max(1.0, abs(value))
