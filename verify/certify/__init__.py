"""Proofs of minima, by python-flint's balls: enclosures of loss and gradient, dual bounds, certificates."""

from verify.certify.balanced import EtfProof, prove_etf
from verify.certify.optimum import OptimumProof, prove_optimum

__all__ = ["EtfProof", "OptimumProof", "prove_etf", "prove_optimum"]
