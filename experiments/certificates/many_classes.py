"""Many distinct classes: how long their optimum takes to be proved and checked, and how large the certificate is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from verify import optimum
from verify.checker import check

SIZES = (16, 64, 128, 256, 300, 500, 1000)
K = 4096


def run(sizes: Sequence[int] = SIZES, progress: Callable[[int], None] = lambda _: None) -> dict[str, Any]:
    """`verify.optimum` with a certificate for the prior zipf:1 at each size; wall-clock seconds."""
    return {"prior": "zipf:1", "k": K, "sizes": [_one(C, i, progress) for i, C in enumerate(sizes)]}


def _one(C: int, i: int, progress: Callable[[int], None]) -> dict[str, Any]:
    progress(i)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.json"
        result = optimum.run("zipf:1", K, C=C, certificate=path)
        written = path.read_bytes() if path.exists() else b""
    begun = time.perf_counter()
    verdict = check(written).verdict
    checked = time.perf_counter() - begun
    return {
        "C": C,
        "status": result.status.value,
        "checker": verdict,
        "relative_width": result.nce.relative_gap,
        "gram_radius": result.gram_radius,
        "search_and_proof_seconds": round(result.seconds - checked, 1),
        "check_seconds": round(checked, 1),
        "certificate_bytes": len(written),
    }
