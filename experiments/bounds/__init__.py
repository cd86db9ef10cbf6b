"""The four prior bounds beside the exact values, for balanced and long-tailed classes: data for a figure.

`python -m experiments.bounds` computes `data.json`; `rows()` reads what is committed.
"""

import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data.json"


def rows() -> list[dict[str, Any]]:
    """The committed rows: one for each prior and `k`, as `verify.bounds` prints them, without seconds and versions."""
    found: list[dict[str, Any]] = json.loads(DATA.read_text())["rows"]
    return found
