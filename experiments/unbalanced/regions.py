"""What is proved over boxes of priors of three classes: where each version of the conjecture holds, and where it fails.

*Holds.* Where the minimizer is total collapse for every `k` of a list, the downstream losses are the same for all of
them. With `p` the largest of the three masses and `q = 1 - p`, the minimizer of the logistic loss is total collapse iff
`f(p) = p a_k - q b_k >= 0` (`theory.collapse_threshold`, with the proof), so that a box of priors is an interval of
`p`, and its share of the simplex is `F(lo) - F(hi)` with `F(p)` the share of the priors whose largest mass exceeds
`p`.

Bounds on a box (derived). `g_x(m) = 1/(x + m + (k-1-m) eps)` falls with `m`, and `Bin(k-1, s)` increases
stochastically with `s`, so that `E_s(x) = E g_x(m)`, `m ~ Bin(k-1, s)`, falls with `s`. On `[lo, hi]` therefore

    f >= lo eps/2 (E_hi(1 + eps) + E_{1-lo}(1 + eps)) - (1 - lo) E_{1-hi}(2)
    f <= hi eps/2 (E_lo(1 + eps) + E_{1-hi}(1 + eps)) - (1 - hi) E_{1-lo}(2),

and the expectations at rational `s` are finite sums, enclosed in ball arithmetic.

*Fails.* The weighted loss of the mean classifier is proved to rise from total collapse at the least `k` to the largest
`k` (`rises`). For the best classifier the rises are some hundred times smaller than what boxes of a reasonable size
resolve: there only single priors are proven to fail (`map --prove`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from flint import arb, ctx, fmpq

from experiments.unbalanced.rises import Box, Witness
from experiments.unbalanced.rises_search import rising_boxes
from theory.problem import MAX_K
from verify.results import NOT_IN_JSON

_BITS = 128


@dataclass(frozen=True)
class Interval:
    """All priors of three classes with a largest mass between `lo` and `hi`; `kind` is a share of `Regions`."""

    lo: Fraction
    hi: Fraction
    kind: str


@dataclass(frozen=True)
class Regions:
    """Shares of the simplex of three classes, exact, proved by the boxes; they sum to 1.

    Attributes:
        collapsed: total collapse at every `k` of the list: the downstream loss is constant there.
        separated: total collapse at no `k` of the list.
        mixed: total collapse at some and not at others, each decided.
        open: not decided for some `k`.
        intervals: the boxes, neighbours of one kind joined, by rising largest mass.
        settled: for each version of the conjecture what is proved of it, if that was asked for.
        rises: the boxes on which the weighted loss of the mean classifier is proved to rise; not part of the JSON.
    """

    ks: tuple[int, ...]
    temperature: Fraction
    boxes: int
    collapsed: Fraction
    separated: Fraction
    mixed: Fraction
    open: Fraction
    intervals: tuple[Interval, ...]
    settled: tuple[Settled, ...] = ()
    rises: Rises | None = field(default=None, repr=False, metadata=NOT_IN_JSON)


@dataclass(frozen=True)
class Settled:
    """The shares of the simplex where a version of the conjecture is proved to hold, proved to fail, and open."""

    weighting: str
    classifier: str
    holds: Fraction
    fails: Fraction
    open: Fraction


@dataclass(frozen=True)
class Rises:
    """Boxes with `1 - p <= largest_q`, where the minimizer at `k1` is total collapse, on which the loss at `k2` exceeds
    that at `k1`; each with what its proof starts from.

    `check` looks at each field, and proves the collapse; `rises` proves a box.
    """

    k1: int
    k2: int
    temperature: Fraction
    largest_q: Fraction
    depth: int
    boxes: tuple[tuple[Box, Witness], ...]

    def check(self) -> None:
        """Everything but the boxes' own proofs.

        Raises:
            ValueError: if a field is out of its range, a box leaves its range, boxes overlap, or total collapse at `k1`
                is not proved.
        """
        if not 1 <= self.k1 < self.k2 <= MAX_K:
            raise ValueError(f"k1 = {self.k1}, k2 = {self.k2}: 1 <= k1 < k2 <= {MAX_K} is needed")
        if not Fraction(1, 100) <= self.temperature <= 10**6:
            raise ValueError(f"temperature {self.temperature}: a number from 1/100 to 10^6 is needed")
        if not 0 < self.largest_q <= Fraction(1, 2):
            raise ValueError(f"largest_q = {self.largest_q}: a number in (0, 1/2] is needed")
        if any(box.q[1] > self.largest_q for box, _ in self.boxes):
            raise ValueError(f"a box leaves q <= {self.largest_q}")
        if _overlap([box for box, _ in self.boxes]):
            raise ValueError("two boxes overlap")
        if self.boxes and decide(1 - self.largest_q, Fraction(1), self.k1, self.temperature) is not True:
            raise ValueError(f"total collapse at k = {self.k1} is not proved for q <= {self.largest_q}")


def _overlap(boxes: list[Box]) -> bool:
    """Whether two boxes share more than their edges: by a sweep along q, over the boxes that are met at the time."""
    met: list[Box] = []
    for box in sorted(boxes, key=lambda box: box.q):
        met = [other for other in met if other.q[1] > box.q[0]]
        if any(other.s[0] < box.s[1] and box.s[0] < other.s[1] for other in met):
            return True
        met.append(box)
    return False


def settle(
    ks: Sequence[int],
    *,
    temperature: Fraction = Fraction(1),
    depth: int = 12,
    progress: Callable[[str], None] = lambda text: None,
) -> Regions:
    """`prove_regions`, and what it and `rises` say of each version of the conjecture; boxes of rises are halved `depth`
    times at most."""
    regions = prove_regions(ks, temperature=temperature)
    k1, k2 = min(ks), max(ks)
    last = prove_regions([k1], temperature=temperature).intervals[-1]
    found = None
    if last.kind == "collapsed" and k1 < k2:
        q = 1 - last.lo
        whole = Box((Fraction(0), q), (Fraction(0), Fraction(1, 2)))
        boxes = tuple(rising_boxes(k2, whole, 1 / temperature, depth, progress))
        found = Rises(k1, k2, temperature, q, depth, boxes)
    failing = sum((box.share for box, _ in found.boxes), Fraction(0)) if found is not None else Fraction(0)
    settled = []
    for weighting in ("weighted", "balanced"):
        for classifier in ("optimal", "mean"):
            fails = failing if (weighting, classifier) == ("weighted", "mean") else Fraction(0)
            holds = regions.collapsed
            settled.append(Settled(weighting, classifier, holds, fails, 1 - holds - fails))
    return replace(regions, settled=tuple(settled), rises=found)


def prove_regions(ks: Sequence[int], *, temperature: Fraction = Fraction(1), depth: int = 12) -> Regions:
    """Bisect the interval [1/3, 1] of `p` until every box is decided for every `k`, `depth` times at most."""
    shares = dict.fromkeys(("collapsed", "separated", "mixed", "open"), Fraction(0))
    boxes: list[Interval] = []
    pending: list[tuple[Fraction, Fraction, int, dict[int, bool]]] = [(Fraction(1, 3), Fraction(1), 0, {})]
    while pending:
        lo, hi, level, known = pending.pop()
        # what is decided for a box is decided for its halves
        found = {k: known[k] if k in known else decide(lo, hi, k, temperature) for k in ks}
        decided = {k: verdict for k, verdict in found.items() if verdict is not None}
        if len(decided) < len(found) and level < depth:
            middle = (lo + hi) / 2
            pending += [(lo, middle, level + 1, decided), (middle, hi, level + 1, decided)]
            continue
        verdicts = set(found.values())
        kind = "open" if None in verdicts else "mixed" if len(verdicts) > 1 else "separated"
        if verdicts == {True}:
            kind = "collapsed"
        shares[kind] += exceeding(lo) - exceeding(hi)
        boxes.append(Interval(lo, hi, kind))
    joined: list[Interval] = []
    for box in sorted(boxes, key=lambda box: box.lo):
        before = joined.pop() if joined and joined[-1].kind == box.kind else box
        joined.append(Interval(before.lo, box.hi, box.kind))
    return Regions(
        tuple(ks),
        temperature,
        len(boxes),
        collapsed=shares["collapsed"],
        separated=shares["separated"],
        mixed=shares["mixed"],
        open=shares["open"],
        intervals=tuple(joined),
    )


def decide(lo: Fraction, hi: Fraction, k: int, temperature: Fraction = Fraction(1)) -> bool | None:
    """Whether all priors with `lo <= p <= hi` collapse totally at `k` (True), none does (False), or it is open."""
    with ctx.workprec(_BITS):
        eps = (-2 / _ball(temperature)).exp()

        def mean(s: Fraction, x: arb) -> arb:
            return _mean(s, x, k, eps)

        one, two = 1 + eps, arb(2)
        half = eps / 2
        lower = _ball(lo) * half * (mean(hi, one) + mean(1 - lo, one)) - _ball(1 - lo) * mean(1 - hi, two)
        if lower > 0:
            return True
        upper = _ball(hi) * half * (mean(lo, one) + mean(1 - hi, one)) - _ball(1 - hi) * mean(1 - lo, two)
        return False if upper < 0 else None


def exceeding(p: Fraction) -> Fraction:
    """The share of the simplex of three classes in which the largest mass exceeds `p` (1/3 <= p <= 1).

    Each class exceeds `p` in a triangle of share `(1-p)^2`; two of them overlap in one of `(1-2p)^2` for `p < 1/2`, and
    all three nowhere.
    """
    return 3 * (1 - p) ** 2 - 3 * max(Fraction(0), 1 - 2 * p) ** 2


def _mean(s: Fraction, x: arb, k: int, eps: arb) -> arb:
    """`E 1/(x + m + (k-1-m) eps)`, `m ~ Bin(k-1, s)`."""
    n = k - 1
    start, step = x + n * eps, 1 - eps
    if s in (0, 1):
        return 1 / (start + int(s) * n * step)
    weight = _ball(1 - s) ** n
    odds = _ball(s / (1 - s))
    total = arb(0)
    for m in range(n + 1):
        total += weight / (start + m * step)
        weight = weight * odds * (n - m) / (m + 1)
    return total


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))
