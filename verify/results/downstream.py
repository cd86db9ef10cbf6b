"""What `verify.downstream` returns, and its readable report."""

from __future__ import annotations

from dataclasses import dataclass

from verify.results import ProblemRecord, Result, Status, closing
from verify.results.digits import interval


@dataclass(frozen=True)
class Interval:
    """`lower <= value <= upper`; `gap` is the true width. No `lower` and no `gap` for a loss that is not convex."""

    lower: float | None
    upper: float
    gap: float | None


@dataclass(frozen=True, repr=False)
class DownstreamResult(Result):
    """What `run` found; its fields are the keys of `--json`.

    Attributes:
        weighting: the test distribution over classes, "weighted" (the prior) or "balanced".
        at: "minimizer" of the NCE loss, or "embeddings" that were given.
        sup: the loss of the best unit-norm classifier; None where neither a proof nor an estimate of the error supports
            its digits, and then `note` says why.
        mean_classifier: the loss of `w_c = u_c`, likewise.
        accuracy: test weight of the classes that the best classifier gets right, a tie counting as an error; None where
            it is not proved (`verify.supervised.accuracy`).
        accuracy_numerical: the same of the classifier found in double precision, a tie being one to 1e-9; None where
            the minimizer is not known.
        structure: why the minimizer is known exactly, where it is: "uniform", "two-classes" or "total-collapse".
    """

    claim: str
    status: Status
    problem: ProblemRecord
    weighting: str
    at: str
    sup: Interval | None
    mean_classifier: Interval | None
    accuracy: float | None
    accuracy_numerical: float | None
    structure: str | None
    note: str
    certificate: str | None
    seconds: float
    versions: dict[str, str]


def report(result: DownstreamResult) -> str:
    """The readable report."""
    p = result.problem
    lines = [
        f"C = {p.C}, k = {p.k}, d = {p.d}, {p.loss} loss, temperature {p.temperature.removesuffix('/1')}, "
        f"{result.weighting} test distribution, at the {result.at}",
        f"  best unit-norm classifier  {_shown(result.sup)}",
        f"  mean classifier            {_shown(result.mean_classifier)}",
        f"  accuracy                   {_accuracy(result)}",
    ]
    if result.structure:
        lines.append(f"  the minimizer is known exactly: {result.structure}")
    return "\n".join([*lines, *closing(result.status, result.seconds, result.note, result.certificate)])


def _shown(found: Interval | None) -> str:
    if found is None:
        return "-"
    return interval(found.lower, found.upper) + ("" if found.gap is None else f", width {found.gap:.1e}")


def _accuracy(result: DownstreamResult) -> str:
    if result.accuracy is not None:
        return f"{result.accuracy:.6g}, proven"
    if result.accuracy_numerical is None:
        return "-"
    return f"{result.accuracy_numerical:.6g}, in double precision"
