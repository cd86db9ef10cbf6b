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
from theory.objectives import ONE_TOWER, get_objective
from theory.problem import ExactNumber, Number, Problem, Whole
from verify import cli, limits
from verify.files.priors import PriorLike, read_prior
from verify.results import Bracket, ProblemRecord, Status, report_search, versions
from verify.results.optimum import OptimumResult, report
from verify.results.series import reported, run_each

if TYPE_CHECKING:
    from theory.losses import LossLike
    from theory.objectives import ObjectiveLike
    from verify.certify import OptimumProof
    from verify.optimize.floor import Floor
    from verify.optimize.search import Search
    from verify.optimize.solution import Solution

#: The relative gap that a float64 bracket must reach for the word `numerical`.
GAP_TOLERANCE = 1e-9


def run(
    rho: PriorLike,
    k: Number,
    *,
    C: int | None = None,
    normalize: bool = False,
    d: Whole | None = None,
    loss: LossLike = "logistic",
    temperature: ExactNumber = 1,
    objective: ObjectiveLike = "nce",
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
        objective: which negatives an anchor meets, and whether candidates have a tower of their own
            (`theory.objectives`): "nce", "no-collisions", "pool:N", "clip", "clip-no-collisions", "sigmoid:B",
            "sigmoid-no-collisions:B". Of two towers `gram` has 2C rows, anchors first.
        starts: random starts of the search on the sphere: for `d < C - 1` (at least 16 then), for losses that are not
            smooth or not known to be convex, and where the convex program leaves a gap.
        seed: seed of the starts.
        certificate: file to write the certificate `global-optimum` to.
        progress: called with a line of text as the search goes on.

    Raises:
        InputError: for input outside of what is accepted.
    """
    begun = time.perf_counter()
    problem = Problem(read_prior(rho, C, normalize=normalize), k, d, loss, temperature, objective=objective)

    from verify.optimize.solution import in_groups, solve

    least, large = problem.population.C - 1, problem.population.C > limits.OPTIMUM_CLASSES
    solution = solve(problem, progress=progress) if in_groups(problem) else None
    if problem.objective.towers == 2 or problem.objective.pool is not None:
        least = _check_solved(problem, solution)
    if large and solution is None:
        accepted = f"accepted: at most {limits.OPTIMUM_CLASSES} classes that differ, or with this loss"
        raise InputError("rho", f"{problem.population.C} classes", accepted)
    if solution is not None and problem.d < min(solution.rank, least):
        if large:
            accepted = f"accepted for so many classes: at least {solution.rank}, the rank of the optimum"
            raise InputError("d", problem.d, accepted)
        solution = None
    if solution is not None:
        return _in_groups(problem, solution, certificate, begun, progress)

    from theory.geometry import rank
    from verify.certify.publish import publish
    from verify.certify.rank import proven_rank
    from verify.lemma.hypotheses import estimated, hypotheses
    from verify.optimize.search import minimum

    rests = hypotheses(problem)
    relaxed = problem.d < least
    if relaxed:
        starts = max(starts, 16)
    searched = minimum(*problem.numbers, starts=starts, seed=seed, progress=progress, objective=problem.objective)
    # the relaxation of a small d is the same problem in d = C, where local minima are global
    free = replace(problem, d=problem.population.C) if relaxed else problem
    full = minimum(*free.numbers, starts=2, seed=seed, objective=problem.objective) if relaxed else searched

    proof = _prove(free, full, progress)
    lower, upper = _bounds(problem, proof, searched, full, relaxed)
    bracket = Bracket.around(searched.best.value, lower if rests.convex else None, upper)
    unproved = "; ".join(text for text in (rests.note, estimated(problem, searched.gram)) if text)
    exact = problem.loss.is_exact(problem.population.C, problem.k)
    status, note = _decide(proof, bracket, searched, relaxed, unproved, exact)
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
        problem=ProblemRecord.of(problem),
        nce=bracket,
        gram=tuple(tuple(float(g) for g in row) for row in gram),
        groups=None,
        gram_radius=radius,
        rank=proven_rank(proof) if status is Status.PROVED else None,
        rank_numerical=rank(searched.gram),
        search=report_search(searched, bracket.lower),
        normalization=problem.loss.normalization if math.isinf(problem.k) else "none",
        note=note,
        certificate=written,
        seconds=time.perf_counter() - begun,
        versions=versions("jax", "numpy", "python-flint"),
    )


def _check_solved(problem: Problem, solution: Solution | None) -> int:
    """The dimension that an objective needs which no search on the sphere knows: two towers, or a pool.

    Raises:
        InputError: if it is more than there is, or there are too many classes.
    """
    if solution is None:
        accepted = f"accepted for {problem.objective.name}: at most {limits.BARRIER_GROUPS // 2} classes"
        raise InputError("rho", f"{problem.population.C} classes", accepted)
    if problem.d < solution.rank:
        accepted = f"accepted for {problem.objective.name}: at least {solution.rank}, the rank of the optimum"
        raise InputError("d", problem.d, accepted)
    return solution.rank


def _in_groups(
    problem: Problem,
    solution: Solution,
    certificate: Path | str | None,
    begun: float,
    progress: Callable[[str], None] | None,
) -> OptimumResult:
    from verify.certify.solution import prove, summarized

    if progress is not None:
        progress("enclosing the minimum")
    fields = summarized(problem, solution, prove(problem, solution), certificate, GAP_TOLERANCE)
    return OptimumResult(
        claim="global-optimum",
        problem=ProblemRecord.of(problem),
        seconds=time.perf_counter() - begun,
        versions=versions("numpy", "python-flint"),
        **fields,
    )


def _prove(problem: Problem, searched: Search, progress: Callable[[str], None] | None) -> OptimumProof | None:
    """The minimum and the minimizer if they can be polished, else the minimum only; the reason if neither."""
    if not isinstance(problem.k, int):
        return None
    import numpy as np

    from verify.certify import prove_bracket, prove_optimum
    from verify.optimize.starts import Start

    embeddings = searched.best.embeddings
    if progress is not None:
        progress("enclosing the minimum")
    proof = prove_optimum(problem, embeddings)
    if proof.status == "proved":
        return proof
    rows = Start(embeddings, np.zeros(len(embeddings), dtype=bool))
    bracket = prove_bracket(replace(problem, population=problem.population.split()), rows)
    return bracket if bracket.status == "proved" or problem.population.C > limits.POLISHED_CLASSES else proof


def _bounds(
    problem: Problem, proof: OptimumProof | None, searched: Search, full: Search, relaxed: bool
) -> tuple[Fraction | float, Fraction | float]:
    """Below and above the minimum: proven, or in double precision."""
    value = searched.best.value
    if proof is not None and proof.lower is not None and proof.upper is not None:
        return proof.lower, value if relaxed else proof.upper
    from verify.optimize.dual import dual_bound
    from verify.optimize.objective import gram_value_and_gradient

    loss, rho, k, _, beta = problem.numbers
    at_full = gram_value_and_gradient(loss, full.gram, rho, k, beta, problem.objective)
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
            return replace(result, floor=_floor(arguments, k)) if arguments.floor else result

        return run_each(one, arguments.k, arguments.certificate, arguments.save)

    cli.main(parser, execute, reported(report), argv)


def _floor(arguments: argparse.Namespace, k: int | float) -> Floor:
    from verify.optimize.floor import floor

    prior = read_prior(arguments.rho, arguments.C, normalize=arguments.normalize)
    objective = get_objective(arguments.objective, ONE_TOWER)
    named = {"loss": arguments.loss, "temperature": arguments.temperature, "objective": objective}
    return floor(Problem(prior, k, arguments.d, **named))


if __name__ == "__main__":
    main()
