"""`python -m verify.symbolic`: the symbolic derivations, each step reduced by SymPy to identities and signs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from theory.errors import InputError
from verify import cli
from verify.results import Status, versions, weakest


@dataclass(frozen=True)
class Obligation:
    """One identity or sign: whether it reduced (None: neither it nor its negation did)."""

    what: str
    holds: bool | None


@dataclass(frozen=True)
class StepResult:
    """One step of a derivation, with the obligations that it comes down to.

    Attributes:
        scope: "symbolic" where the obligations hold for all `n` at once.
    """

    name: str
    statement: str
    status: Status
    source: str
    scope: str
    obligations: tuple[Obligation, ...]


@dataclass(frozen=True)
class EveryProblem:
    """What other commands fix and a symbolic statement does not: null means any value."""

    C: None = None
    k: None = None
    d: None = None
    rho: None = None
    loss: None = None
    temperature: None = None


@dataclass(frozen=True)
class SymbolicResult:
    """What `run` found; its fields are the keys of `--json`. The status is the weakest of the steps'."""

    claim: str
    status: Status
    problem: EveryProblem
    steps: tuple[StepResult, ...]
    seconds: float
    versions: dict[str, str]


def run(names: Sequence[str] | None = None, *, progress: Callable[[str], None] | None = None) -> SymbolicResult:
    """Reduce the steps of these names (all if None).

    `proved`: every obligation of every step reduced exactly. `refuted`: one reduced to its negation.

    Raises:
        InputError: for a name that no step has.
    """
    begun = time.perf_counter()
    from theory.symbolic import prove, steps

    known = {step.name: step for step in steps()}
    chosen = list(known) if names is None else list(names)
    for name in chosen:
        if name not in known:
            raise InputError("step", name, f"accepted: {', '.join(known)}")
    results = []
    for name in chosen:
        if progress is not None:
            progress(f"{name} ...")
        step = known[name]
        proof = prove(step)
        obligations = tuple(Obligation(what, holds) for what, holds in proof.obligations)
        results.append(StepResult(name, step.statement, Status(proof.status), step.source, step.scope, obligations))
    # no step at all leaves nothing unproved
    status = weakest((Status.PROVED, *(result.status for result in results)))
    return SymbolicResult(
        "symbolic-derivations", status, EveryProblem(), tuple(results), time.perf_counter() - begun, versions("sympy")
    )


def report(result: SymbolicResult) -> str:
    """The readable report."""
    lines = []
    for step in result.steps:
        lines.append(f"{step.status.value:10} {step.name}: {step.statement}")
        lines += [f"{'':10}   not reduced: {part.what}" for part in step.obligations if part.holds is not True]
    obligations = sum(len(step.obligations) for step in result.steps)
    lines.append(
        f"{result.status.value}: {len(result.steps)} steps, {obligations} obligations, in {result.seconds:.1f} s"
    )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m verify.symbolic`."""
    parser = cli.parser(
        "verify.symbolic",
        "The symbolic derivations behind the theorems: each step is reduced by SymPy to identities and signs, for\n"
        "symbolic numbers of classes, points and negatives. Nothing is settled by evaluating numbers.",
        "  python -m verify.symbolic\n  python -m verify.symbolic --step lifting-inequality --step mean-margin",
    )
    parser.add_argument("--step", action="append", metavar="NAME", help="only this step; may be given several times")
    cli.main(parser, lambda arguments, progress: run(arguments.step, progress=progress), report, argv)


if __name__ == "__main__":
    main()
