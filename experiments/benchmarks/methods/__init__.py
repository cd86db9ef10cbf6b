"""The methods that are compared, each in one module.

A module has `PACKAGES`, the distributions that it needs beyond this project's own, `COMPILES`, whether the first run
takes longer than the others since it compiles, and one or both of

- `solver(problem, budget) -> solve`, where `solve()` returns a Gram matrix near the optimum (C x C);
- `evaluator(problem) -> evaluate`, where `evaluate()` returns the loss at the embeddings `ours.start`, after computing
  its gradient too.

Building and compiling happen in `solver` or `evaluator` and in the first call. Both raise MemoryError for what does not
fit. `terms(problem)`, if it is there, counts what a method enumerates.
"""

from __future__ import annotations

import importlib
from types import ModuleType

MODULES = {
    "ours": "ours",
    "public": "public",
    "groups": "groups",
    "cvxpy-clarabel": "cvxpy_clarabel",
    "cvxpy-scs": "cvxpy_scs",
    "pymanopt": "manifold",
    "sgd": "sgd",
    "enumeration": "enumeration",
    "sampling": "sampling",
}


def method(name: str) -> tuple[ModuleType, int]:
    """The module of a method such as "sgd-1e4", and its budget (0 if none is named)."""
    stem, dash, budget = name.rpartition("-")
    if dash and budget.startswith("1e"):
        return importlib.import_module(f"{__name__}.{MODULES[stem]}"), int(float(budget))
    return importlib.import_module(f"{__name__}.{MODULES[name]}"), 0
