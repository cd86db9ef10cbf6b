"""The commands `search` and `show` of `python -m experiments.unbalanced`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.unbalanced import map_command
from theory.errors import InputError
from verify import cli
from verify.files import check_folder

if TYPE_CHECKING:
    from experiments.unbalanced.evolution import Problem
    from experiments.unbalanced.map_summary import MapResult
    from experiments.unbalanced.prove import Finding

FINDINGS = Path(__file__).parent / "findings"
#: A search holds the matrices of some thousand priors at a time.
MAX_CLASSES = 64


@dataclass(frozen=True)
class SearchResult:
    """What a search did and found; its fields are the keys of `--json`.

    Attributes:
        priors: how many priors were evaluated, over how many seconds, this run and those it resumed.
        rising: at how many of them the loss rises in floats, by more than 1e-8.
        findings: the best of the restarts, each proven and with the checker's consent, best first.
        unproven: how many of the best could not be proven.
    """

    claim: str
    C: int
    weighting: str
    classifier: str
    loss: str
    seed: int
    priors: int
    rising: int
    seconds: float
    findings: tuple[Finding, ...]
    unproven: int
    status: int = 0


def search_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.unbalanced search`."""
    parser = cli.parser(
        "experiments.unbalanced search",
        "Search the simplex of priors for the largest rise of the downstream loss between two numbers of negatives.\n"
        "Each restart begins with uniform draws; every hit is proven before it is reported. Stop with Ctrl-C and run\n"
        "again to go on.",
        "  python -m experiments.unbalanced search --C 3 --minutes 10\n"
        "  python -m experiments.unbalanced search --groups 1,4,20 --classifier mean --minutes 5",
    )
    parser.add_argument("--C", type=cli.integer(3), default=3, metavar="C", help="number of free masses (default: 3)")
    parser.add_argument(
        "--groups", type=_sizes, metavar="N1,N2,...", help="groups of equal classes instead of free masses"
    )
    parser.add_argument("--weighting", choices=("weighted", "balanced"), default="weighted", help="test distribution")
    parser.add_argument("--classifier", choices=("optimal", "mean"), default="optimal", help="the classifier")
    parser.add_argument("--minutes", type=cli.minutes, default=10.0, metavar="M", help="time to search (default: 10)")
    parser.add_argument("--seed", type=cli.integer(0), default=0, metavar="N", help="seed of the draws (default: 0)")
    parser.add_argument("--keep", type=cli.integer(0), default=3, metavar="N", help="restarts whose best is proven")
    parser.add_argument(
        "--out", type=Path, default=Path("nce-data/unbalanced"), metavar="DIR", help="state and certificates go here"
    )

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> SearchResult:
        from experiments.unbalanced.evolution import Problem
        from theory.losses import Logistic

        if arguments.C > MAX_CLASSES:
            raise InputError("C", arguments.C, f"at most {MAX_CLASSES} classes can be searched")
        sizes = arguments.groups or (1,) * arguments.C
        # half of the usual nodes still err below 1e-12, and hits are proven without them
        problem = Problem(Logistic(nodes=96), sizes, arguments.weighting, arguments.classifier)
        return run_search(problem, arguments.out, minutes=arguments.minutes, seed=arguments.seed, keep=arguments.keep)

    cli.main(parser, execute, _search_report, argv)


def run_search(problem: Problem, out: Path, *, minutes: int | float, seed: int, keep: int) -> SearchResult:
    """Search, then prove the best of the restarts; state and certificates go to `out`.

    Raises:
        InputError: if `out` holds the state of another search under the same name.
    """
    from experiments.unbalanced.prove import prove
    from experiments.unbalanced.search import search

    name = f"{'-'.join(map(str, problem.sizes))}-{problem.weighting}-{problem.classifier}-seed{seed}"
    check_folder("out", out)
    found = search(problem, out / f"{name}.jsonl", minutes=minutes, seed=seed)
    proven = [prove(problem, hit, out / f"{name}-{n}.json") for n, hit in enumerate(found.best[:keep])]
    findings = sorted((f for f in proven if f is not None), key=lambda f: -f.increase_lower)
    return SearchResult(
        claim="unbalanced-search",
        C=problem.C,
        weighting=problem.weighting,
        classifier=problem.classifier,
        loss=problem.loss.name,
        seed=seed,
        priors=found.priors,
        rising=found.rising,
        seconds=found.seconds,
        findings=tuple(findings),
        unproven=len(proven) - len(findings),
    )


def _search_report(result: SearchResult) -> str:
    lines = [
        f"C = {result.C}, {result.weighting} downstream loss, {result.classifier} classifier: {result.priors} priors "
        f"in {result.seconds:.0f} s, the loss rises at {result.rising} of them (in floats)"
    ]
    for f in result.findings:
        lines.append(
            f"  proven: rises by at least {f.increase_lower:.6g} from k = {f.k1} to k = {f.k2} at {', '.join(f.rho)}"
        )
    if result.unproven:
        lines.append(f"  {result.unproven} of the best could not be proven")
    return "\n".join(lines)


@dataclass(frozen=True)
class Shown:
    """The committed findings."""

    claim: str
    searches: list[dict[str, object]]
    status: int = 0


def show_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.unbalanced show`."""
    parser = cli.parser(
        "experiments.unbalanced show",
        "The committed findings: what each search did, and its strongest proven rises; or the store of a map.",
        "  python -m experiments.unbalanced show\n"
        "  python -m experiments.unbalanced show --store nce-data/unbalanced/map-1-1-1.sqlite --export map.csv\n"
        "  python -m experiments.unbalanced show --store nce-data/unbalanced/map-1-1-1.sqlite --regions --prove 3",
    )
    parser.add_argument("--store", type=Path, metavar="FILE", help="show this map, finished or not")
    parser.add_argument(
        "--regions",
        type=cli.integer(1),
        nargs="?",
        const=12,
        metavar="DEPTH",
        help="prove over boxes of priors, halved DEPTH times (default: 12), where the conjecture holds and where it "
        "fails (three classes)",
    )
    parser.add_argument("--boxes", type=cli.writable, metavar="FILE", help="write the boxes of --regions, .npz")
    parser.add_argument(
        "--export", type=cli.writable, metavar="FILE", help="write its rows as .csv or .parquet, or a .npz for figures"
    )
    map_command.add_prove(parser)

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> Shown | MapResult:
        if arguments.store is not None:
            return map_command.show_store(arguments, progress)
        if any((arguments.export, arguments.regions, arguments.boxes, arguments.prove)):
            raise InputError("store", "", "--export, --regions, --boxes and --prove are about a map; give its store")
        return Shown("unbalanced-findings", json.loads((FINDINGS / "table.json").read_text())["searches"])

    def report(result: Shown | MapResult) -> str:
        if not isinstance(result, Shown):
            return map_command.report(result)
        lines = []
        for search in result.searches:
            lines.append(
                f"C = {search['C']}, {search['weighting']}, {search['classifier']} classifier: {search['priors']} "
                f"priors, {search['rising']} rise in floats"
            )
            for f in search["findings"]:  # type: ignore[attr-defined]
                lines.append(f"  >= {f['increase_lower']:.6g}  k = {f['k1']} -> {f['k2']}  at {', '.join(f['rho'])}")
        return "\n".join(lines)

    cli.main(parser, execute, report, argv)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) < 2 or min(sizes) < 1 or sum(sizes) > MAX_CLASSES:
        raise cli.refused(text, f"sizes of at least two groups, at most {MAX_CLASSES} classes in all, like 1,4,20")
    return sizes
