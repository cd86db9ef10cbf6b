"""Optimizers, certificates, claims and the commands that settle them.

Each command is a module with a function `run` that returns a frozen result, and `python -m verify.NAME` is
a thin layer over it:

    from verify import etf
    result = etf.run(C=10, k=64)

The modules of this folder are the commands (`commands` lists them), and `testing`, for tests of one's own. What they
work with is in the packages:

    checker      decides whether a certificate proves what it states; imports nothing of the project
    certify      proofs in ball arithmetic, written as certificates
    optimize     minimization in double precision, with lower bounds from duality
    supervised   the downstream task: the best classifier and its loss
    lemma        Lemma 1, step by step
    graphs       positives from an augmentation graph
    retreat      the onset of a rise of the downstream loss
    trained      embeddings that someone trained
    claims       what `python -m verify` settles
    results      what commands return, and how it becomes text and JSON
    files        what is read and written
    cli          options, progress, exit statuses

Importing this package imports nothing heavy: `verify.checker` depends on that.
"""

import os as _os
import sys as _sys
from importlib.util import find_spec as _find_spec

# the folder in which `python -m` is called may hold a package of the same name (the checker alone has none)
_here, _left = _os.path.dirname(_os.path.dirname(__file__)), _find_spec("theory")
if _left is not None and _os.path.dirname(_os.path.dirname(_left.origin or "")) != _here:
    _why = f"{_left.origin} is taken for theory of {_here}: start elsewhere, or call nce-verifier"
    if _sys.argv[:1] == ["-m"]:
        print(f"{__name__}: {_why}", file=_sys.stderr)
        _sys.exit(2)
    raise ImportError(_why)
