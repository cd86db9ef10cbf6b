"""The way of a certificate out of the house: past the checker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from verify.certify.document import text
from verify.checker import check
from verify.checker.rows import OUT_OF_REACH
from verify.files.delivery import deliver
from verify.results import Status


def publish(
    certificate: dict[str, Any], path: Path | str, status: Status, note: str = ""
) -> tuple[str | None, Status, str]:
    """Write the certificate if the checker accepts it (`deliver`): where it is, the status, and the note on it.

    A certificate that the checker does not accept is not written, and what it states is undecided; unless the work at
    the precision that it needs would be too much for the checker. Then the status is what it was.
    """
    verdict = check(certificate)
    if verdict.verdict == "accepted":
        place = deliver(path, text(certificate).encode("ascii"))
        return None if place is None else str(place), status, note
    refused = f"no certificate: the checker says {verdict.verdict}: {verdict.reason}"
    return None, status if verdict.reason == OUT_OF_REACH else Status.UNDECIDED, refused
