"""Speed, scale and accuracy beside the alternatives, on the same problems, in one run.

`python -m experiments.benchmarks` measures; `results/cpu.json` is a full run. A file of results is one JSON object:

- `machine`, `versions`, `command`, `date`: where and how it was made;
- `records`: one object for each measurement, made in a process of its own:
    - `id`, `suite` (a key of `tasks.SUITES`), `kind` ("solve" or "evaluate"), `method`, and the problem: `rho`, `C`,
      `k`, `d`, for the logistic loss at temperature 1;
    - `status`: "done", "too long" (stopped at `limit_seconds`), "failed" or "missing" (a package), with `note`;
    - `first_seconds`: the first run, with what it builds and compiles; `seconds`: the runs after it, as `median`,
      `low`, `high` (quartiles) and `runs`, which are fewer where they are long. A run of CVXPY of more than 20 seconds
      is not repeated: then `seconds` is the first run without what was built before it;
    - `peak_mb`: the largest resident set of the process up to there; `base_mb`: the same before anything was built;
    - solve: `loss`, the exact population loss at the unit embeddings found; `lower`, a lower bound of the minimum, the
      same for all methods (`problem.judge`); `gap`, `(loss - lower) / max(1, |loss|)`, and 0 where rounding makes it
      less;
    - evaluate (a value and a gradient): `products_seconds`, the two matrix products of the same sizes, measured in turn
      with it; `error`, relative to the exact loss;
    - `terms`: the number of multisets of negatives, for a method that enumerates them;
- `speedup`: what `table.speedup` makes of the records, or null.
"""
