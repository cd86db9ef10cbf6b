"""`python -m verify.collapse`: [1, Lemma 1] and each step of its proof, on random finite-support representations.

The lemma says that some representation that is constant on classes has no larger loss. Settled separately: the
averaging step of its proof, the loop over classes, the two steps of the lifting lemma, and whether direct optimization
over points ends constant on classes. With `--search-loss` a loss that breaks the averaging step is looked for, and
proved to.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from theory import priors
from theory.errors import InputError
from theory.problem import ExactNumber, Number, Whole
from verify import cli
from verify.results import ProblemRecord, Status, versions
from verify.results.collapse import CollapseResult, report
from verify.results.series import reported, run_each

_MAX_PROOF_TERMS = 200_000


def run(
    loss: str = "logistic",
    *,
    C: int = 3,
    k: Number = 4,
    points: int = 3,
    d: Whole | None = None,
    rho: priors.Prior | None = None,
    temperature: ExactNumber = 1,
    trials: int = 200,
    starts: int = 4,
    seed: int = 0,
) -> CollapseResult:
    """Try the lemma and its steps on `trials` representations with `points` points a class.

    `numerical`: no margin of the lemma is below `-1e-12 max(1, L)`. `undecided`: one is; a float proves nothing.

    Args:
        loss: a name, or `package.module:callable`.
        C: the number of classes.
        k: the number of negatives.
        points: points a class.
        d: the dimension, `C` by default.
        rho: the prior of every trial; if None each trial draws its own.
        temperature: read exactly.
        trials: representations to try.
        starts: random starts of the optimization over points; 0 leaves it out.
        seed: of everything random.

    Raises:
        InputError: for a parameter out of range, a loss that is found to violate a hypothesis, or one of the user's
            own at a size where its expectation cannot be enumerated.
    """
    from verify.lemma.settle import checked_problem, settle

    if rho is not None and rho.C != C:
        raise InputError("rho", f"{rho.C} classes", f"--C is {C}; make them agree")
    problem = checked_problem(C, k, points, d, trials, rho, loss, temperature)
    return settle(problem, points, (trials, starts, seed), drawn=rho is None)


def run_search(
    *,
    C: int = 2,
    k: int | float = 2,
    points: int = 2,
    d: int | None = None,
    trials: int = 200,
    starts: int = 4,
    seed: int = 0,
    minutes: float | int = 5,
    every_point: bool = False,
    certificate: Path | str | None = None,
    progress: Callable[[str], None] | None = None,
) -> CollapseResult:
    """Search for a loss that breaks the averaging step; then settle the lemma, which is kept apart, for that loss.

    Args:
        C, k, points, d, trials, starts, seed: as in `run`, but small, since everything is enumerated exactly.
        minutes: how long to search.
        every_point: search for one on which no single `x*` does as well as `f`, so that not only the average fails.
        certificate: file to write the certificate `averaging-step-refuted` to.
        progress: called with a line of text as the search goes on.

    Raises:
        InputError: for a parameter out of range.
    """
    from theory.losses import Custom
    from verify.lemma.search_loss import search
    from verify.lemma.settle import PACKAGES, checked_problem, refuted, settle
    from verify.lemma.summary import AveragingStep

    begun = time.perf_counter()
    problem = checked_problem(C, k, points, d, trials)
    if k < 2 or points < 2:
        option, given = ("points", points) if k >= 2 else ("k", k)
        raise InputError(option, given, "the averaging step holds for every loss below 2, so there is nothing to find")
    if not 0 < minutes < float("inf"):
        raise InputError("minutes", minutes, "accepted: a number > 0")
    if (C * points) ** (problem.integer_k + 1) * points**2 > _MAX_PROOF_TERMS:
        raise InputError("points", points, f"(C N)^(k+1) N^2 terms are enumerated, at most {_MAX_PROOF_TERMS}")
    counterexample = search(
        C=C, k=problem.integer_k, points=points, d=problem.d, seed=seed, minutes=minutes, every_point=every_point,
        progress=progress,
    )  # fmt: skip
    if counterexample is None:
        return CollapseResult(
            claim="lemma-1", status=Status.UNDECIDED, problem=replace(ProblemRecord.of(problem), loss="searched"),
            points=points, hypotheses={}, lemma=None,
            averaging_step=AveragingStep(Status.UNDECIDED, 0, 0, 0, None, None, None, None), lifting=None,
            optimization=None, note=f"no loss was found in {minutes:g} minutes that breaks the averaging step",
            certificate=None, seconds=time.perf_counter() - begun, versions=versions(*PACKAGES),
        )  # fmt: skip
    loss = counterexample.candidate.loss
    problem = replace(problem, loss=Custom(loss), loss_name=str(loss))
    settled = settle(problem, points, (trials, starts, seed), drawn=True)
    step, written = refuted(settled.averaging_step, counterexample, certificate)
    return replace(
        settled,
        averaging_step=step,
        note=("the conclusion of the averaging step" if every_point else "the averaging step")
        + " fails for a strictly convex, symmetric, decreasing loss; the lemma is kept apart",
        certificate=written,
        seconds=time.perf_counter() - begun,
    )


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.collapse`."""
    parser = cli.parser(
        "verify.collapse",
        "Lemma 1 (the optimal representation is constant on classes) and each step of its proof, on random and\n"
        "adversarial representations with finitely many points a class; and direct optimization over points.\n"
        "With --search-loss: find a loss for which the averaging step of the proof fails, and prove it.",
        "  python -m verify.collapse --loss logistic --C 3 --k 4 --points 3\n"
        "  python -m verify.collapse --search-loss --certificate step.json && python -m verify.check step.json",
    )
    parser.add_argument("--search-loss", action="store_true", help="search for a loss that breaks the averaging step")
    parser.add_argument(
        "--every-point", action="store_true", help="with --search-loss: not only the average, but every x* is to lose"
    )
    parser.add_argument("--minutes", type=cli.minutes, metavar="M", help="how long to search (default: 5)")
    parser.add_argument("--C", type=cli.integer(2), metavar="C", help="number of classes (default: 3; search: 2)")
    parser.add_argument("--k", type=cli.k_list, metavar="K", help="numbers of negatives (default: 4; search: 2)")
    parser.add_argument("--points", type=cli.integer(1), metavar="N", help="points a class (default: 3; search: 2)")
    parser.add_argument("--d", type=cli.integer(2), metavar="D", help="dimension of the embeddings (default: C)")
    parser.add_argument("--rho", metavar="R", help="class prior of every trial (default: drawn for each trial)")
    parser.add_argument("--normalize", action="store_true", help="divide the masses of --rho by their sum")
    parser.add_argument("--loss", metavar="L", help="name (default: logistic), or package.module:callable")
    parser.add_argument("--temperature", metavar="T", help="the loss sees margins / T, T > 0 (default: 1)")
    parser.add_argument(
        "--trials", type=cli.integer(1), default=200, metavar="N", help="representations (default: 200)"
    )
    cli.add_search(parser, 4)
    cli.add_certificate(parser)
    cli.main(parser, _execute, reported(report), argv)


def _execute(arguments: argparse.Namespace, progress: cli.Progress) -> Any:
    if arguments.k is None:
        return _execute_one(arguments, None, progress)
    return run_each(lambda k: _execute_one(arguments, k, progress), arguments.k, arguments.certificate)


def _execute_one(arguments: argparse.Namespace, k: int | float | None, progress: cli.Progress) -> CollapseResult:
    effort = {name: getattr(arguments, name) for name in ("trials", "starts", "seed", "d")}
    given_sizes = {"C": arguments.C, "k": k, "points": arguments.points}
    sizes = {name: size for name, size in given_sizes.items() if size is not None}
    if arguments.search_loss:
        for option in ("loss", "rho", "temperature"):
            if getattr(arguments, option) is not None:
                raise InputError(option, getattr(arguments, option), "not with --search-loss, which chooses it")
        return run_search(
            **sizes,
            **effort,
            minutes=5.0 if arguments.minutes is None else arguments.minutes,
            every_point=arguments.every_point,
            certificate=arguments.certificate,
            progress=progress,
        )
    for option, given in (
        ("certificate", arguments.certificate),
        ("minutes", arguments.minutes),
        ("every-point", arguments.every_point or None),
    ):
        if given is not None:
            raise InputError(option, given, "only with --search-loss")
    rho = None
    if arguments.rho is not None:
        rho = priors.parse(arguments.rho, arguments.C, normalize=arguments.normalize)
        sizes["C"] = rho.C
    temperature = "1" if arguments.temperature is None else arguments.temperature
    return run(arguments.loss or "logistic", **sizes, **effort, rho=rho, temperature=temperature)


if __name__ == "__main__":
    main()
