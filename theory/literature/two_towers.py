"""Lee, Chang, Sohn 2024: what the sigmoid loss is minimized by, against the temperature."""

from __future__ import annotations

from math import exp, log1p

from theory.literature.statement import Judged, Results, Statement


def _phases(results: Results) -> Judged:
    """At C = 10, k = 9 and bias -beta: the simplex at beta = 2, antipodes at beta = 1/2, and neither at beta = 1."""
    values = []
    for beta in (2.0, 0.5, 1.0):
        at = ((1.0, -1 / 9), (-1.0, -1.0))
        values.append([log1p(exp(-beta * (a - 1))) + 9 * log1p(exp(beta * (o - 1))) for a, o in at])
    if any(result["status"] != "proved" for result in results):
        return Judged("undecided", "a minimum is not proved")
    off = [abs(results[0]["nce"]["upper"] - values[0][0]), abs(results[1]["nce"]["upper"] - values[1][1])]
    between = min(values[2]) - results[2]["nce"]["upper"]
    evidence = f"off the simplex by {off[0]:.0e}, off antipodes by {off[1]:.0e}, in between {between:.2g} below both"
    return Judged("numerical" if max(off) < 1e-12 and between > 1e-6 else "undecided", evidence)


STATEMENTS = (
    Statement(
        "lee2024-sigmoid-phases",
        "Lee, Chang, Sohn 2024, arXiv 2402.12613",
        "abstract",
        "the optimum of the sigmoid loss ranges from the simplex ETF to antipodes with the temperature",
        ("two towers, all pairs of the data in a batch", "looked at for 10 pairs, bias -beta, beta = 2, 1/2 and 1"),
        tuple(
            f"verify.optimum --rho uniform --C 10 --k 9 --objective sigmoid-no-collisions:{bias} --temperature {T}"
            for bias, T in (("-2", "1/2"), ("-1/2", "2"), ("-1", "1"))
        ),
        _phases,
    ),
)
