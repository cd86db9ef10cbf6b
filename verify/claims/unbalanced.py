"""Unequal classes: the minimum, its rank and its collapse, earlier bounds, and the conjecture."""

from __future__ import annotations

from theory.claims import Claim, Outcome
from verify.claims.outcomes import PROSE, symbolic, word


def _optimum() -> Outcome:
    from theory import priors
    from verify import optimum

    result = optimum.run(priors.parse("0.5,0.3,0.2"), 8)
    return Outcome(word(result.status), f"rho = 0.5,0.3,0.2, k = 8: gap {result.nce.gap:.1e}")


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


CLAIMS: tuple[Claim, ...] = (
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
)
