"""Positives from an augmentation graph: when classes collapse, and that more negatives can hurt."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

from theory.claims import Claim, Outcome, Word
from verify.claims.outcomes import symbolic

if TYPE_CHECKING:
    from verify.graphs.classifier import Bracket


def _augmentation_threshold() -> Outcome:
    from theory import priors
    from theory.augmentation.families import block
    from theory.problem import Problem
    from verify.graphs.collapse import class_level, decide

    prior = priors.parse("0.5,0.3,0.2")
    level = class_level(Problem(prior, 16))
    alpha = Fraction(max(level.thresholds))
    words = [decide(block(prior, 4, alpha * factor), level)[0] for factor in (Fraction(101, 100), Fraction(99, 100))]
    proof = symbolic("augmentation-slack", "augmentation-uniform-thresholds")
    status: Word = proof.status if words == ["proved", "refuted"] else "undecided"
    return Outcome(status, f"{proof.evidence}; 1 % above and below alpha* = {float(alpha):.4f}: {', '.join(words)}")


def _block_rise() -> Outcome:
    from verify import augmentation

    result = augmentation.run([1, 4096], rho="uniform", C=3, points=4, overlap="0.1")
    rise = result.witness["classes"]
    if result.status.value != "proved" or rise is None:
        return Outcome("undecided", "the rise is not proved")
    return Outcome(
        "proved", f"C = 3, 4 points, overlap 0.1: L_sup rises by {rise.increase_lower:.3g} from k = 1 to 4096"
    )


def _block_theorem() -> Outcome:
    from itertools import pairwise

    from theory.augmentation.block import with_overlap

    proof = symbolic("block-slope", "block-one-change-of-sign", "block-sign-rule")
    falls, steps = 0, 0
    for C, m, overlap, beta in ((2, 2, 0.05, 1.0), (3, 8, 0.3, 2.0), (10, 100, 0.1, 1.0), (5, 3, 0.5, 5.0)):
        g = [with_overlap(C, m, overlap).cosine("logistic", k, beta) for k in (1, 2, 4, 16, 256, 4096)]
        steps += len(g) - 1
        falls += sum(after < before or before == after == 1.0 for before, after in pairwise(g))
    status: Word = proof.status if falls == steps else "undecided"
    return Outcome(status, f"{proof.evidence}; g falls, or is 1, in {falls} of {steps} steps of k")


def _constant_above() -> Outcome:
    from verify import augmentation

    result = augmentation.run([1, 4096], rho="uniform", C=3, points=4, overlap="0.8")
    lower, upper = (
        [end for point in result.series if (end := getattr(point.sup["classes"], side)) is not None]
        for side in ("lower", "upper")
    )
    if any(point.collapsed != "proved" for point in result.series) or len(lower) + len(upper) < 4:
        return Outcome("undecided", "collapse is not proved at each k")
    # that of the simplex, the same for every k
    simplex, widest = math.log1p(2 * math.exp(-1.5)), max(upper) - min(lower)
    holds = widest < 1e-12 and all(abs(end - simplex) <= 1e-12 for end in lower + upper)
    return Outcome(
        "proved" if holds else "undecided",
        f"collapsed at both k, L_sup within {widest:.1g}; log(1 + 2 e^-3/2), that of the simplex, is {simplex:.13g}",
    )


def _signs() -> Outcome:
    from theory import priors
    from theory.augmentation.families import exchangeable
    from theory.problem import Problem
    from verify.graphs.series import Setting, settle

    changes = []
    for within in (Fraction(1, 12), Fraction(1, 100)):
        graph = exchangeable(priors.uniform(3), 4, Fraction(9, 10), within)
        setting = Setting(Problem(graph, 1), {"classes": graph.task(graph.labels)})
        first, last = (settle(setting.at(k)).tasks["classes"].bracket for k in (1, 256))
        if first is None or last is None:
            return Outcome("undecided", "a downstream loss is not enclosed")
        changes.append((last.lower - first.upper, last.upper - first.lower))
    (least_rise, _), (_, least_fall) = changes
    proof = symbolic("block-sign-rule")
    status: Word = proof.status if least_rise > 0 > least_fall else "undecided"
    return Outcome(
        status,
        f"{proof.evidence}; C = 3, 4 points, a tenth of the positives to others: L_sup rises by "
        f"{float(least_rise):.3g} from k = 1 to 256 if 5/6 of these stay in the class, falls by "
        f"{-float(least_fall):.3g} if 1/10 do",
    )


def _cells() -> Outcome:
    from theory import priors
    from theory.augmentation.families import block
    from theory.augmentation.graph import cell_task, quotient
    from theory.problem import Problem
    from verify.graphs.series import Setting, settle

    graph = block(priors.uniform(3), 3, Fraction(1, 20)).expanded()
    assert graph.labels is not None
    losses: list[list[Bracket]] = []
    for cells in ([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 1, 2, 2, 3, 4, 5, 6, 7]):
        setting = Setting(Problem(quotient(graph, cells), 1), {"classes": cell_task(graph, cells, graph.labels)})
        brackets = [settle(setting.at(k)).tasks["classes"].bracket for k in (1, 256)]
        losses.append([bracket for bracket in brackets if bracket is not None])
    if any(len(series) < 2 for series in losses):
        return Outcome("undecided", "a downstream loss is not enclosed")
    (a, b), (c, e) = losses
    constant, rise = max(a.upper, b.upper) - min(a.lower, b.lower), e.lower - c.upper
    status: Word = "proved" if constant < Fraction(1, 10**15) and rise > 0 else "undecided"
    return Outcome(
        status,
        f"C = 3, 3 points, overlap 1/20: classes as cells keep L_sup to {float(constant):.1g}; a cell that joins two "
        f"classes: it rises by {float(rise):.3g} from k = 1 to 256",
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "augmentation-threshold",
        "with positives from an augmentation graph the classes collapse iff each class's spectral gap is at least "
        "alpha*(k)",
        "derived: theory.augmentation.thresholds",
        (
            "no positive pair crosses classes",
            "l convex, differentiable, non-increasing (checked for logistic)",
            "d >= C",
        ),
        ("augmentation-slack", "augmentation-uniform-thresholds", "global-optimum"),
        "symbolic steps for any graph; thresholds enclosed, gaps decided by definiteness, on both sides",
        _augmentation_threshold,
    ),
    Claim(
        "more-negatives-hurt",
        "equal classes of equal points: below the threshold the cosine within classes falls with k, so L_sup rises",
        "derived: theory.augmentation.block",
        ("logistic loss", "any temperature", "positive overlap within classes, none across"),
        ("block-slope", "block-one-change-of-sign", "block-sign-rule"),
        "symbolic steps for any C, m, k; cosines in floats",
        _block_theorem,
    ),
    Claim(
        "balanced-rise-with-augmentations",
        "for balanced classes the downstream loss of the minimizer rises with k, which it cannot without augmentations",
        "derived: theory.augmentation.block; against Lemma 1's independent positives: verify.augmentation",
        ("logistic loss", "C = 3, 4 points a class, overlap 0.1"),
        ("more-negatives-hurt",),
        "minimizer and downstream loss enclosed at both k",
        _block_rise,
    ),
    Claim(
        "constant-above-the-threshold",
        "for balanced classes above the threshold the downstream loss is the same at every k",
        "derived: theory.augmentation.thresholds",
        ("logistic loss", "C = 3, 4 points a class, overlap 0.8"),
        ("augmentation-threshold",),
        "collapse proved and downstream loss enclosed at both k",
        _constant_above,
    ),
    Claim(
        "sign-of-negatives",
        "with positives across equal classes more negatives hurt if a positive is likelier in the own class than in "
        "another, point by point, help if it is less likely, and do nothing at the density ratios",
        "derived: theory.augmentation.block",
        ("logistic loss", "equal classes of equal points", "class means of sum 0, no class collapsed"),
        ("block-sign-rule",),
        "symbolic steps for any C, m, k; one law of each sign with minimizer and downstream loss enclosed",
        _signs,
    ),
    Claim(
        "encoders-that-join-points",
        "an encoder that cannot tell the points of a class apart restores the simplex at any overlap; one that joins "
        "points across classes does not",
        "derived: theory.augmentation.graph.quotient",
        ("logistic loss", "C = 3, 3 points a class, overlap 1/20"),
        ("augmentation-threshold",),
        "minimizer and downstream loss enclosed at both k",
        _cells,
    ),
)
