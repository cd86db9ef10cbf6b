"""Bounds and certificates: what is known of the global minimum, and how well.

`prove_optimum`, `prove_bracket` and `prove_etf` make proofs in python-flint's balls; `dual` bounds in float64 only.
"""

from verify.certify.balanced import EtfProof, prove_etf
from verify.certify.bracket import prove_bracket
from verify.certify.optimum import OptimumProof, prove_grouped, prove_optimum

__all__ = ["EtfProof", "OptimumProof", "prove_bracket", "prove_etf", "prove_grouped", "prove_optimum"]
