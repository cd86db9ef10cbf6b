"""Positives from an augmentation graph: when classes collapse, and that more negatives can hurt."""

from __future__ import annotations

from theory.claims import Claim, Outcome, Word
from verify.claims.outcomes import symbolic


def _augmentation_threshold() -> Outcome:
    from fractions import Fraction

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
        symbolic=True,
    ),
    Claim(
        "more-negatives-hurt",
        "equal classes of equal points: below the threshold the cosine within classes falls with k, so L_sup rises",
        "derived: theory.augmentation.block",
        ("logistic loss", "any temperature", "positive overlap within classes, none across"),
        ("block-slope", "block-one-change-of-sign", "block-sign-rule"),
        "symbolic steps for any C, m, k; cosines in floats",
        _block_theorem,
        symbolic=True,
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
)
