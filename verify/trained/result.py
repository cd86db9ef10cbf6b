"""What `verify.embeddings` returns, and its readable report."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from verify.results import ProblemRecord, Result, Status, closing, shortened
from verify.results.digits import interval
from verify.trained.changes import Change
from verify.trained.downstream import PriorBound
from verify.trained.geometry import Collapse, Cosines
from verify.trained.loss import Loss


@dataclass(frozen=True)
class Ends:
    """`lower <= value <= upper`."""

    lower: float
    upper: float


@dataclass(frozen=True, repr=False)
class EmbeddingsResult(Result):
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        status: `proved` if the loss and the minimum are enclosed, `numerical` if they are known in double precision. It
            speaks of `loss`; everything else is in double precision.
        points: their number.
        points_by_class: of each class.
        deviation: the largest `| |row| - 1 |` of the rows as given.
        sup: bounds on the loss of the best unit-norm classifier of the points.
        mean_classifier: the loss of `w_c = mu_c`.
        accuracy: test weight of the points that the best classifier found gets right.
        bounds: the prior bounds on the mean classifier's loss, at the loss of these points.
        spectral_gaps: for positives from an augmentation graph, the gap from which on each class collapses at the
            optimum (`theory.augmentation.thresholds`).
        changes: what another `k` or temperature would do.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    points: int
    points_by_class: tuple[int, ...]
    deviation: float
    loss: Loss
    cosines: Cosines
    collapse: Collapse
    sup: Ends
    mean_classifier: Ends
    accuracy: float
    bounds: dict[str, PriorBound]
    spectral_gaps: tuple[float, ...]
    changes: tuple[Change, ...]
    note: str
    seconds: float
    versions: dict[str, str]

    def arrays(self) -> dict[str, Any]:
        """What `--save` writes."""
        import numpy as np

        return {
            "found": np.array(self.cosines.found, dtype=float),
            "optimal": np.array(self.cosines.optimal),
            "spread": np.array(self.collapse.spread),
            "loss_by_class": np.array(self.loss.by_class),
            "spectral_gaps": np.array(self.spectral_gaps),
            "rho": np.array([float(Fraction(mass)) for mass in self.problem.rho]),
        }


@dataclass(frozen=True, repr=False)
class Compared(Result):
    """Several files beside each other; `status` is the weakest.

    Attributes:
        series: the numbers of each file, in the order given.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    series: tuple[dict[str, Any], ...]
    note: str
    seconds: float
    versions: dict[str, str]


def report(result: EmbeddingsResult) -> str:
    """The readable report."""
    p, loss, cosines, collapse = result.problem, result.loss, result.cosines, result.collapse
    if loss.standard_error > 0:
        within = f"of {loss.anchors} anchors, standard error {loss.standard_error:.1e}"
    else:
        within = "enclosed" if loss.enclosed is not None else f"to about {loss.error:.1e}, not enclosed"
    lines = [
        f"{result.points} points of {p.C} classes, prior {shortened(p.rho)}: k = {p.k}, d = {p.d}, "
        f"temperature {p.temperature.removesuffix('/1')}",
        f"  loss               {_number(loss, 'value', loss.value)}   ({within})",
        *([] if loss.distinct is None else [f"    distinct pairs   {loss.distinct:.12g}"]),
        f"  minimum in         {interval(loss.optimum_lower, loss.optimum_upper)}",
        f"  above it           {_number(loss, 'excess', loss.excess)}, of which",
        f"    spread           {_number(loss, 'spread', loss.spread)}   within the classes",
        f"    geometry         {_number(loss, 'geometry', loss.geometry)}   of the class means",
        f"  at chance          {loss.chance:.12g}; {100 * loss.share:.2f} % of the way from there to the minimum",
    ]
    if cosines.max_error is not None:
        lines.append(f"  class means        largest error of a cosine {cosines.max_error:.4f}")
        lines += [
            f"    {pair.classes[0]:>3} and {pair.classes[1]:<3}      {pair.found:+.4f}, optimal {pair.optimal:+.4f}"
            for pair in cosines.largest[:3]
        ]
    for group, merged in zip(cosines.coincide, cosines.merged, strict=True):
        named = ", ".join(str(c) for c in group[:8]) + (", ..." if len(group) > 8 else "")
        lines.append(f"  minority collapse  expected of classes {named}: {'seen' if merged else 'not seen'}")
    measures = {f"NC{i}": getattr(collapse, f"nc{i}") for i in (1, 2, 3, 4)}
    shown = ", ".join(f"{name} {'none' if value is None else f'{value:.4g}'}" for name, value in measures.items())
    lines.append(f"  collapse           {shown}" + (f" ({collapse.reason})" if collapse.reason else ""))
    worst = max(range(len(collapse.spread)), key=collapse.spread.__getitem__)
    lines += [
        f"  effective rank     {collapse.rank:.4g}",
        f"  most spread        class {worst}, 1 - |mu|^2 = {collapse.spread[worst]:.4f}",
        f"  downstream         best classifier in {interval(result.sup.lower, result.sup.upper)}, accuracy "
        f"{result.accuracy:.4f}",
        f"                     mean classifier {result.mean_classifier.upper:.10g}",
        *_bounds(result),
        f"  augmentations      collapse needs a spectral gap of {max(result.spectral_gaps):.4f}",
    ]
    lines += _table(result)
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note)])


def _bounds(result: EmbeddingsResult) -> list[str]:
    """What the prior bounds say of the mean classifier's loss."""
    shown = {"at most": ("saunshi2019", "ash2021", "nozawa_sato2021", "bao2021_upper"), "at least": ("bao2021_lower",)}
    lines = []
    for side, names in shown.items():
        known = [(name, result.bounds[name].value) for name in names if name in result.bounds]
        said = ", ".join(f"{value:.4g} ({name})" for name, value in known if value is not None)
        lines += [f"    {side} by bounds {said}"] if said else []
    return lines


def _number(loss: Loss, name: str, value: float) -> str:
    return f"{value:.12g}" if loss.enclosed is None else interval(*loss.enclosed[name])


def _table(result: EmbeddingsResult) -> list[str]:
    if not result.changes:
        return []
    lines = ["  k           T        these points    minimum       downstream    smallest cosine"]
    for change in result.changes:
        value = "-" if change.value is None else f"{change.value:.6g}"
        temperature = change.temperature.removesuffix("/1")
        downstream = "-" if change.downstream is None else f"{change.downstream:.6g}"
        lines.append(
            f"  {change.k!s:<10}  {temperature:<7}  {value:<14}  {change.optimum:<12.6g}  {downstream:<12}  "
            f"{change.smallest_cosine:+.4f}"
        )
    return lines


def report_compared(result: Compared) -> str:
    """The readable table of several files."""
    p = result.problem
    columns = {"loss": "value", "spread": "spread", "geometry": "geometry", "share": "share"}
    columns |= {"cosine error": "max_cosine_error", "NC1": "nc1", "rank": "rank"}
    width = max(len(str(row["file"])) for row in result.series)
    lines = [
        f"C = {p.C}, k = {p.k}, temperature {p.temperature.removesuffix('/1')}: minimum "
        f"{interval(*(result.series[0][name] for name in ('optimum_lower', 'optimum_upper')))}",
        "  " + " " * width + "".join(f"{name:>14}" for name in columns),
    ]
    for row in result.series:
        values = (row[key] for key in columns.values())
        cells = "".join(f"{'none' if value is None else format(value, '.6g'):>14}" for value in values)
        lines.append(f"  {row['file']!s:<{width}}{cells}")
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note)])
