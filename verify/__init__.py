"""Optimizers, certificates, claims and the commands that settle them.

Each command is a module with a function `run` that returns a frozen result, and `python -m verify.NAME` is
a thin layer over it:

    from verify import etf
    result = etf.run(C=10, k=64)

Importing this package imports nothing heavy: `verify.checker` depends on that.
"""
