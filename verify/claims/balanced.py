"""Equal classes: the simplex ETF, whatever the number of negatives."""

from __future__ import annotations

from theory.claims import Claim, Outcome
from verify.claims.outcomes import PROSE, symbolic, tried, word

_TRIALS = 100

#: The steps of general statements, in the order of their proofs.
BALANCED = ("jensen", "permutation-invariance", "equiangularity", "sum-of-embeddings", "cosine-bound")
REPRESENTATIONS = ("jensen", "mean-margin", "balanced-all-representations", "cosine-bound")


def _balanced() -> Outcome:
    from verify import etf

    result = etf.run(5, 16, starts=4)
    error = result.geometry.max_cosine_error
    return Outcome(word(result.status), f"gap {result.nce.gap:.1e}; cosines of the best start off by {error:.1e}")


def _balanced_all() -> Outcome:
    import numpy as np

    from theory.losses import get_loss
    from theory.points.families import draws
    from verify.lemma.trials import evaluate_balanced, stacked

    loss, C, k = get_loss("logistic"), 3, 4
    representations = [f for _, f in draws(_TRIALS, (C, 3, 3), 0, np.full(C, 1 / C))]
    chain = evaluate_balanced(loss, stacked(representations), k)
    links = -np.diff(np.stack(chain), axis=0)
    return tried(int(np.sum(links < -1e-12)), links.size, float(np.min(links)))


CLAIMS: tuple[Claim, ...] = (
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
)
