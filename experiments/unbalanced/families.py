"""Families of priors with one or two free parameters, written as a user writes them.

A family maps shares (s_1, ..., s_g), positive with sum 1 and `g` = 2 or 3, to a prior, exactly. A map covers the
simplex of shares:

- slices: `1/2,*,*,3x*` is a class of mass 1/2, and three groups of 1, 1 and 3 equal classes which share the other half
  as the shares say. Without a fixed mass this is the whole simplex (`*,*,*`) or groups of equal classes (`*,9x*`).
- profiles: `longtail:F,C=10` is the prior `longtail:f` of ten classes (`theory.priors`), `f = F^s_1` rounded to 12
  digits; `zipf:S,C=10` is `zipf:s` with `s = S s_1`. Both run from nearly uniform to the largest factor or exponent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from theory import priors
from theory.errors import InputError
from theory.priors import Prior

MAX_CLASSES = 64
_CONTEXT = Context(prec=60)
_SHORT = Context(prec=12)
_GROUP = re.compile(r"(?:(\d{1,9})x)?(.+)", re.ASCII)


@dataclass(frozen=True)
class Slice:
    """Groups of `counts[i]` equal classes, whose total mass is `masses[i]`, or a share of what these leave (None).

    Raises:
        InputError: unless there are 3 to 64 classes, two or three free groups, and something is left for these.
    """

    counts: tuple[int, ...]
    masses: tuple[Fraction | None, ...]

    def __post_init__(self) -> None:
        if len(self.kinds) not in (2, 3):
            raise InputError("slice", self, "accepted: two or three free masses, like 0.5,*,*")
        if min(self.counts) < 1 or not 3 <= self.C <= MAX_CLASSES:
            raise InputError("slice", self, f"accepted: 3 to {MAX_CLASSES} classes in all, at least one in each group")
        if any(mass is not None and mass <= 0 for mass in self.masses) or self.rest <= 0:
            raise InputError("slice", self, "accepted: fixed masses > 0 that leave something for the others")

    def __str__(self) -> str:
        shown = ("*" if mass is None else str(mass) for mass in self.masses)
        return ",".join(f"{n}x{mass}" if n > 1 else mass for n, mass in zip(self.counts, shown, strict=True))

    @property
    def C(self) -> int:
        """The number of classes."""
        return sum(self.counts)

    @property
    def kinds(self) -> tuple[int, ...]:
        """A label for each share; shares of equal label may be exchanged without changing the problem."""
        return tuple(n for n, mass in zip(self.counts, self.masses, strict=True) if mass is None)

    @property
    def rest(self) -> Fraction:
        """The mass that the free groups share."""
        return 1 - sum((mass for mass in self.masses if mass is not None), Fraction(0))

    @property
    def is_simplex(self) -> bool:
        """Whether this is the whole simplex of three classes."""
        return self.C == len(self.kinds) == 3

    @property
    def name(self) -> str:
        """A name for files."""
        if self.rest == 1:
            return "-".join(map(str, self.counts))
        return "slice-" + str(self).replace("*", "free").replace("/", "_").replace(",", "-")

    def prior(self, shares: tuple[Fraction, ...]) -> Prior:
        """The prior at these shares."""
        free = iter(shares)
        totals = [self.rest * next(free) if mass is None else mass for mass in self.masses]
        masses = tuple(total / n for total, n in zip(totals, self.counts, strict=True))
        return Prior(masses, self.counts)


@dataclass(frozen=True)
class Profile:
    """`longtail` with factors from 1 to `largest`, or `zipf` with exponents from 0 to `largest`.

    Raises:
        InputError: for another kind, fewer than 3 or more than 64 classes, or nothing to vary.
    """

    kind: str
    C: int
    largest: Fraction

    def __post_init__(self) -> None:
        if self.kind not in ("longtail", "zipf"):
            raise InputError("family", self.kind, "accepted: longtail or zipf")
        if not 3 <= self.C <= MAX_CLASSES:
            raise InputError("C", self.C, f"accepted: 3 to {MAX_CLASSES} classes")
        least, most = (1, 10**12) if self.kind == "longtail" else (0, 20)
        if not least < self.largest <= most:
            raise InputError("largest", self.largest, f"accepted: a number > {least}, at most {most:g}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.largest},C={self.C}"

    @property
    def kinds(self) -> tuple[int, ...]:
        """A label for each share: they are not exchangeable."""
        return 0, 1

    @property
    def is_simplex(self) -> bool:
        """Never: a profile is a curve."""
        return False

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.kind}-{self.largest}-C{self.C}".replace("/", "_")

    def parameter(self, shares: tuple[Fraction, ...]) -> Fraction:
        """The factor or exponent at these shares."""
        if self.kind == "zipf":
            return self.largest * shares[0]
        base, power = (_CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator)) for x in (self.largest, shares[0]))
        return Fraction(_SHORT.create_decimal(_CONTEXT.power(base, power)))

    def prior(self, shares: tuple[Fraction, ...]) -> Prior:
        """The prior at these shares: what `priors.parse(f"{kind}:{parameter}", C)` reads."""
        make = priors.zipf if self.kind == "zipf" else priors.longtail
        return make(self.C, self.parameter(shares))


Family = Slice | Profile


def groups(counts: tuple[int, ...]) -> Slice:
    """Two or three groups of equal classes, all of whose shares are free; (1, 1, 1) is the whole simplex."""
    return Slice(counts, (None,) * len(counts))


def parse(text: str) -> Family:
    """Read a family as `str` writes it.

    Raises:
        InputError: if it cannot be read as one.
    """
    kind, colon, rest = text.partition(":")
    if colon:
        largest, _, C = rest.partition(",C=")
        if not C.isascii() or not C.isdigit() or len(C) > 9:
            raise InputError("family", text, "accepted: like longtail:1000,C=10")
        return Profile(kind, int(C), priors.number(largest, "largest"))
    return parse_slice(text)


def parse_slice(text: str) -> Slice:
    """Read a slice like `0.5,*,*,3x*`.

    Raises:
        InputError: if it cannot be read as one.
    """
    counts, masses = [], []
    for part in text.split(","):
        found = _GROUP.fullmatch(part.strip())
        if found is None:
            raise InputError("slice", text, "accepted: masses, * or Nx* between commas, like 0.5,*,*,3x*")
        counts.append(int(found[1] or 1))
        masses.append(None if found[2] == "*" else priors.number(found[2], "slice"))
    return Slice(tuple(counts), tuple(masses))
