"""Bao, Nagano, Nozawa: On the Surrogate Gap between Contrastive and Supervised Losses. ICML 2022."""

from __future__ import annotations

from theory.literature.statement import Judged, Results, Statement

_SOURCE = "Bao, Nagano, Nozawa 2021, arXiv 2110.02501"


def _bounds(results: Results) -> Judged:
    exact, bounds = results[0]["exact"]["mean_classifier"], results[0]["bounds"]
    low, high = (bounds[name]["value"] for name in ("bao2021_lower", "bao2021_upper"))
    if exact is None or low is None or high is None or results[0]["status"] != "numerical":
        return Judged("undecided", "no value")
    evidence = f"{low:.6g} <= {exact:.6g} <= {high:.6g}"
    holds = low * (1 - 1e-9) <= exact <= high * (1 + 1e-9)
    return Judged("numerical", evidence) if holds else Judged("refuted", f"not {evidence}")


def _minus_one(results: Results) -> Judged:
    import numpy as np

    from theory.losses import get_loss

    least = results[0]["nce"]["lower"]
    if results[0]["status"] != "proved" or least is None:
        return Judged("undecided", "the minimum is not proved")
    drawn = float(get_loss("logistic").expected(np.array([0.0, 2.0]), np.array([0.1, 0.9]), 64))
    evidence = f"all cosines at -1 would give {drawn:.4f}, the proven minimum is {least:.4f}"
    return Judged("refuted" if drawn < least - 1e-9 else "undecided", evidence)


STATEMENTS = (
    Statement(
        "bao2021-bounds",
        _SOURCE,
        "second hand",
        "R + D_L <= R_mu <= R + D_U, with D_U - D_L bounded in k",
        ("logistic loss", "equal classes", "looked at for C = 10, k = 64, at the minimizer"),
        ("verify.bounds --rho uniform --C 10 --k 64",),
        _bounds,
    ),
    Statement(
        "bao2021-curves-at-minus-one",
        f"{_SOURCE}, the public script that plots its curves",
        "second hand",
        "the contrastive loss of the curves, all cosines between classes at -1, is attained by some embeddings",
        ("logistic loss", "C = 10 equal classes, k = 64"),
        ("verify.etf --C 10 --k 64 --starts 2 --certificate FILE",),
        _minus_one,
    ),
)
