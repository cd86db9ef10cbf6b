"""Prior bounds on the downstream loss from the NCE loss, as functions of `k`: one paper a file.

All are for the logistic loss and the loss `R_mu` of the mean classifier. None of them knows the representation
but through its NCE loss `R = L_k`, which the caller gives.
"""

import math

from theory.bounds._bound import Bound, undefined
from theory.bounds.ash2021 import ash2021, ash2021_safe
from theory.bounds.bao2021 import bao2021_lower, bao2021_upper
from theory.bounds.collisions import collision_loss
from theory.bounds.nozawa_sato2021 import nozawa_sato2021, nozawa_sato2021_tight
from theory.bounds.saunshi2019 import saunshi2019, saunshi2019_exact
from theory.priors import Prior

__all__ = [
    "BOUNDS",
    "Bound",
    "all_bounds",
    "ash2021",
    "ash2021_safe",
    "bao2021_lower",
    "bao2021_upper",
    "collision_loss",
    "nozawa_sato2021",
    "nozawa_sato2021_tight",
    "saunshi2019",
    "saunshi2019_exact",
]

_ONE_SIDED = {
    "saunshi2019": saunshi2019,
    "saunshi2019_exact": saunshi2019_exact,
    "ash2021": ash2021,
    "ash2021_safe": ash2021_safe,
    "nozawa_sato2021": nozawa_sato2021,
    "nozawa_sato2021_tight": nozawa_sato2021_tight,
}

#: The names of all bounds, in the order in which they are reported.
BOUNDS = (*_ONE_SIDED, "bao2021_lower", "bao2021_upper")


def all_bounds(prior: Prior, k: int | float, risk: float, beta: int | float = 1.0) -> dict[str, Bound]:
    """Every bound by name, at the NCE loss `risk = L_k` (at `k = inf`: the limit of `L_k - log k`).

    At `k = inf` the one-sided bounds have no value: `R` and `Coll` grow like `log k`, or the probability that
    they divide by vanishes.
    """
    if math.isinf(k):
        reason = "infinite in the limit: the NCE loss grows like log k, or no draw avoids a collision"
        bounds = {name: undefined(reason) for name in _ONE_SIDED}
    else:
        bounds = {name: bound(prior, int(k), risk) for name, bound in _ONE_SIDED.items()}
    bounds["bao2021_lower"] = bao2021_lower(prior, k, risk, beta)
    bounds["bao2021_upper"] = bao2021_upper(prior, k, risk, beta)
    return bounds
