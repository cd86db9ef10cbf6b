"""Expectations of functions of `k` independent draws from a finite law.

The law puts `weights` (n,) on `margins` (n,); every routine maps margins of shape (..., n) to (...).
`integrals` and `extremes` are exact at a cost that does not grow with `k`; `enumeration` and `sampling` are
the independent references, and serve losses that have no closed form. `positives` averages over a random positive too,
and `cosine_moments` does so for many points.
"""
