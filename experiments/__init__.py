"""Sweeps, benchmarks and trained networks: what is run at length, over the tools of `verify`."""

import os as _os
import sys as _sys
from importlib.util import find_spec as _find_spec

# the folder in which `python -m` is called may hold a package of the same name
if (_left := _find_spec("verify")) is None or _os.path.dirname(_os.path.dirname(_left.origin or "")) != (
    _here := _os.path.dirname(_os.path.dirname(__file__))
):
    _why = f"{_left and _left.origin} is taken for verify of {_here}: start elsewhere, or call nce-verifier"
    if _sys.argv[:1] == ["-m"]:
        print(f"{__name__}: {_why}", file=_sys.stderr)
        _sys.exit(2)
    raise ImportError(_why)
