"""What every command returns: frozen results, and the one way in which they become JSON.

Imports nothing heavy, so that a command can refuse bad input before it loads anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from theory.objectives import NCE
from theory.priors import Prior
from theory.problem import Problem
from verify import limits
from verify.results.digits import outward, within

if TYPE_CHECKING:
    from verify.optimize.search import Search


#: The metadata of a dataclass's field that `as_json` leaves out: `field(metadata=NOT_IN_JSON)`; or leaves out where it
#: has its default, so that what came later changes no object that was there before.
NOT_IN_JSON, UNLESS_DEFAULT = {"json": False}, {"json": "unless default"}


class Status(Enum):
    """How far a claim is settled. Never a stronger word than was earned."""

    PROVED = "proved"  # every number that the claim rests on is enclosed
    NUMERICAL = "numerical"  # holds to floating-point tolerance, not enclosed
    REFUTED = "refuted"  # a witness is enclosed
    UNDECIDED = "undecided"

    @property
    def exit_status(self) -> int:
        """The exit status of a command whose result has this status."""
        return {"proved": 0, "numerical": 0, "refuted": 1, "undecided": 3}[self.value]


def weakest(statuses: Iterable[Status]) -> Status:
    """The weakest of them, with `refuted` the weakest of all."""
    return min(statuses, key=(Status.REFUTED, Status.UNDECIDED, Status.NUMERICAL, Status.PROVED).index)


@dataclass(frozen=True)
class ProblemRecord:
    """The problem (`theory.problem.Problem`) as results state it; `rho` and `temperature` are exact.

    Attributes:
        rho: the mass of every class as "p/q"; with more than `LISTED_CLASSES` classes, some of which are equal, the
            groups of equal classes instead, as "NxP/Q" (`N` classes that share the mass `P/Q`, as `--rho groups:` reads
            them).
        k: number of negatives: an integer, a real number (nothing is proved of it), `math.inf`, or a list.
        d: dimension of the embeddings.
        loss: name of the loss, or `package.module:callable`.
        objective: its name (`theory.objectives`).
    """

    C: int
    k: int | float | tuple[int | float, ...]
    d: int
    rho: tuple[str, ...]
    loss: str
    temperature: str
    objective: str = field(default=NCE.name, metadata=UNLESS_DEFAULT)

    @property
    def losses(self) -> str:
        """The loss, and the objective where it is not the usual one, for a readable report."""
        return f"{self.loss} loss" + ("" if self.objective == NCE.name else f" of {self.objective}")

    @classmethod
    def of(cls, problem: Problem, k: tuple[int | float, ...] | None = None) -> ProblemRecord:
        """That of a problem, or of problems that differ in `k`."""
        prior, T = problem.population, problem.temperature
        temperature = f"{T.numerator}/{T.denominator}"
        return cls(
            prior.C, k or problem.k, problem.d, listed(prior), problem.loss_name, temperature, problem.objective.name
        )


@dataclass(frozen=True)
class Bracket:
    """The loss found and what is known of the minimum: `lower <= min <= upper`.

    Attributes:
        gap: the true width of the enclosure, which may be far below the spacing of doubles.
    """

    found: float | None
    etf: float | None
    lower: float | None
    upper: float | None
    gap: float | None

    @classmethod
    def around(
        cls, found: float, lower: Fraction | float | None, upper: Fraction | float, etf: float | None = None
    ) -> Bracket:
        """The bracket in doubles (`verify.results.digits.outward`), with values that obey it: `found` is a loss that is
        attained, and so no less than the minimum, `etf` the minimum itself."""
        if lower is None:
            return cls(found, etf, None, outward(upper, upper)[1], None)
        low, high, gap = outward(lower, upper)
        return cls(within(found, low), None if etf is None else within(etf, low, high), low, high, gap)

    @property
    def relative_gap(self) -> float | None:
        """`gap / max(1, |upper|)`."""
        if self.gap is None or self.upper is None:
            return None
        return self.gap / max(1.0, abs(self.upper))


@dataclass(frozen=True)
class StartReport:
    """One start: where it ended and why."""

    value: float
    gradient_norm: float
    iterations: int
    converged: bool
    stop: str


@dataclass(frozen=True)
class SearchReport:
    """How the minimum was found (`method`), the starts, how many converged, and the most iterations that one took."""

    method: str
    starts: int
    converged: int
    iterations: int
    runs: tuple[StartReport, ...]


def listed(prior: Prior) -> tuple[str, ...]:
    """The masses as `ProblemRecord.rho` gives them."""
    if prior.C > limits.LISTED_CLASSES and len((groups := prior.merged()).masses) < prior.C:
        return tuple(groups.as_groups())
    return tuple(prior.as_strings())


def shortened(rho: tuple[str, ...]) -> str:
    """A prior for a readable report: at most six masses or groups, long fractions as decimals."""
    shown = []
    for entry in rho[:6]:
        count, cross, mass = entry.rpartition("x")
        shown.append(count + cross + (mass if len(mass) <= 12 else f"{float(Fraction(mass)):.4g}"))
    return "(" + ", ".join(shown) + (", ...)" if len(rho) > 6 else ")")


def versions(*packages: str) -> dict[str, str]:
    """Versions of this distribution and of the packages that the numbers depend on."""
    known = {}
    for package in ("nce-verifier", *packages):
        try:
            known[package] = version(package)
        except PackageNotFoundError:
            known[package] = "not installed"
    return known


class Result:
    """What the results of all commands can do; each is a frozen dataclass with a `status`."""

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints: exact numbers as "p/q", `k` as a number or "inf", what is not finite as None."""
        entries: dict[str, Any] = as_json(self)
        if "problem" in entries:
            entries["problem"]["k"] = k_as_json(self.problem.k)  # type: ignore[attr-defined]
        return entries

    def __repr__(self) -> str:
        values = {name: value for name, value in vars(self).items() if isinstance(value, Bracket | ProblemRecord)}
        parts = [f"status={self.status.value}"]  # type: ignore[attr-defined]
        for name, value in values.items():
            if isinstance(value, ProblemRecord):
                parts += [f"C={value.C}", f"k={value.k}", f"d={value.d}", f"loss={value.loss}"]
            else:
                parts.append(f"{name}=[{value.lower}, {value.upper}]")
        return f"{type(self).__name__}({', '.join(parts)})"


def as_json(value: Any) -> Any:
    """A result as JSON types: exact numbers as "p/q", arrays as lists, what is not finite as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: as_json(getattr(value, one.name)) for one in fields(value) if _is_shown(value, one)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_shown(value: Any, one: Field[Any]) -> bool:
    if one.metadata == UNLESS_DEFAULT:
        return bool(getattr(value, one.name) != one.default)
    return one.metadata != NOT_IN_JSON


def k_as_json(k: Any) -> Any:
    """`k` in JSON: a number, or "inf"."""
    if isinstance(k, list | tuple):
        return [k_as_json(item) for item in k]
    return "inf" if isinstance(k, float) and math.isinf(k) else k


def report_search(search: Search, lower: float | None = None) -> SearchReport:
    """The runs of a search, without their embeddings; none of them is below a minimum of at least `lower`."""
    runs = tuple(
        StartReport(within(one.value, lower), one.gradient_norm, one.iterations, one.converged, one.stop.value)
        for one in search.runs
    )
    return SearchReport(search.method, len(runs), search.converged, max(one.iterations for one in runs), runs)


def closing(status: Status, seconds: float, note: str, certificate: str | None = None) -> list[str]:
    """The last lines of a readable report."""
    lines = [f"  note: {note}"] if note else []
    if certificate:
        lines.append(f"  certificate accepted by the checker and written to {certificate}")
    return [*lines, f"  {status.value} in {seconds:.1f} s"]
