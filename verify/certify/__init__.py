"""Bounds and certificates: what is known of the global minimum, and how well.

`prove_optimum`, `prove_bracket` and `prove_etf` make proofs in python-flint's balls; `dual` bounds in float64 only.
They are loaded when they are asked for, so that bounds in float64 need no python-flint.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verify.certify.balanced import EtfProof, prove_etf
    from verify.certify.bracket import prove_bracket
    from verify.certify.optimum import OptimumProof, prove_grouped, prove_optimum

__all__ = ["EtfProof", "OptimumProof", "prove_bracket", "prove_etf", "prove_grouped", "prove_optimum"]

_MODULES = {"EtfProof": "balanced", "prove_etf": "balanced", "prove_bracket": "bracket"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'optimum')}"), name)
