"""Each item once: statements about negatives that are drawn without replacement."""

from __future__ import annotations

from math import exp, log1p

from theory.literature.statement import Judged, Results, Statement


def _simplex(results: Results) -> Judged:
    result = results[0]
    if result["status"] != "proved":
        return Judged("undecided", "the minimum is not proved")
    value = log1p(9 * exp(-10 / 9))
    off = max(abs(value - result["nce"][end]) for end in ("lower", "upper"))
    evidence = f"the proven minimum is off the simplex ETF's log(1 + 9 e^(-10/9)) by {off:.0e}"
    return Judged("numerical" if off < 1e-13 else "undecided", evidence)


def _batches(results: Results) -> Judged:
    """Whether the enclosed minimizers are one Gram matrix, to within what is proved of them."""
    if any(result["status"] != "proved" or result["gram_radius"] is None for result in results):
        return Judged("undecided", "a minimizer is not enclosed")
    full, batch = (result["gram"] for result in results)
    off = max(abs(a - b) for rows in zip(full, batch, strict=True) for a, b in zip(*rows, strict=True))
    radius = sum(result["gram_radius"] for result in results)
    evidence = f"the minimizers of the full batch and of all batches of 4 differ by {off:.0e}, enclosed to {radius:.0e}"
    return Judged("numerical" if off <= radius + 1e-15 and radius < 1e-8 else "undecided", evidence)


STATEMENTS = (
    Statement(
        "lu-steinerberger2022-cross-entropy",
        "Lu, Steinerberger 2022, arXiv 2012.08465",
        "second hand",
        "the cross-entropy of unit vectors, each class once, is minimized by the simplex ETF",
        ("features and classifier one set of unit vectors", "looked at for 10 classes"),
        ("verify.optimum --rho uniform --C 10 --k 9 --objective pool:10 --certificate FILE",),
        _simplex,
    ),
    Statement(
        "cho2024-mini-batches",
        "Cho, Sreenivasan, Lee, et al. 2024, arXiv 2307.05906",
        "abstract",
        "optimizing all mini-batches of one size is equivalent to optimizing the full batch",
        ("one direction of the abstract's equivalence", "looked at for 10 items, batches of 4, one tower"),
        tuple(f"verify.optimum --rho uniform --C 10 --k {k} --objective pool:10" for k in (9, 3)),
        _batches,
    ),
)
