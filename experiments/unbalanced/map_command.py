"""The command `map` of `python -m experiments.unbalanced`, and what `show` says of a store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from theory.errors import InputError
from verify import cli
from verify.results import check_temperature

if TYPE_CHECKING:
    from experiments.unbalanced.map_summary import MapResult

_KS = "1,2,4,16,64,256,4096,65536"


def map_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.unbalanced map`."""
    made = cli.parser(
        "experiments.unbalanced map",
        "Solve the NCE problem over a grid of class priors and a list of k, with the downstream losses of all\n"
        "weightings and classifiers, and refine the grid where the behaviour changes. Every finished batch is kept:\n"
        "stop it in any way and run it again to go on.",
        "  python -m experiments.unbalanced map --resolution 60 --levels 2\n"
        "  python -m experiments.unbalanced map --groups 1,4,20 --k 1,16,inf --resolution 40 --store big.sqlite",
    )
    made.add_argument(
        "--groups",
        type=_sizes,
        default=(1, 1, 1),
        metavar="N1,N2[,N3]",
        help="two or three groups of equal classes, whose shares are mapped (default: 1,1,1)",
    )
    made.add_argument(
        "--resolution", type=cli.integer(1), default=60, metavar="N", help="cells along an edge (default: 60)"
    )
    made.add_argument(
        "--levels", type=cli.integer(0), default=2, metavar="L", help="how often cells may be halved (default: 2)"
    )
    made.add_argument(
        "--k", type=cli.k_list, default=cli.k_list(_KS), metavar="K", help=f"numbers of negatives (default: {_KS})"
    )
    made.add_argument("--temperature", default="1", metavar="T", help="the loss sees margins / T, T > 0 (default: 1)")
    made.add_argument(
        "--store", type=Path, metavar="FILE", help="the store (default: nce-data/unbalanced/map-GROUPS.sqlite)"
    )
    made.add_argument(
        "--jobs",
        type=cli.integer(1),
        default=os.cpu_count() or 1,
        metavar="N",
        help="worker processes (default: all cores)",
    )

    def execute(arguments: argparse.Namespace) -> MapResult:
        from experiments.unbalanced.map import Definition, sweep
        from experiments.unbalanced.map_summary import summarize
        from experiments.unbalanced.store import Store
        from experiments.unbalanced.workers import workers

        definition = Definition(
            arguments.groups,
            arguments.resolution,
            arguments.levels,
            arguments.k,
            check_temperature(arguments.temperature),
        )
        path = arguments.store or Path(f"nce-data/unbalanced/map-{'-'.join(map(str, arguments.groups))}.sqlite")
        progress = cli.Progress()
        with Store(path, definition.as_json()) as store:
            with workers(arguments.jobs) as (pool, capacity):
                sweep(definition, store, pool, capacity, progress)
            progress.done()
            return summarize(store)

    cli.main(made, execute, report, argv)


def show_store(path: Path, export: Path | None, regions: bool) -> MapResult:
    """What `show --store FILE` shows; with `regions` also the shares of the simplex in which collapse is proved.

    Raises:
        InputError: if regions are asked for where they cannot be proved.
    """
    from experiments.unbalanced.map import Definition
    from experiments.unbalanced.map_summary import summarize
    from experiments.unbalanced.store import Store

    with Store(path) as store:
        definition = Definition.from_json(store.definition)
        ks = [k for k in definition.ks if isinstance(k, int)]
        if regions and (definition.sizes != (1, 1, 1) or len(ks) < len(definition.ks)):
            raise InputError("regions", path, "accepted: a map of three free masses (--groups 1,1,1) at finite k")
        result = summarize(store, export)
    if regions:
        from experiments.unbalanced.regions import prove_regions

        result = replace(result, regions=prove_regions(ks, temperature=definition.temperature))
    return result


def report(result: MapResult) -> str:
    """The readable report."""
    state = "complete" if result.complete else "not complete: run map again to go on"
    lines = [
        f"Groups of {', '.join(map(str, result.groups))} classes, k = {', '.join(map(str, result.k))}, resolution "
        f"{result.resolution}, {result.levels} levels: {state}",
        f"  {result.priors} priors, {result.cells} cells in {result.seconds:.0f} s of work, {result.unconverged} not "
        f"converged; largest duality gap {result.largest_gap:.1e}",
    ]
    for version in result.versions:
        lines.append(
            f"  {version.weighting}, {version.classifier} classifier: the loss rises in {100 * version.share:.3g} % of "
            "the simplex (in floats)"
        )
        lines += [f"    by {r.increase:.4g} from k = {r.k1} to {r.k2} at {', '.join(r.rho)}" for r in version.largest]
    for c in result.collapse:
        lines.append(f"  k = {c.k}: total collapse in {100 * c.total:.3g} %, any in {100 * c.any:.3g} % of the simplex")
    if result.regions is not None:
        r = result.regions
        lines.append(
            f"  proved over boxes: total collapse at every k (constant loss) in {100 * float(r.collapsed):.4g} % "
            f"of the simplex, at some k in {100 * float(r.mixed):.4g} %, at none in {100 * float(r.separated):.4g} %; "
            f"open: {100 * float(r.open):.2g} %"
        )
    if result.export:
        lines.append(f"  written to {result.export}")
    return "\n".join(lines)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) not in (2, 3) or min(sizes) < 1 or not 3 <= sum(sizes) <= 64:
        raise argparse.ArgumentTypeError(
            f"got '{text[:40]}'; accepted: sizes of two or three groups, 3 to 64 classes in all, like 1,4,20"
        )
    return sizes
