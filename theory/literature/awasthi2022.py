"""Awasthi, Dikkala, Kamath: Do More Negative Samples Necessarily Hurt in Contrastive Learning? ICML 2022."""

from __future__ import annotations

from theory.literature.statement import Judged, Results, Statement, claim, counterclaim

_SOURCE = "Awasthi, Dikkala, Kamath 2022, arXiv 2205.01789 [1]"


def _conjecture(results: Results) -> Judged:
    witness, status = results[0]["witness"], results[0]["status"]
    if status == "refuted" and witness is not None:
        rise = f"from k = {witness['k1']} to {witness['k2']} the loss rises by at least {witness['increase_lower']:.4g}"
        return Judged("refuted", rise)
    return Judged("undecided", results[0]["note"])


STATEMENTS = (
    Statement(
        "awasthi2022-balanced-etf",
        _SOURCE,
        "talk",
        "for equal classes the simplex ETF minimizes the contrastive loss over class embeddings, for every k",
        ("loss convex, symmetric, non-increasing", "d >= C-1"),
        ("verify --only balanced-etf",),
        claim,
    ),
    Statement(
        "awasthi2022-lemma-1",
        _SOURCE,
        "talk",
        "for every representation some representation that is constant on classes has no larger contrastive loss",
        ("loss convex, non-increasing", "positives iid given the class", "d >= C"),
        ("verify --only lemma-1-lifting",),
        claim,
    ),
    Statement(
        "awasthi2022-averaging-step",
        _SOURCE,
        "talk",
        "mapping one class to the embedding of a random one of its points does not raise the loss on average",
        ("loss strictly convex, symmetric, non-increasing, and nothing more",),
        ("verify --only averaging-step-gap",),
        counterclaim,
    ),
    Statement(
        "awasthi2022-downstream-balanced",
        _SOURCE,
        "talk",
        "for equal classes the downstream loss of the minimizer is the same for every k",
        ("logistic loss",),
        ("verify --only downstream-balanced",),
        claim,
    ),
    Statement(
        "awasthi2022-conjecture",
        _SOURCE,
        "talk",
        "for unequal classes the downstream loss of the minimizer does not rise with k",
        ("logistic loss", "test distribution as in training", "best unit-norm classifier"),
        ("verify.conjecture --rho 0.863,0.135,0.002 --k 16,4096 --certificate FILE",),
        _conjecture,
    ),
    Statement(
        "awasthi2022-growth",
        _SOURCE,
        "talk",
        "the factor alpha(k) of earlier bounds is of the order of eta^k / k, eta = 1 + 1/(C-1)",
        ("equal classes", "Saunshi et al. 2019, Ash et al. 2021"),
        ("verify --only growth-of-earlier-bounds",),
        counterclaim,
    ),
)
