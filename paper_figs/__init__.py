"""Figures of the paper and talk, and of what this project found, drawn from data files.

- `registry`  every figure: its name, what it shows, how long its data takes
- `data`      where data is read, and how it is computed and kept when it is missing
- `style`     sizes, the style sheet `paper.mplstyle`, files that are the same at every run
- `space`     vectors and spheres in space
- `cifar`, `simplex_data`  data that is kept in another way
- `figures`   one figure a file: `parts` and `compute` make its data, `draw` its picture

`python -m paper_figs` draws them all.
"""

import os as _os
import sys as _sys
from importlib.util import find_spec as _find_spec

# the folder in which `python -m` is called may hold a package of the same name
if (_left := _find_spec("experiments")) is None or _os.path.dirname(_os.path.dirname(_left.origin or "")) != (
    _here := _os.path.dirname(_os.path.dirname(__file__))
):
    _why = f"{_left and _left.origin} is taken for experiments of {_here}: start elsewhere, or call nce-verifier"
    if _sys.argv[:1] == ["-m"]:
        print(f"{__name__}: {_why}", file=_sys.stderr)
        _sys.exit(2)
    raise ImportError(_why)
