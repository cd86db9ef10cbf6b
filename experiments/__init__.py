"""Sweeps, benchmarks and trained networks: what is run at length, over the tools of `verify`."""
