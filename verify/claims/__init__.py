"""The claims of the paper and of this project, each at a size that is settled within seconds.

A general statement is `proved` only by a general argument: symbolic steps, each reduced exactly, for all losses,
classes and negatives that it speaks of. What joins the steps is prose (in the docstrings of `theory.symbolic`), which
no machine checks. A run is a claim of its own, about what was run.

A claim of one's own is one more `Claim` (`theory.claims`): put several in a tuple and run them with
`python -m verify --claims package.module:NAME`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from theory.claims import Claim, Outcome, Word

if TYPE_CHECKING:
    from verify.results import Status
    from verify.results.collapse import CollapseResult

_TRIALS = 100

#: What a symbolic proof is not.
PROSE = "each step is reduced by machine, the prose that joins them is not checked by one"

#: The steps of general statements, in the order of their proofs.
LIFTING = ("jensen", "class-mean-norm", "mean-margin", "lifting-inequality")
BALANCED = ("jensen", "permutation-invariance", "equiangularity", "sum-of-embeddings", "cosine-bound")
REPRESENTATIONS = ("jensen", "mean-margin", "balanced-all-representations", "cosine-bound")
MEMBERS = ("log-sum-exp-convex", "log-sum-exp-submodular", "sums-of-exponentials")


def _word(status: Status) -> Word:
    return status.value


@cache
def _collapse() -> CollapseResult:
    """The logistic loss on points: one run serves every claim about it."""
    from verify import collapse

    return collapse.run("logistic", C=3, k=4, points=3, trials=_TRIALS)


def symbolic(*names: str) -> Outcome:
    """Settled by these symbolic steps alone."""
    from verify.symbolic import run

    result = run(names)
    obligations = sum(len(step.obligations) for step in result.steps)
    return Outcome(_word(result.status), f"{obligations} symbolic obligations of {len(names)} steps reduced")


def _lemma() -> Outcome:
    result = _collapse()
    assert result.lemma is not None
    lemma = result.lemma
    return Outcome(
        _word(result.status),
        f"{lemma.violations} violations in {lemma.trials} representations, smallest margin {lemma.min_margin:.1e}",
    )


def _tried(violations: int, trials: int, smallest: float) -> Outcome:
    """Instances of a theorem, in floats: a violated margin would say that a step is misread."""
    word: Word = "undecided" if violations else "numerical"
    return Outcome(word, f"{violations} violations in {trials} trials, smallest margin {smallest:.1e}")


def _lifting() -> Outcome:
    lifting = _collapse().lifting
    assert lifting is not None
    return _tried(lifting.violations, lifting.trials, min(lifting.min_jensen_margin, lifting.min_monotonicity_margin))


def _averaging() -> Outcome:
    step = _collapse().averaging_step
    assert step.min_inside is not None and step.min_elsewhere is not None
    return Outcome(
        _word(step.status),
        f"{step.violations} violations in {step.trials}, smallest margins {step.min_inside:.1e} for anchors inside, "
        f"{step.min_elsewhere:.1e} elsewhere",
    )


def _gap(every_point: bool) -> Outcome:
    from verify.checker import check
    from verify.lemma.search_loss import search

    found = search(every_point=every_point)
    if found is None or check(found.certificate()).verdict != "accepted":
        return Outcome("undecided", "no counterexample was found and accepted")
    excess = float(found.excess_lower)
    return Outcome("proved", f"start {found.starts}: L(f) = {found.value:.6g}, excess >= {excess:.6g}, accepted")


def _direct() -> Outcome:
    best = _collapse().optimization
    assert best is not None
    closed = abs(best.loss - best.class_level) <= 1e-10 * max(1.0, best.class_level)
    settled = closed and best.within_class_spread <= 1e-6 and best.converged > 0
    return Outcome(
        "numerical" if settled else "undecided",
        f"within-class spread {best.within_class_spread:.1e}, loss {best.loss - best.class_level:+.1e} off class level",
    )


def _balanced() -> Outcome:
    from verify import etf

    result = etf.run(5, 16, starts=4)
    error = result.geometry.max_cosine_error
    return Outcome(_word(result.status), f"gap {result.nce.gap:.1e}; cosines of the best start off by {error:.1e}")


def _balanced_all() -> Outcome:
    import numpy as np

    from theory.losses import get_loss
    from theory.points.families import draws
    from verify.lemma.trials import evaluate_balanced, stacked

    loss, C, k = get_loss("logistic"), 3, 4
    tried = [f for _, f in draws(_TRIALS, (C, 3, 3), 0, np.full(C, 1 / C))]
    chain = evaluate_balanced(loss, stacked(tried), k)
    links = -np.diff(np.stack(chain), axis=0)
    return _tried(int(np.sum(links < -1e-12)), links.size, float(np.min(links)))


def _optimum() -> Outcome:
    from theory import priors
    from verify import optimum

    result = optimum.run(priors.parse("0.5,0.3,0.2"), 8)
    return Outcome(_word(result.status), f"rho = 0.5,0.3,0.2, k = 8: gap {result.nce.gap:.1e}")


def _rise() -> Outcome:
    from verify import conjecture

    result = conjecture.run("0.863,0.135,0.002", (16, 4096))
    if result.status.value != "refuted" or result.witness is None:
        return Outcome("undecided", result.note)
    return Outcome("proved", f"k = 16 -> 4096 at rho = 0.863,0.135,0.002: rises by {result.witness.increase_lower:.3g}")


def _bounds() -> Outcome:
    from verify import bounds

    result = bounds.run("0.5,0.3,0.2", 16)
    settled = not result.violated and result.status.value == "numerical"
    return Outcome("numerical" if settled else "undecided", f"violated: {', '.join(result.violated) or 'none'}")


def _augmentation_threshold() -> Outcome:
    from fractions import Fraction

    from theory import priors
    from theory.augmentation.families import block
    from verify.graphs.collapse import class_level, decide

    prior = priors.parse("0.5,0.3,0.2")
    level = class_level(prior, "logistic", 16, Fraction(1))
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
        "lemma-1",
        "for every representation f some representation that is constant on classes has no larger NCE loss",
        "[1, Lemma 1]",
        ("l strictly convex, symmetric, non-increasing", "any prior, k and d"),
        ("averaging-step",),
        "exact losses of random and adversarial representations: the loop over classes and the lifting",
        _lemma,
    ),
    Claim(
        "lemma-1-lifting",
        "the same for d >= C, with f~_c = (E[f|c], sqrt(1 - |E[f|c]|^2) e_c); no symmetry is needed",
        "derived: theory.points.lifting",
        ("l convex and non-increasing", "d >= C"),
        LIFTING,
        f"symbolic steps, for any loss that is so, any C, k, d, prior and number of points; {PROSE}",
        lambda: symbolic(*LIFTING),
    ),
    Claim(
        "lemma-1-lifting-instances",
        "both inequalities of the lifting, for the logistic loss",
        "derived: theory.points.lifting",
        ("logistic loss", "C = 3, k = 4, 3 points a class"),
        ("lemma-1-lifting", "family-members"),
        "exact losses of random and adversarial representations, in floats",
        _lifting,
    ),
    Claim(
        "family-members",
        "log(1 + sum e^-v_i), log sum e^-v_i, sum e^-v_i and sum log(1 + e^-v_i) are convex and fall in each margin",
        "derived: theory.symbolic.log_sum_exp",
        ("logistic, decoupled, exponential and separable loss",),
        MEMBERS,
        f"symbolic, for any number of margins; {PROSE}",
        lambda: symbolic(*MEMBERS),
    ),
    Claim(
        "averaging-step",
        "E_x*[L(f_x*)] <= L(f), f_x* mapping one class to the embedding of one of its points x*",
        "[1, proof of Lemma 1]; derived: theory.points.averaging",
        ("l convex, symmetric, non-increasing and submodular (checked for logistic)",),
        ("log-sum-exp-submodular",),
        "exact margins on representations, for anchors inside and outside of the class",
        _averaging,
    ),
    Claim(
        "averaging-step-gap",
        "without submodularity the averaging step is false: a strictly convex, symmetric, decreasing loss breaks it",
        "derived: verify.lemma.search_loss",
        ("l strictly convex, symmetric, strictly decreasing",),
        (),
        "search over losses and representations; exact enumeration in ball arithmetic; the checker",
        lambda: _gap(every_point=False),
    ),
    Claim(
        "averaging-conclusion-gap",
        "nor need any single point do: a loss, an f and a class for which every x* has L(f_x*) > L(f)",
        "derived: verify.lemma.search_loss",
        ("l strictly convex, symmetric, strictly decreasing",),
        (),
        "the same search for the best point instead of the average",
        lambda: _gap(every_point=True),
    ),
    Claim(
        "collapse-by-optimization",
        "minimizing the NCE loss over all points ends constant on classes, at the class-level optimum",
        "[1, Lemma 1]",
        ("logistic loss", "C = 3, k = 4, uniform prior"),
        ("lemma-1",),
        "Riemannian trust region over points from random starts",
        _direct,
    ),
    Claim(
        "balanced-etf",
        "for equal classes the simplex ETF minimizes the NCE loss over class embeddings, for every k, if d >= C-1",
        "[1, the theorem on balanced classes]",
        ("uniform prior", "l convex, symmetric, non-increasing"),
        BALANCED,
        f"symbolic steps, for any loss that is so, any C, k and d; {PROSE}",
        lambda: symbolic(*BALANCED),
    ),
    Claim(
        "balanced-etf-instance",
        "at C = 5, k = 16 the minimum over all representations is enclosed, and the simplex ETF attains it",
        "[1, the theorem on balanced classes]: verify.etf",
        ("uniform prior", "logistic loss", "C = 5, k = 16, d = 5"),
        ("balanced-all-representations", "family-members"),
        "a search, and an enclosure of the minimum in closed form",
        _balanced,
    ),
    Claim(
        "balanced-all-representations",
        "the same over all representations, constant on classes or not, without Lemma 1",
        "derived: theory.points.lifting",
        ("uniform prior", "l convex, symmetric, non-increasing"),
        REPRESENTATIONS,
        f"symbolic steps, for any loss that is so, any C, k and d; {PROSE}",
        lambda: symbolic(*REPRESENTATIONS),
    ),
    Claim(
        "balanced-all-representations-instances",
        "the three inequalities of that proof, for the logistic loss",
        "derived: theory.points.lifting",
        ("uniform prior", "logistic loss", "C = 3, k = 4, 3 points a class"),
        ("balanced-all-representations", "family-members"),
        "exact losses of random and adversarial representations, in floats",
        _balanced_all,
    ),
    Claim(
        "downstream-balanced",
        "at the simplex ETF L_sup = log(1 + (C-1) e^{-beta C/(C-1)}), the same for every k",
        "[1]; derived: theory.symbolic.closed_forms",
        ("uniform prior", "logistic loss"),
        ("downstream-closed-form",),
        f"symbolic, for every C; {PROSE}",
        lambda: symbolic("downstream-closed-form", "jensen", "log-sum-exp-convex"),
    ),
    Claim(
        "optimal-rank",
        "for every prior, optimal Gram matrices are singular, so d = C-1 is as good as any",
        "derived: theory.symbolic.dual_program",
        ("logistic loss",),
        ("loss-derivative",),
        f"symbolic, for every C, k and prior; {PROSE}",
        lambda: symbolic("loss-derivative", "optimal-rank"),
    ),
    Claim(
        "global-optimum",
        "the class-level minimum for an unbalanced prior lies in a proven interval",
        "derived: verify.optimum",
        ("logistic loss", "rho = 0.5,0.3,0.2, k = 8"),
        ("log-sum-exp-convex",),
        "convex duality with enclosed multipliers",
        _optimum,
    ),
    Claim(
        "minority-collapse",
        "all minority classes coincide opposite to the majority iff p a_k >= q b_k",
        "derived: theory.symbolic.collapse_threshold",
        ("logistic loss", "one majority class of mass p, two or more others"),
        ("loss-derivative", "binomial-theorem", "collapse-schur-complement"),
        f"symbolic, for any number of classes and any split of the minority mass; {PROSE}",
        lambda: symbolic("loss-derivative", "binomial-theorem", "collapse-schur-complement"),
    ),
    Claim(
        "growth-of-earlier-bounds",
        "the factor of earlier bounds grows like eta^k: k times faster than the talk's eta^k/k",
        "derived: theory.symbolic.bound_growth",
        ("uniform prior", "Saunshi et al. 2019, Ash et al. 2021"),
        (),
        f"symbolic limits, for every C; {PROSE}",
        lambda: symbolic("growth-saunshi", "growth-ash"),
    ),
    Claim(
        "earlier-bounds",
        "four earlier bounds on the loss of the mean classifier hold at the minimizer",
        "Saunshi et al. 2019, Ash et al. 2021, Nozawa & Sato 2021, Bao et al. 2021: theory.bounds",
        ("logistic loss", "rho = 0.5,0.3,0.2, k = 16"),
        (),
        "exact values beside the bounds, in floats",
        _bounds,
    ),
    Claim(
        "conjecture-fails-somewhere",
        "there are a prior and k1 < k2 at which the downstream loss of the minimizer rises with k",
        "against the conjecture of [1] for unbalanced priors: verify.conjecture",
        ("logistic loss", "weighted downstream loss, optimal classifier"),
        ("global-optimum",),
        "minimizer and downstream loss enclosed at both k",
        _rise,
    ),
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
)
