"""What `verify.augmentation` returns, and its readable report."""

from __future__ import annotations

from dataclasses import dataclass

from verify.results import ProblemRecord, Status, closing, shortened
from verify.results.digits import interval, supported


@dataclass(frozen=True)
class GraphReport:
    """The graph.

    Attributes:
        points: number of points (cells, for an encoder that is constant on cells).
        classes: number of classes.
        gaps: the spectral gap of each class's chain; None for a class of one point.
        components: components of each class's chain.
        crosses: whether some positive pair has points of two classes.
        encoder: what the embeddings are restricted to, or None.
    """

    points: int
    classes: int
    gaps: tuple[float | None, ...] | None
    components: tuple[int, ...] | None
    crosses: bool
    encoder: str | None


@dataclass(frozen=True)
class Enclosed:
    """`lower <= value <= upper`; `gap` is the true width. Proven where the entry says so, else in double precision."""

    lower: float | None
    upper: float | None
    gap: float | None


@dataclass(frozen=True)
class Sup:
    """The downstream loss of one task at the minimizer, and the accuracy of the classifier found."""

    lower: float | None
    upper: float | None
    gap: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Entry:
    """One `k`.

    Attributes:
        thresholds: `alpha*_c(k)`, one a class; None where a positive pair crosses classes.
        collapsed: whether all classes are collapsed at the optimum: proved, refuted, numerical or undecided.
        nce: the minimum.
        within_class_cosine: mean cosine over pairs of distinct points, one a class (None for a class of one point).
        sup: by task.
        accuracy: of the first task.
        status: how far the numbers of this entry are settled.
    """

    k: int | float | str
    thresholds: tuple[float, ...] | None
    collapsed: str | None
    nce: Enclosed
    within_class_cosine: tuple[float | None, ...] | None
    sup: dict[str, Sup]
    accuracy: float | None
    status: Status
    note: str


@dataclass(frozen=True)
class Witness:
    """A proven rise: the downstream loss at `k2 > k1` exceeds that at `k1` by at least `increase_lower`."""

    k1: int
    k2: int
    increase_lower: float


@dataclass(frozen=True)
class AugmentationResult:
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        status: how far the numbers are settled, the weakest entry's: `proved` where each minimum, each decision about
            collapse and each downstream loss is enclosed, whichever way the decisions fell.
        graph: None for thresholds alone.
        witness: by task, the largest proven rise of the downstream loss with k, or None.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    graph: GraphReport | None
    series: tuple[Entry, ...]
    witness: dict[str, Witness | None]
    note: str
    certificate: str | None
    seconds: float
    versions: dict[str, str]


def report(result: AugmentationResult) -> str:
    """The readable report."""
    p = result.problem
    head = f"{p.loss} loss, temperature {p.temperature.removesuffix('/1')}"
    if result.graph is None:
        lines = [f"Prior {shortened(p.rho)}: {head}", "  overlap from which on classes collapse (least spectral gap):"]
        for entry in result.series:
            values = " ".join(f"{a:.6f}" for a in _shown(entry.thresholds or ()))
            lines.append(f"  k = {entry.k!s:>8}   {values}   {entry.status.value}")
        return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])
    graph = result.graph
    lines = [f"{graph.points} points in {graph.classes} classes, prior {shortened(p.rho)}, {head}"]
    if graph.encoder:
        lines.append(f"  encoder: {graph.encoder}")
    if graph.gaps is not None:
        lines.append(f"  spectral gaps   {_list(graph.gaps)}" + ("   (pairs cross classes)" if graph.crosses else ""))
    names = list(result.series[0].sup)
    lines.append(f"  {'k':>8}  {'collapsed':>10}  {'min L_k':>17}  " + "  ".join(f"{'L_sup ' + n:>18}" for n in names))
    for entry in result.series:
        nce = "" if entry.nce.upper is None else f"{entry.nce.upper:.12g}"
        sups = "  ".join(f"{_sup(s):>18}" for s in entry.sup.values())
        lines.append(f"  {entry.k!s:>8}  {entry.collapsed or '':>10}  {nce:>17}  {sups}  {entry.status.value}")
        if entry.within_class_cosine is not None:
            lines.append(f"  {'':>8}  cosines within {_list(entry.within_class_cosine)}")
        if entry.thresholds is not None:
            lines.append(f"  {'':>8}  thresholds     {_list(entry.thresholds)}")
        if entry.note:
            lines.append(f"  {'':>8}  {entry.note}")
    for task, w in result.witness.items():
        if w is not None:
            rise = f"the downstream loss rises by at least {w.increase_lower:.6g}"
            lines.append(f"  {task}: from k = {w.k1} to k = {w.k2} {rise}")
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])


def _sup(sup: Sup) -> str:
    """The loss to the decimals that its bracket leaves, or the bracket if that leaves less than three."""
    if sup.lower is None or sup.upper is None or sup.gap is None:
        return ""
    if sup.gap > 1e-3 * abs(sup.upper):
        return interval(sup.lower, sup.upper)
    return supported((sup.lower + sup.upper) / 2, max(sup.gap, 1e-12))


def _shown(values: tuple[float, ...]) -> tuple[float, ...]:
    return values[:12]


def _list(values: tuple[float | None, ...]) -> str:
    shown = " ".join("-" if v is None else f"{v:.6f}" for v in values[:8])
    return f"{shown} ..." if len(values) > 8 else shown
