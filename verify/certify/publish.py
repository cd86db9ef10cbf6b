"""The way of a certificate out of the house: past the checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verify.certify.document import write
from verify.checker import check


def publish(certificate: dict[str, Any], path: Path | str) -> str:
    """Write the certificate if the checker accepts it; the reason why not otherwise, else the empty string."""
    verdict = check(certificate)
    if verdict.verdict != "accepted":
        return f"no certificate: the checker says {verdict.verdict}: {verdict.reason}"
    write(certificate, path)
    return ""
