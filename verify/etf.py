"""`python -m verify.etf`: is the simplex ETF optimal for balanced classes?

The paper's theorem says that it is, for every `k` and every convex, symmetric, coordinatewise non-increasing loss, if
`d >= C - 1`. The command minimizes the exact population loss from random starts, compares what it finds with the ETF,
and encloses the global minimum.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from theory import priors
from theory.errors import InputError
from theory.objectives import ONE_TOWER, get_objective
from theory.problem import ExactNumber, Number, Problem, Whole
from verify import cli
from verify.results import Bracket, ProblemRecord, Status, report_search, versions
from verify.results.etf import COSINE_TOLERANCE, EtfResult, Geometry, report
from verify.results.series import reported, run_each

if TYPE_CHECKING:
    from theory.balanced import Uniqueness
    from theory.losses import LossLike
    from theory.objectives import ObjectiveLike
    from verify.certify import EtfProof
    from verify.optimize.search import Search

#: What a float64 search must reach for the word `numerical`.
GAP_TOLERANCE = 1e-10


def run(
    C: int,
    k: Number,
    *,
    d: Whole | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
    objective: ObjectiveLike = "nce",
    starts: int = 8,
    seed: int = 0,
    certificate: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> EtfResult:
    """Settle whether the simplex ETF minimizes the NCE loss of `C` equal classes and `k` negatives.

    `proved`: the minimum over all representations is enclosed, the ETF attains it, and the best start agrees with it.
    `numerical`: the same to rounding. `undecided`: the bracket did not close (as for `d < C-1`, where there is no
    simplex ETF) or no start converged.

    Args:
        C: number of classes, at least 2.
        k: number of negatives, or `math.inf` (the limit of the normalized loss).
        d: dimension, `C` by default.
        loss: name of the loss, `package.module:callable`, or the callable itself.
        temperature: read exactly.
        objective: which negatives an anchor meets, "nce" or "no-collisions" (`theory.objectives`).
        starts: random starts of the search.
        seed: seed of the starts.
        certificate: file to write the certificate `etf-optimality` to.
        progress: called with a line of text as the search goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    problem = Problem(priors.uniform(C), k, d, loss, temperature, objective=get_objective(objective, ONE_TOWER))

    from theory.balanced import nce_minimum, target_cosine, uniqueness
    from theory.geometry import max_cosine_error, rank
    from verify.certify.publish import publish
    from verify.lemma.hypotheses import estimated, hypotheses
    from verify.optimize.search import check_memory, search

    check_memory(C, problem.d, starts)
    rests = hypotheses(problem)
    if not rests.convex:  # which the theorem asks for
        raise InputError("loss", problem.loss_name, rests.note.removeprefix("no lower bound: "))
    searched = search(*problem.numbers, starts=starts, seed=seed, progress=progress, objective=problem.objective)
    has_etf, beta = problem.d >= C - 1, float(problem.beta)
    etf = nce_minimum(problem.loss, C, problem.k, beta, problem.objective) if has_etf else None
    target = target_cosine(C) if has_etf else None
    unique = uniqueness(problem.loss, problem.k, beta)
    error = max_cosine_error(searched.gram, target) if target is not None else None

    proof = _prove(problem)
    bracket = _bracket(problem, proof, searched, etf)
    unproved = "; ".join(text for text in (rests.note, estimated(problem, searched.gram)) if text)
    exact = problem.loss.is_exact(C, problem.k)
    status, note = _decide(proof, bracket, searched, error, unique if has_etf else None, unproved, exact)
    exact_rank = C - 1 if has_etf and proof is not None and unique.unique else None
    written = None
    if certificate is not None and status is Status.PROVED and proof is not None:
        written, status, note = publish(proof.certificate(), certificate, status, note)
    elif certificate is not None:
        note = f"{note}; no certificate: nothing was proved".lstrip("; ")
    return EtfResult(
        claim="balanced-etf-optimality",
        status=status,
        problem=ProblemRecord.of(problem),
        nce=bracket,
        geometry=Geometry(target, error, exact_rank, rank(searched.gram), unique.unique if has_etf else None),
        search=report_search(searched, bracket.lower),
        normalization=problem.loss.normalization if math.isinf(problem.k) else "none",
        note=note,
        certificate=written,
        seconds=time.perf_counter() - begun,
        versions=versions("jax", "numpy", "python-flint"),
        embeddings=searched.best.embeddings,
    )


def _prove(problem: Problem) -> EtfProof | None:
    """The minimum over all representations in `d >= C-1` dimensions, which bounds smaller `d` from below."""
    if not isinstance(problem.k, int):
        return None
    from verify.certify import prove_etf

    proof = prove_etf(replace(problem, d=max(problem.d, problem.population.C - 1)))
    return proof if proof.status == "proved" else None


def _bracket(problem: Problem, proof: EtfProof | None, searched: Search, etf: float | None) -> Bracket:
    value = searched.best.value
    if proof is not None and proof.lower is not None and proof.upper is not None:
        return Bracket.around(value, proof.lower, value if etf is None else proof.upper, etf)
    import numpy as np

    from theory.balanced import target_cosine
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient

    # at the ETF's Gram matrix, feasible or not, the tangent plane is the tightest for every balanced problem
    loss, rho, k, _, beta = problem.numbers
    G = np.full((len(rho), len(rho)), target_cosine(len(rho)))
    np.fill_diagonal(G, 1.0)
    lower = dual_bound(*gram_value_and_gradient(loss, G, rho, k, beta, problem.objective), G).lower
    upper = min(value, etf) if etf is not None else value
    return Bracket.around(value, min(lower, upper), upper, etf)


def _decide(
    proof: EtfProof | None,
    bracket: Bracket,
    searched: Search,
    error: float | None,
    unique: Uniqueness | None,
    unproved: str,
    exact: bool,
) -> tuple[Status, str]:
    """The status, and a note on what it does not say."""
    assert bracket.upper is not None and bracket.relative_gap is not None
    if searched.converged == 0:
        return Status.UNDECIDED, "no start converged: see search.runs for why each of them stopped"
    if error is None:
        note = "d < C-1: there is no simplex ETF, and 'lower' is the minimum of the convex relaxation"
        closed = bracket.relative_gap <= GAP_TOLERANCE
        return (Status.NUMERICAL, note + "; the bracket closes") if closed else (Status.UNDECIDED, note)
    off = (searched.best.value - bracket.upper) / max(1.0, abs(bracket.upper))
    if abs(off) > GAP_TOLERANCE:
        return Status.UNDECIDED, f"the best start is off the simplex ETF's loss by {off:.2e} (relative)"
    assert unique is not None
    if unique.unique and error > COSINE_TOLERANCE:
        return Status.UNDECIDED, f"the best start attains the minimum at cosines {error:.2e} off the simplex ETF's"
    if unproved:
        return (Status.NUMERICAL if exact else Status.UNDECIDED), unproved
    note = "" if unique.unique else f"the simplex ETF is optimal, but not the only optimum: {unique.reason}"
    if proof is not None:
        return Status.PROVED, note
    if bracket.relative_gap > GAP_TOLERANCE:
        return Status.UNDECIDED, "the bracket did not close"
    return Status.NUMERICAL, note


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.etf`."""
    parser = cli.parser(
        "verify.etf",
        "Balanced classes: minimize the exact population NCE loss of k negatives over class embeddings on the\n"
        "sphere, from random starts; compare the optimum with the simplex ETF (all cosines -1/(C-1)), which the\n"
        "paper's theorem says is optimal for every k; and enclose the global minimum.",
        "  python -m verify.etf --C 10 --k 64\n"
        "  python -m verify.etf --C 10 --k 64 --certificate etf.json && python -m verify.check etf.json",
    )
    cli.add_problem(parser, rho=False)
    cli.add_search(parser, 8)
    cli.add_certificate(parser)
    cli.add_save(parser)

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Any:
        def one(k: int | float) -> EtfResult:
            return run(
                k=k,
                **cli.problem_options(arguments),
                starts=arguments.starts,
                certificate=arguments.certificate,
                progress=progress,
            )

        return run_each(one, arguments.k, arguments.certificate, arguments.save)

    cli.main(parser, execute, reported(report), argv)


if __name__ == "__main__":
    main()
