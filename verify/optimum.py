"""`python -m verify.optimum`: the global minimum of the NCE loss for any class prior, bracketed.

The loss is convex in the Gram matrix, so that a dual slack bounds the global minimum from below, and the optimum of
any prior can be certified.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from theory.errors import InputError
from theory.priors import Prior
from verify import cli
from verify.files.priors import PriorLike, read_prior
from verify.results import (
    Bracket,
    ExactNumber,
    Number,
    Status,
    Whole,
    check_d,
    check_k,
    check_temperature,
    label,
    problem,
    report_search,
    versions,
)
from verify.results.optimum import OptimumResult, report
from verify.results.series import reported, run_each

if TYPE_CHECKING:
    from theory.losses import Loss, LossLike
    from verify.certify import OptimumProof
    from verify.optimize.floor import Floor
    from verify.optimize.search import Search

#: The relative gap that a float64 bracket must reach for the word `numerical`.
GAP_TOLERANCE = 1e-9

#: The most classes for which a dense dual slack is factored.
MAX_CLASSES = 4000


def run(
    rho: PriorLike,
    k: Number,
    *,
    C: int | None = None,
    normalize: bool = False,
    d: Whole | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
    starts: int = 2,
    seed: int = 0,
    certificate: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> OptimumResult:
    """Minimize the population NCE loss for the prior `rho`, and bracket the global minimum.

    For `d >= C - 1` the minimum over the sphere is that of a convex program [1, and derived: all off-diagonal
    derivatives are positive, so the optimal Gram matrix is singular]; `proved` if it is enclosed in balls, with the
    minimizer (up to 256 classes) or without; `numerical` if the float64 bracket closes to `GAP_TOLERANCE`. For smaller
    `d`, `lower` is the convex relaxation's and the status is `undecided` unless the bracket closes.

    Up to 48 masses that differ the minimizer is the one of `verify.optimize.solution`, whatever C is; it needs `d >=
    rank`, and with fewer dimensions the search is over all classes.

    Args:
        rho: a prior, the text of one, masses, an array, or counts of labels (`verify.files.priors.read_prior`).
        k: number of negatives; `math.inf` for the limit; real `k` is never called proved.
        C: number of classes, for profiles such as "zipf:1".
        normalize: divide the masses of a text by their sum.
        d: dimension, `C` by default.
        loss: name of the loss, `package.module:callable`, or the callable itself.
        temperature: read exactly.
        starts: random starts of the search on the sphere: for `d < C - 1` (at least 16 then), for losses that are not
            smooth or not known to be convex, and where the convex program leaves a gap.
        seed: seed of the starts.
        certificate: file to write the certificate `global-optimum` to.
        progress: called with a line of text as the search goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    given, loss = loss, label(loss)
    prior = read_prior(rho, C, normalize=normalize)
    k, d, exact_temperature = check_k(k), check_d(d, prior.C), check_temperature(temperature)

    from verify.optimize.solution import in_groups, solve

    solution = solve(prior, k, loss=loss, temperature=exact_temperature) if in_groups(prior, loss) else None
    if prior.C > MAX_CLASSES and solution is None:
        raise InputError(
            "rho", f"{prior.C} classes", f"accepted: at most {MAX_CLASSES} classes with this loss and prior"
        )
    if solution is not None and d < min(solution.rank, prior.C - 1):
        if prior.C > MAX_CLASSES:
            accepted = f"accepted for so many classes: at least {solution.rank}, the rank of the optimum"
            raise InputError("d", d, accepted)
        solution = None
    if solution is not None:
        from verify.certify.solution import prove, summarized

        proved = prove(solution, k, loss=loss, temperature=exact_temperature, d=d)
        return OptimumResult(
            claim="global-optimum",
            problem=problem(prior, k, d, loss, exact_temperature),
            seconds=time.perf_counter() - begun,
            versions=versions("numpy", "python-flint"),
            **summarized(solution, proved, prior, k, loss, certificate, GAP_TOLERANCE),
        )

    from theory.geometry import rank
    from theory.losses import get_loss
    from verify.certify.publish import publish
    from verify.certify.rank import proven_rank
    from verify.lemma.hypotheses import estimated, hypotheses
    from verify.optimize.search import minimum

    chosen, beta, weights = get_loss(given), float(1 / exact_temperature), prior.as_array()
    rests = hypotheses(chosen, loss, k, beta)
    relaxed = d < prior.C - 1
    searched = minimum(
        chosen, weights, k, d, beta, starts=max(starts, 16) if relaxed else starts, seed=seed, progress=progress
    )
    # the relaxation of a small d is the same problem in d = C, where local minima are global
    full = minimum(chosen, weights, k, prior.C, beta, starts=2, seed=seed) if relaxed else searched

    proof = _prove(prior, k, full, loss, exact_temperature, prior.C if relaxed else d, progress)
    lower, upper = _bounds(proof, searched, full, chosen, weights, k, beta, relaxed)
    bracket = Bracket.around(searched.best.value, lower if rests.convex else None, upper)
    said = (rests.note, estimated(chosen, searched.gram, weights, k, beta))
    unproved = "; ".join(text for text in said if text)
    status, note = _decide(proof, bracket, searched, relaxed, unproved, chosen.is_exact(prior.C, k))
    gram: Any = searched.gram
    radius = None
    written = None
    if proof is not None and not relaxed and proof.gram is not None and proof.gram_radius is not None:
        gram, radius = proof.doubles()
    if certificate is not None and status is Status.PROVED and proof is not None and proof.point is not None:
        if progress is not None:
            progress("the checker reads the certificate")
        written, status, note = publish(proof.certificate(), certificate, status, note)
    elif certificate is not None:
        why = "there are too many classes for the checker" if status is Status.PROVED else "nothing was proved"
        note = f"{note}; no certificate: {why}".lstrip("; ")
    return OptimumResult(
        claim="global-optimum",
        status=status,
        problem=problem(prior, k, d, loss, exact_temperature),
        nce=bracket,
        gram=tuple(tuple(float(g) for g in row) for row in gram),
        groups=None,
        gram_radius=radius,
        rank=proven_rank(proof) if status is Status.PROVED else None,
        rank_numerical=rank(searched.gram),
        search=report_search(searched, bracket.lower),
        normalization=chosen.normalization if math.isinf(k) else "none",
        note=note,
        certificate=written,
        seconds=time.perf_counter() - begun,
        versions=versions("jax", "numpy", "python-flint"),
    )


def _prove(
    prior: Prior,
    k: int | float,
    searched: Search,
    loss: str,
    temperature: Fraction,
    d: int,
    progress: Callable[[str], None] | None,
) -> OptimumProof | None:
    """The minimum and the minimizer if they can be polished, else the minimum only; the reason if neither."""
    if not isinstance(k, int):
        return None
    from verify.certify import prove_bracket, prove_optimum
    from verify.certify.optimum import MAX_CLASSES as MAX_POLISHED

    embeddings = searched.best.embeddings
    if progress is not None:
        progress("enclosing the minimum")
    proof = prove_optimum(prior, k, embeddings, loss=loss, temperature=temperature, d=d)
    if proof.status == "proved":
        return proof
    bracket = prove_bracket(prior, k, embeddings, loss=loss, temperature=temperature, d=d)
    return bracket if bracket.status == "proved" or prior.C > MAX_POLISHED else proof


def _bounds(
    proof: OptimumProof | None,
    searched: Search,
    full: Search,
    loss: Loss,
    weights: object,
    k: int | float,
    beta: float,
    relaxed: bool,
) -> tuple[Fraction | float, Fraction | float]:
    """Below and above the minimum: proven, or in double precision."""
    value = searched.best.value
    if proof is not None and proof.lower is not None and proof.upper is not None:
        return proof.lower, value if relaxed else proof.upper
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient

    at_full = gram_value_and_gradient(loss, full.gram, weights, k, beta)  # type: ignore[arg-type]
    return min(dual_bound(*at_full, full.gram).lower, value), value


def _decide(
    proof: OptimumProof | None, bracket: Bracket, searched: Search, relaxed: bool, unproved: str, exact: bool
) -> tuple[Status, str]:
    """The status, and a note on what it does not say."""
    assert bracket.upper is not None
    proved = proof is not None and proof.status == "proved"
    notes = [] if proved or proof is None else [f"not proved: {proof.reason}"]
    closed = bracket.relative_gap is not None and bracket.relative_gap <= GAP_TOLERANCE
    if relaxed and bracket.lower is not None:
        notes = ["d < C-1: 'lower' is the minimum of the convex relaxation (d = C)"]
    elif proved:
        off = (searched.best.value - bracket.upper) / max(1.0, abs(bracket.upper))
        if abs(off) > GAP_TOLERANCE:
            return Status.UNDECIDED, f"the best start is off the proven minimum by {off:.2e} (relative)"
        return Status.PROVED, ""
    if unproved:
        notes = [*(notes if relaxed else []), unproved]
    if searched.converged == 0:
        notes.append("no start converged: see search.runs for why each of them stopped")
    # a bracket that closes needs no start that converged
    status = Status.NUMERICAL if closed and exact else Status.UNDECIDED
    return status, "; ".join(notes)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.optimum`."""
    parser = cli.parser(
        "verify.optimum",
        "Any class prior: minimize the exact population NCE loss over class embeddings on the sphere, and bracket\n"
        "the global minimum by convex duality.",
        "  python -m verify.optimum --rho 0.5,0.3,0.2 --k 16\n"
        "  python -m verify.optimum --rho zipf:1 --C 50 --k 256 --json",
    )
    cli.add_problem(parser, rho=True)
    cli.add_search(parser, 2)
    cli.add_certificate(parser)
    cli.add_save(parser)
    parser.add_argument(
        "--floor", action="store_true", help="for a training log: the loss at chance and of the simplex ETF beside it"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Any:
        def one(k: int | float) -> OptimumResult:
            result = run(
                arguments.rho,
                k,
                **cli.problem_options(arguments),
                starts=arguments.starts,
                certificate=arguments.certificate,
                progress=progress,
            )
            return replace(result, floor=_floor(arguments, k, result)) if arguments.floor else result

        return run_each(one, arguments.k, arguments.certificate, arguments.save)

    cli.main(parser, execute, reported(report), argv)


def _floor(arguments: argparse.Namespace, k: int | float, result: OptimumResult) -> Floor:
    from verify.optimize.floor import floor

    prior = read_prior(arguments.rho, arguments.C, normalize=arguments.normalize)
    temperature = check_temperature(arguments.temperature)
    return floor(prior, k, result.problem.d, loss=arguments.loss, temperature=temperature)


if __name__ == "__main__":
    main()
