"""Certificates as text: canonical JSON, exact fractions, directed rounding."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from verify import files


def ratio(q: Fraction) -> str:
    """ "p/q" in lowest terms with q > 0, integers as "n/1"."""
    return f"{q.numerator}/{q.denominator}"


def down(q: Fraction, digits: int) -> Fraction:
    """The largest multiple of `10^-digits` that is at most q."""
    return Fraction(q * 10**digits // 1, 10**digits)


def up(q: Fraction, digits: int) -> Fraction:
    """The smallest multiple of `10^-digits` that is at least q."""
    return -down(-q, digits)


def document(statement: dict[str, Any], witness: dict[str, Any]) -> dict[str, Any]:
    """A certificate: schema and version first, then what is claimed, then what makes it cheap to check."""
    return {"schema": "nce-certificate", "version": 1, "statement": statement, "witness": witness}


def text(certificate: dict[str, Any]) -> str:
    """The one way in which a certificate is written: equal certificates are equal byte for byte."""
    return json.dumps(certificate, indent=1, ensure_ascii=True) + "\n"


def write(certificate: dict[str, Any], path: str | Path) -> None:
    """Write the certificate, all of it or nothing (`verify.files`)."""
    files.write(path, text(certificate).encode("ascii"))
