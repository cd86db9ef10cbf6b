"""Statements on the minimum and its place that one number, or one claim, looks into."""

from __future__ import annotations

from fractions import Fraction
from math import fsum, log

from theory.literature.statement import Judged, Results, Statement, claim


def _etf(results: Results) -> Judged:
    status, error = results[0]["status"], results[0]["geometry"]["max_cosine_error"]
    width = results[0]["nce"]["gap"]
    return Judged(
        "proved" if status == "proved" else "undecided",
        f"the minimum is enclosed to {width:.0e}, the simplex attains it; cosines of the best start off by {error:.0e}",
    )


def _limit(results: Results) -> Judged:
    finite, limit = results[0]["series"]
    difference = abs(finite["nce"]["found"] - log(finite["k"]) - limit["nce"]["found"])
    evidence = f"L_k - log k at k = {finite['k']} is off its limit by {difference:.1e}"
    return Judged("numerical" if difference < 1e-5 else "undecided", evidence)


def _information(results: Results) -> Judged:
    problem, least = results[0]["problem"], results[0]["nce"]["lower"]
    masses = [Fraction(r) for r in problem["rho"]]
    entropy = -fsum(float(r) * log(r) for r in masses)
    floor = log(problem["k"] + 1) - entropy
    if results[0]["status"] != "proved":
        return Judged("undecided", "the minimum is not proved")
    evidence = f"the proven minimum {least:.6g} is above log(k+1) - H(rho) = {floor:.6g}"
    return Judged("numerical", evidence) if least >= floor else Judged("refuted", f"not: {evidence}")


def _true_negatives(results: Results) -> Judged:
    with_collisions, without = results
    if any(result["status"] != "proved" for result in results):
        return Judged("undecided", "a downstream loss is not proved")
    least, most = without["sup"]["lower"], with_collisions["sup"]["upper"]
    evidence = f"the downstream loss is {most:.6g} with collisions and {least:.6g} without"
    return Judged("refuted" if least > most else "undecided", evidence)


STATEMENTS = (
    Statement(
        "graf2021-supcon-etf",
        "Graf, Hofer, Niethammer, Kwitt 2021, arXiv 2102.08817",
        "abstract",
        "the supervised contrastive loss attains its minimum at the vertices of a regular simplex",
        (
            "class embeddings, equal classes; all positives of an anchor are at cosine 1, so the outer form is NT-Xent",
            "batches of 16 images iid by class, two views of each: weighted-logistic:30 at k = 15; C = 10",
        ),
        ("verify.etf --C 10 --k 15 --loss weighted-logistic:30 --starts 2 --certificate FILE",),
        _etf,
    ),
    Statement(
        "koromilas2024-batch-size",
        "Koromilas, Bouritsas, Giannakopoulos, Nicolaou, Panagakis 2024, arXiv 2405.18045",
        "abstract",
        "losses of the InfoNCE family have the same minimizers for batches as asymptotically, under certain conditions",
        (
            "read with equal classes for the conditions, and class embeddings",
            "loss convex, symmetric, non-increasing",
            "d >= C-1",
        ),
        ("verify --only balanced-etf",),
        claim,
    ),
    Statement(
        "nguyen2026-class-means",
        "Nguyen, Aeron, Brown, Ishwar 2026, arXiv 2605.11291",
        "abstract",
        "for unequal classes too, optimal representations are constant on classes",
        ("loss convex, non-increasing", "positives iid given the class", "d >= C"),
        ("verify --only lemma-1-lifting",),
        claim,
    ),
    Statement(
        "nguyen2026-collapse-threshold",
        "Nguyen, Aeron, Brown, Ishwar 2026, arXiv 2605.11291",
        "abstract",
        "minority classes collapse onto one point beyond a threshold of imbalance, which depends on loss and negatives",
        ("logistic loss", "one majority class; the threshold as derived here"),
        ("verify --only minority-collapse",),
        claim,
    ),
    Statement(
        "wang-isola2020-limit",
        "Wang, Isola 2020, arXiv 2005.10242",
        "second hand",
        "L_k - log k tends to an alignment term plus the log-mean-exp of all similarities as k grows",
        ("logistic loss", "looked at in the minima for 0.5, 0.3, 0.2"),
        ("verify.optimum --rho 0.5,0.3,0.2 --k 1000000,inf",),
        _limit,
    ),
    Statement(
        "oord2018-information",
        "van den Oord, Li, Vinyals 2018, arXiv 1807.03748",
        "second hand",
        "the mutual information of a positive pair is at least log(k+1) - L_k",
        (
            "logistic loss",
            "pairs iid given the class, so that it is the entropy of the classes",
            "0.5, 0.3, 0.2; k = 16",
        ),
        ("verify.optimum --rho 0.5,0.3,0.2 --k 16 --certificate FILE",),
        _information,
    ),
    Statement(
        "chuang2020-true-negatives",
        "Chuang, Robinson, Lin, Torralba, Jegelka 2020, arXiv 2007.00224",
        "second hand",
        "with negatives of other classes only the downstream loss of the minimizer is no larger",
        ("reported there as an observation in training; here: minimizers over all embeddings, 0.5, 0.3, 0.2, k = 256",),
        tuple(
            f"verify.downstream --rho 0.5,0.3,0.2 --k 256 --objective {objective}"
            for objective in ("nce", "no-collisions")
        ),
        _true_negatives,
    ),
)
