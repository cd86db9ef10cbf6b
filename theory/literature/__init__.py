"""Published statements, as this project reads them, each with the command that looks into it (`verify.literature`)."""

from __future__ import annotations

from theory.literature import awasthi2022, bao2021, bounds, minima, pools, two_towers, unsettled
from theory.literature.statement import Judged, Results, Statement

__all__ = ["STATEMENTS", "Judged", "Results", "Statement"]

#: All of them; `verify.literature` has the verdicts.
STATEMENTS: tuple[Statement, ...] = (
    *awasthi2022.STATEMENTS,
    *bounds.STATEMENTS,
    *bao2021.STATEMENTS,
    *minima.STATEMENTS,
    *two_towers.STATEMENTS,
    *pools.STATEMENTS,
    *unsettled.STATEMENTS,
)
