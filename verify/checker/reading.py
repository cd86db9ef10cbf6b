"""Reading a certificate that nobody vouches for: every size is limited before work is spent on it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import gcd, lcm
from typing import Any, TypeVar

from verify.checker.verdict import Unreadable

MAX_BYTES = 1 << 25
MAX_CLASSES = 1024
MAX_DEPTH = 12
_T = TypeVar("_T")
MAX_K = 10**12
MAX_DENOMINATOR_BITS = 1 << 14
MAX_DIGITS = 4000
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: no backtracking
_BRACKETS = re.compile(r"[][{}]")
_RATIONAL = re.compile(r"(0|-?[1-9][0-9]{0,3999})/([1-9][0-9]{0,3999})", re.ASCII)


def load(text: str | bytes) -> dict[str, Any]:
    """The JSON object in `text`. Repeated keys, NaN and infinities are refused, as is anything too deep or long.

    Length and depth are limited before anything is parsed: a parser's own limits differ, and not all survive them.

    Raises:
        Unreadable: if it is not one JSON object in UTF-8 within these limits.
    """
    if len(text) > MAX_BYTES:
        raise Unreadable(f"more than {MAX_BYTES} bytes")
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        if _depth(decoded) > MAX_DEPTH:
            raise Unreadable(f"nested more than {MAX_DEPTH} deep")
        data = json.loads(decoded, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_integer)
    except ValueError as error:
        raise Unreadable(f"not a JSON document: {str(error)[:80]}") from None
    if not isinstance(data, dict):
        raise Unreadable("the document is not a JSON object")
    return data


def _depth(text: str) -> int:
    """How deeply brackets are nested outside of strings (an unfinished one reaches to the end)."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"an integer of more than {MAX_DIGITS} digits")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key is repeated")
    return data


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a number")


class Fields:
    """The fields of one JSON object, each asked for by name, type and range.

    A statement is complete in itself, so a field that no claim covers is refused (`done`).
    """

    def __init__(self, name: str, data: object) -> None:
        if not isinstance(data, dict):
            raise Unreadable(f"{name}: an object is needed")
        self.name, self.data, self.used = name, data, set[str]()

    def raw(self, key: str) -> Any:
        if key not in self.data:
            raise Unreadable(f"{self.name}.{key} is missing")
        self.used.add(key)
        return self.data[key]

    def integer(self, key: str, low: int, high: int) -> int:
        value = self.raw(key)
        if type(value) is not int or not low <= value <= high:
            raise Unreadable(f"{self.name}.{key}: an integer in {low}..{high} is needed")
        return value

    def choice(self, key: str, options: Sequence[str]) -> str:
        value = self.raw(key)
        if not isinstance(value, str) or value not in options:
            raise Unreadable(f"{self.name}.{key}: one of {', '.join(options)} is needed")
        return value

    def rational(self, key: str) -> Fraction:
        return rational(f"{self.name}.{key}", self.raw(key))

    def integers(self, key: str, low: int, high: int) -> list[int]:
        name = f"{self.name}.{key}"

        def read(value: object) -> int:
            if type(value) is not int or not low <= value <= high:
                raise Unreadable(f"{name}: integers in {low}..{high} are needed")
            return value

        return _listed(name, self.raw(key), read)

    def object(self, key: str) -> Fields:
        return Fields(f"{self.name}.{key}", self.raw(key))

    def rationals(self, key: str) -> list[Fraction]:
        name = f"{self.name}.{key}"
        return _listed(name, self.raw(key), lambda value: rational(name, value))

    def matrix(self, key: str) -> list[list[Fraction]]:
        """A list of rows of equal length."""
        name = f"{self.name}.{key}"
        rows = _listed(name, self.raw(key), lambda row: _listed(name, row, lambda value: rational(name, value)))
        if len({len(row) for row in rows}) != 1:
            raise Unreadable(f"{name}: rows of equal length are needed")
        return rows

    def done(self) -> None:
        unknown = [str(key) for key in self.data if key not in self.used]
        if unknown:
            raise Unreadable(f"{self.name}: unknown field {unknown[0][:40]!r}")


def rational(name: str, value: object) -> Fraction:
    """The exact number in "p/q", in lowest terms with q > 0."""
    match = _RATIONAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Unreadable(f'{name}: a string "p/q" of at most 4000 digits each is needed')
    p, q = int(match[1]), int(match[2])
    if gcd(p, q) != 1:
        raise Unreadable(f"{name}: {str(value)[:40]} is not in lowest terms")
    return Fraction(p, q)


def cleared(name: str, values: list[Fraction]) -> tuple[list[int], int]:
    """The numerators over a common denominator, and that denominator, which must not be too large to work with."""
    common = 1
    for value in values:
        common = lcm(common, value.denominator)
        if common.bit_length() > MAX_DENOMINATOR_BITS:
            raise Unreadable(f"{name}: the common denominator exceeds {MAX_DENOMINATOR_BITS} bits")
    return [value.numerator * (common // value.denominator) for value in values], common


def _listed(name: str, value: object, read: Callable[[object], _T]) -> list[_T]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CLASSES:
        raise Unreadable(f"{name}: a list of 1 to {MAX_CLASSES} entries is needed")
    return [read(entry) for entry in value]
