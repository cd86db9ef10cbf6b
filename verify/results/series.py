"""Several numbers of negatives in one call of a command about one: a result for each, as a series."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from theory.errors import InputError
from verify.files.saving import check_name
from verify.files.saving import save as write_arrays
from verify.results import NOT_IN_JSON, ProblemRecord, Result, Status, as_json, k_as_json, weakest

#: What an entry leaves out, since it is that of the whole series.
_COMMON = ("claim", "problem", "versions")


@dataclass(frozen=True, repr=False)
class KSeries(Result):
    """The results of one command at several `k`; its fields are the keys of `--json`.

    Attributes:
        status: the weakest of all, with `refuted` the weakest.
        problem: with all `k` in a list.
        series: for each `k` that, and the keys of its result but for those that are the same for all.
        results: the results themselves.
    """

    claim: str
    status: Status
    problem: ProblemRecord
    series: tuple[dict[str, Any], ...]
    seconds: float
    versions: dict[str, str]
    results: tuple[Any, ...] = field(default=(), repr=False, compare=False, metadata=NOT_IN_JSON)


def run_each(
    run: Callable[[int | float], Any],
    ks: Sequence[int | float],
    certificate: Path | str | None = None,
    save: Path | str | None = None,
) -> Any:
    """The result of `run` for the one `k`, whose arrays are saved if asked; or a `KSeries`.

    Raises:
        InputError: if a certificate or arrays are asked for, which are about one `k`, of several; or the file of arrays
            is of no kind that is known.
    """
    if save is not None:
        check_name(save)
    if len(ks) == 1:
        result = run(ks[0])
        if save is not None:
            write_arrays(save, result.arrays())
        return result
    for option, path in (("certificate", certificate), ("save", save)):
        if path is not None:
            raise InputError(option, path, "this is about one k: give one number of negatives")
    begun = time.perf_counter()
    results = tuple(run(k) for k in ks)
    first = results[0]
    return KSeries(
        claim=first.claim,
        status=weakest(result.status for result in results),
        problem=replace(first.problem, k=tuple(ks)),
        series=tuple(
            {"k": k_as_json(k)} | {key: value for key, value in as_json(result).items() if key not in _COMMON}
            for k, result in zip(ks, results, strict=True)
        ),
        seconds=time.perf_counter() - begun,
        versions=first.versions,
        results=results,
    )


def reported(report: Callable[[Any], str]) -> Callable[[Any], str]:
    """The report of a result, or those of a series one after the other."""

    def every(result: Any) -> str:
        if not isinstance(result, KSeries):
            return report(result)
        reports = [report(one) for one in result.results]
        return "\n\n".join([*reports, f"{result.status.value} over all {len(reports)} k, in {result.seconds:.1f} s"])

    return every
