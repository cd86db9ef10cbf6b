"""The command `map` of `python -m experiments.unbalanced`, and what `show` says of a store."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from experiments.unbalanced import families
from theory import priors
from theory.errors import InputError
from theory.problem import check_temperature
from verify import cli
from verify.results import shortened

if TYPE_CHECKING:
    from experiments.unbalanced.map_summary import MapResult
    from experiments.unbalanced.prove import Proven
    from experiments.unbalanced.store import Store
    from experiments.unbalanced.workers import Workers

_KS = "1,2,4,16,64,256,4096,65536"
_LARGEST = {"longtail": Fraction(1000), "zipf": Fraction(3)}


def map_main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m experiments.unbalanced map`."""
    parser = cli.parser(
        "experiments.unbalanced map",
        "Solve the NCE problem over a family of class priors and a list of k, with the downstream losses of all\n"
        "weightings and classifiers, and refine the grid where the behaviour changes. Every finished batch is kept:\n"
        "stop it in any way and run it again to go on. Several processes may work on one store.\n\n"
        "Families (default: the whole simplex of three classes):\n"
        "  --groups 1,9             one majority class and nine equal ones: the share of the majority varies\n"
        "  --groups 3,7             three big classes and seven small ones\n"
        "  --groups 1,4,20          three groups of equal classes: a triangle of shares\n"
        "  --slice '0.5,*,*,*'      one class of mass 1/2; three free ones share the rest: a triangle\n"
        "  --slice '0.3,*,8x*'      a class of mass 0.3; a class and a group of eight share the rest: a segment\n"
        "  --family longtail --C 10 exponential profiles of ten classes, with factors from 1 to --largest\n"
        "  --family zipf --C 10     masses like c^-s, with exponents s from 0 to --largest",
        "  python -m experiments.unbalanced map --resolution 60 --levels 2\n"
        "  python -m experiments.unbalanced map --groups 1,4,20 --k 1,16,inf --resolution 40 --store big.sqlite\n"
        "  python -m experiments.unbalanced map --family longtail --C 10 --resolution 200\n"
        "  python -m experiments.unbalanced map --scheduler tcp://10.0.0.1:8786 --prove 2",
    )
    parser.add_argument("--groups", type=_groups, metavar="N1,N2[,N3]", help="two or three groups of equal classes")
    parser.add_argument(
        "--slice", metavar="M1,M2,...", help="masses, each a number or * (free); NxM and Nx* are N equal classes"
    )
    parser.add_argument("--family", choices=tuple(_LARGEST), help="a profile, over its one parameter (with --C)")
    parser.add_argument("--C", type=cli.integer(3), metavar="C", help="number of classes of --family")
    parser.add_argument(
        "--largest", metavar="X", help="largest factor (longtail, default: 1000) or exponent (zipf, default: 3)"
    )
    parser.add_argument(
        "--resolution", type=cli.integer(1), default=60, metavar="N", help="cells along an edge (default: 60)"
    )
    parser.add_argument(
        "--levels", type=cli.integer(0), default=2, metavar="L", help="how often cells may be halved (default: 2)"
    )
    parser.add_argument(
        "--k", type=cli.k_list, default=cli.k_list(_KS), metavar="K", help=f"numbers of negatives (default: {_KS})"
    )
    parser.add_argument("--temperature", default="1", metavar="T", help="the loss sees margins / T, T > 0 (default: 1)")
    parser.add_argument(
        "--store", type=Path, metavar="FILE", help="the store (default: nce-data/unbalanced/map-FAMILY.sqlite)"
    )
    parser.add_argument("--jobs", type=cli.integer(1), metavar="N", help="worker processes here (default: all cores)")
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="work on the Dask cluster of this scheduler, like tcp://10.0.0.1:8786"
    )
    add_prove(parser)

    def execute(arguments: argparse.Namespace, progress: cli.Progress) -> MapResult:
        family = _family(arguments)
        temperature = check_temperature(arguments.temperature)
        if arguments.scheduler is not None and arguments.jobs is not None:
            raise InputError("jobs", arguments.jobs, "a Dask cluster has its own workers; leave --jobs or --scheduler")

        from experiments.unbalanced.map import Definition, batch_size, sweep
        from experiments.unbalanced.map_summary import summarize
        from experiments.unbalanced.store import Store

        definition = Definition(family, arguments.resolution, arguments.levels, arguments.k, temperature)
        definition = replace(definition, batch=batch_size(len(definition.grid.base())))
        path = arguments.store or Path(f"nce-data/unbalanced/map-{family.name}.sqlite")
        with Store(path, definition.as_json()) as store:
            with _workers(arguments.scheduler, arguments.jobs) as workers:
                sweep(definition, store, workers, progress)
            result = summarize(store)
            if arguments.prove:
                result = replace(result, proven=_prove(store, arguments, progress))
        return result

    cli.main(parser, execute, report, argv)


def add_prove(parser: argparse.ArgumentParser) -> None:
    """`--prove` and `--certificates`."""
    parser.add_argument(
        "--prove",
        type=cli.integer(0),
        default=0,
        metavar="N",
        help="prove the N largest rises of each version of the conjecture, each with a certificate",
    )
    parser.add_argument(
        "--certificates", type=Path, metavar="DIR", help="certificates go here (default: beside the store)"
    )


def show_store(arguments: argparse.Namespace, progress: cli.Progress) -> MapResult:
    """What `show --store FILE` shows: with `--regions` also what is proved over boxes, with `--prove` the proofs.

    Raises:
        InputError: if regions are asked for where they cannot be proved, or a file cannot be exported.
    """
    if arguments.boxes is not None and not arguments.regions:
        raise InputError("boxes", arguments.boxes, "it writes what --regions proves; give that too")
    if arguments.boxes is not None:
        from experiments.unbalanced import region_file

        region_file.check_suffix(arguments.boxes)
    if arguments.export is not None:
        from experiments.unbalanced.export import check_suffix

        check_suffix(arguments.export)
    from experiments.unbalanced.map import Definition
    from experiments.unbalanced.map_summary import summarize
    from experiments.unbalanced.store import Store

    with Store(arguments.store) as store:
        definition = Definition.from_json(store.definition)
        ks = [k for k in definition.ks if isinstance(k, int)]
        if arguments.regions and (not definition.family.is_simplex or len(ks) < len(definition.ks)):
            raise InputError(
                "regions", arguments.store, "accepted: a map of three free masses (--groups 1,1,1) at finite k"
            )
        result = summarize(store, arguments.export)
        if arguments.prove:
            result = replace(result, proven=_prove(store, arguments, progress))
    if arguments.regions:
        from experiments.unbalanced.regions import settle

        progress("proving over boxes")
        regions = settle(ks, temperature=definition.temperature, depth=arguments.regions, progress=progress)
        result = replace(result, regions=regions)
        if arguments.boxes is not None:
            region_file.write(regions, arguments.boxes)
    return result


def report(result: MapResult) -> str:
    """The readable report."""
    state = "complete" if result.complete else "not complete: run map again to go on"
    lines = [
        f"Priors {result.family}, k = {', '.join(map(str, result.k))}, resolution {result.resolution}, "
        f"{result.levels} levels: {state}",
        f"  {result.priors} priors, {result.cells} cells in {result.seconds:.0f} s of work, {result.unconverged} not "
        f"converged; largest relative duality gap {result.largest_gap:.1e}",
    ]
    for version in result.versions:
        lines.append(
            f"  {version.weighting}, {version.classifier} classifier: the loss rises in {100 * version.share:.3g} % of "
            "the simplex (in floats)"
        )
        lines += [f"    by {r.increase:.4g} from k = {r.k1} to {r.k2} at {shortened(r.rho)}" for r in version.largest]
    for c in result.collapse:
        lines.append(f"  k = {c.k}: total collapse in {100 * c.total:.3g} %, any in {100 * c.any:.3g} % of the simplex")
    if result.proven is not None:
        for f in result.proven.findings:
            lines.append(
                f"  proven, {f.weighting}, {f.classifier} classifier: rises by at least {f.increase_lower:.6g} from "
                f"k = {f.k1} to k = {f.k2} at {shortened(f.rho)}: {f.certificate}"
            )
        lines += [f"  not proven: {text}" for text in result.proven.unproven]
        lines.append(
            f"  {len(result.proven.findings)} certificates, accepted by the checker, in {result.proven.folder}"
        )
    if result.regions is not None:
        r = result.regions
        lines.append(
            f"  proved over boxes: total collapse at every k in {100 * float(r.collapsed):.4g} % of the simplex, at "
            f"some k in {100 * float(r.mixed):.4g} %, at none in {100 * float(r.separated):.4g} %; open: "
            f"{100 * float(r.open):.2g} %"
        )
        for v in r.settled:
            lines.append(
                f"    {v.weighting}, {v.classifier} classifier: proved to hold (constant loss) in "
                f"{100 * float(v.holds):.4g} %, to fail in {100 * float(v.fails):.4g} %, open in "
                f"{100 * float(v.open):.4g} %"
            )
        lines.append(
            "    (boxes fail only for the weighted mean classifier; elsewhere rises are proven at single priors)"
        )
    if result.export:
        lines.append(f"  written to {result.export}")
    return "\n".join(lines)


def _prove(store: Store, arguments: argparse.Namespace, progress: cli.Progress) -> Proven:
    from experiments.unbalanced.map import Definition, profiles
    from experiments.unbalanced.map_proofs import prove_strongest

    definition = Definition.from_json(store.definition)
    folder = arguments.certificates or store.path.with_name(f"{store.path.stem}-certificates")
    return prove_strongest(definition, dict(profiles(definition, store)), arguments.prove, folder, progress)


def _workers(scheduler: str | None, jobs: int | None) -> AbstractContextManager[Workers]:
    if scheduler is not None:
        from experiments.unbalanced.cluster import cluster

        return cluster(scheduler)
    from experiments.unbalanced.workers import local

    return local(jobs or os.cpu_count() or 1)


def _family(arguments: argparse.Namespace) -> families.Family:
    """The family that the options name.

    Raises:
        InputError: if they contradict each other or are not accepted.
    """
    given = [name for name in ("groups", "slice", "family") if getattr(arguments, name) is not None]
    if len(given) > 1:
        raise InputError(given[1], getattr(arguments, given[1]), f"--{given[0]} already names a family")
    if arguments.family is None:
        for name in ("C", "largest"):
            if getattr(arguments, name) is not None:
                raise InputError(name, getattr(arguments, name), "it belongs to --family")
    elif arguments.C is None:
        raise InputError("family", arguments.family, "it needs the number of classes, --C")
    else:
        text = arguments.largest
        largest = _LARGEST[arguments.family] if text is None else priors.number(text, "largest")
        return families.Profile(arguments.family, arguments.C, largest)
    if arguments.slice is not None:
        return families.parse_slice(arguments.slice)
    return families.groups(arguments.groups or (1, 1, 1))


def _groups(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(int(part) for part in text.split(",")) if len(text) <= 40 else ()
        families.groups(sizes)
    except (ValueError, InputError):
        accepted = f"sizes of two or three groups, 3 to {families.MAX_CLASSES} classes in all, like 1,4,20"
        raise cli.refused(text, accepted) from None
    return sizes
