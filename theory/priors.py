"""Class priors: exact rational vectors, and the grammar in which a user writes them.

A prior is kept as groups of equal classes, so that a million classes in two groups cost two numbers.
Everything here is exact: no float is made until `Prior.as_array` is asked for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from theory.errors import InputError, as_text, rounded

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

GRAMMAR = (
    "accepted: 'uniform' (with C), '0.5,0.3,0.2', '1/2,3/10,1/5', 'zipf:S' (with C), "
    "'longtail:F' (with C), 'groups:N1xM1,N2xM2,...', 'counts:FILE'"
)

#: The smallest mass of a class. Products of three masses are still ordinary doubles, so that no expectation loses a
#: class by underflow.
SMALLEST_MASS = Fraction(1, 10**100)

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?(/\d+)?", re.ASCII)
_MAX_DIGITS = 4000
# what 4000 digits hold, from below: Python prints such numbers, and certificates may state them
_MAX_BITS = 13_280
_SMALL = f"the smallest mass of a class that is handled is {float(SMALLEST_MASS):g}"
_SIGNIFICANT_BITS = 64
_MAX_EXPONENT = 100
_MAX_PROFILE = 100_000


@dataclass(frozen=True)
class Prior:
    """A class prior `rho`: `counts[g]` classes of mass `masses[g]` each, in this order.

    Classes are numbered group after group. The masses are at least `SMALLEST_MASS`, and
    `sum_g counts_g masses_g = 1` exactly.

    Raises:
        InputError: if a mass is not positive or too small, the masses do not sum to 1, or there are fewer than 2
            classes.
    """

    masses: tuple[Fraction, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.masses) != len(self.counts) or any(count < 1 for count in self.counts):
            raise InputError("rho", self.counts, "every group needs a mass and at least one class")
        for mass in self.masses:
            if mass <= 0:
                raise InputError("rho", mass, "every class needs a mass > 0")
        total = sum((c * m for c, m in zip(self.counts, self.masses, strict=True)), Fraction(0))
        if total != 1:
            raise InputError("rho", _sum_as_text(total), "the masses must sum to 1 exactly (or give --normalize)")
        if min(self.masses) < SMALLEST_MASS:
            raise InputError("rho", min(self.masses), _SMALL)
        if self.C < 2:
            raise InputError("rho", self.C, "at least 2 classes are needed")

    @property
    def C(self) -> int:
        """The number of classes."""
        return sum(self.counts)

    @property
    def points(self) -> int:
        """The points that are embedded: one a class."""
        return self.C

    @property
    def rho(self) -> tuple[Fraction, ...]:
        """The mass of every class, length `C`."""
        return tuple(m for m, count in zip(self.masses, self.counts, strict=True) for _ in range(count))

    @property
    def totals(self) -> tuple[Fraction, ...]:
        """The mass of every group."""
        return tuple(count * mass for mass, count in zip(self.masses, self.counts, strict=True))

    @property
    def is_uniform(self) -> bool:
        """Whether all classes have the same mass."""
        return len(set(self.masses)) == 1

    def merged(self) -> Prior:
        """The same masses with classes of equal mass in one group each, in the order of first appearance."""
        counts: dict[Fraction, int] = {}
        for mass, count in zip(self.masses, self.counts, strict=True):
            counts[mass] = counts.get(mass, 0) + count
        return Prior(tuple(counts), tuple(counts.values()))

    def split(self) -> Prior:
        """The same masses with every class in a group of its own."""
        return Prior(self.rho, (1,) * self.C)

    def as_array(self) -> Float[np.ndarray, "C"]:
        """`rho` in double precision, each entry correctly rounded."""
        import numpy as np

        return np.repeat(np.array([float(m) for m in self.masses]), self.counts)

    def as_strings(self) -> list[str]:
        """`rho` as exact "p/q" strings in lowest terms."""
        return [f"{m.numerator}/{m.denominator}" for m in self.rho]

    def as_groups(self) -> list[str]:
        """The groups as exact "NxP/Q" strings, `N` classes that share the mass `P/Q`, as `parse` reads them."""
        return [f"{n}x{s.numerator}/{s.denominator}" for n, s in zip(self.counts, self.totals, strict=True)]


def uniform(C: int) -> Prior:
    """The balanced prior, `rho_c = 1/C`."""
    if C < 2:
        raise InputError("C", C, "at least 2 classes are needed")
    return Prior((Fraction(1, C),), (C,))


def from_masses(masses: Iterable[Fraction | int | str], *, normalize: bool = False) -> Prior:
    """The prior with these masses, one a class; divided by their sum if `normalize`."""
    exact = [number(m) if isinstance(m, str) else Fraction(m) for m in masses]
    for mass in exact:
        if mass <= 0:
            raise InputError("rho", mass, "every class needs a mass > 0")
    if normalize:
        total = sum(exact, Fraction(0))
        exact = [mass / total for mass in exact]
    return Prior(tuple(exact), (1,) * len(exact))


def zipf(C: int, exponent: Fraction) -> Prior:
    """`rho_c` proportional to `c^-S`, `c = 1..C`: exact for an integer `S`, else rounded (`_rounded`)."""
    if abs(exponent) > _MAX_EXPONENT:
        raise InputError("rho", f"zipf:{exponent}", f"the exponent must be within +-{_MAX_EXPONENT}")
    if exponent.denominator == 1:
        return from_masses([Fraction(c) ** -int(exponent) for c in range(1, C + 1)], normalize=True)
    power = -_decimal(exponent)
    return _rounded([_CONTEXT.power(Decimal(c), power) for c in range(1, C + 1)])


def longtail(C: int, factor: Fraction) -> Prior:
    """Exponential profile `rho_c ∝ F^(-(c-1)/(C-1))`, as in CIFAR-LT: largest over smallest is `F`."""
    if not 1 <= factor <= 10**30:
        raise InputError("rho", f"longtail:{factor}", "the factor must be within 1 and 1e30")
    base = _decimal(factor)
    steps = [_CONTEXT.divide(Decimal(-c), Decimal(C - 1)) for c in range(C)]
    return _rounded([_CONTEXT.power(base, step) for step in steps])


def groups(sizes: Iterable[tuple[int, Fraction]], *, normalize: bool = False) -> Prior:
    """`N` equal classes that share the total mass `M`, for each pair `(N, M)`."""
    pairs = list(sizes)
    total = sum((mass for _, mass in pairs), Fraction(0)) if normalize else Fraction(1)
    if total <= 0 or any(count < 1 for count, _ in pairs):
        raise InputError("rho", pairs, "every group is NxM with N >= 1 classes and a mass M > 0")
    return Prior(tuple(mass / total / count for count, mass in pairs), tuple(count for count, _ in pairs))


def parse(text: str, C: int | None = None, *, normalize: bool = False) -> Prior:
    """Read a prior as a user writes it (`GRAMMAR`).

    Raises:
        InputError: if the text is not in the grammar, `C` is missing or contradicts the text, or the masses
            are not positive with sum 1.
    """
    text = text.strip()
    kind, colon, argument = text.partition(":")
    if kind in ("uniform", "zipf", "longtail"):
        if C is not None and kind != "uniform" and C > _MAX_PROFILE:
            raise InputError("C", C, f"a profile of distinct masses has at most {_MAX_PROFILE} classes")
        if C is None:
            raise InputError("rho", text, "this profile needs the number of classes, C")
        if C < 2:
            raise InputError("C", C, "at least 2 classes are needed")
        if kind == "uniform" and not colon:
            return uniform(C)
        if kind == "zipf":
            return zipf(C, number(argument))
        if kind == "longtail":
            return longtail(C, number(argument))
        raise InputError("rho", text, GRAMMAR)
    if kind == "groups" and colon:
        prior = groups([_group(part) for part in argument.split(",")], normalize=normalize)
    else:
        prior = from_masses(text.split(","), normalize=normalize)
    if C is not None and prior.C != C:
        raise InputError("C", C, f"--rho has {prior.C} classes; leave C out or make them agree")
    return prior


def number(text: str, option: str = "rho") -> Fraction:
    """Read a decimal or a fraction exactly: '0.3' is 3/10. `option` is named where it cannot be read.

    Raises:
        InputError: if it is neither, or so long that exact arithmetic with it would not end.
    """
    text = text.strip()
    if len(text) > _MAX_DIGITS or not _NUMBER.fullmatch(text) or ("/" in text and re.search(r"[.eE]", text)):
        hint = f"; {GRAMMAR}" if option == "rho" else ""
        raise InputError(option, text, f"accepted: a number like 0.3, 3e-1 or 3/10{hint}")
    try:
        exact = Fraction(text)
    except ZeroDivisionError:
        raise InputError(option, text, "a denominator is zero") from None
    if max(exact.numerator.bit_length(), exact.denominator.bit_length()) > _MAX_BITS:
        hint = f"; {_SMALL}" if option == "rho" else ""
        raise InputError(option, text, f"accepted: a number of at most {_MAX_DIGITS} digits, zeros included{hint}")
    return exact


def _sum_as_text(total: Fraction) -> str:
    """A sum that is not 1, so that one sees it."""
    if total.denominator < 10**12 or not Fraction(1, 2) < total < 2:
        return as_text(total)
    return f"1 {'+' if total > 1 else '-'} about {rounded(abs(total - 1))}"


def _group(part: str) -> tuple[int, Fraction]:
    count, cross, mass = part.strip().partition("x")
    if not cross or not count.isascii() or not count.isdigit() or len(count) > 18:
        raise InputError("rho", part, "every group is NxM: N >= 1 classes that share the mass M")
    return int(count), number(mass)


# 60 digits are far more than the 64 bits that are kept, so the rounding is the same everywhere.
_CONTEXT = Context(prec=60)


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _rounded(weights: list[Decimal]) -> Prior:
    """Weights rounded to rationals with 64 significant bits in the smallest, which sum to 1 exactly.

    The largest class takes up what rounding leaves.
    """
    total = sum(weights[1:], weights[0])
    bits = _SIGNIFICANT_BITS + int(_CONTEXT.divide(total, min(weights))).bit_length()
    scale = _CONTEXT.divide(Decimal(2**bits), total)
    integers = [int(_CONTEXT.multiply(weight, scale).to_integral_value()) for weight in weights]
    integers[integers.index(max(integers))] += 2**bits - sum(integers)
    return Prior(tuple(Fraction(n, 2**bits) for n in integers), (1,) * len(integers))
