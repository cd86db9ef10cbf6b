"""Saunshi et al. 2019, Ash et al. 2021, Nozawa & Sato 2021: upper bounds on the loss of the mean classifier."""

from __future__ import annotations

from theory.literature.statement import Statement, bound

_COMMAND = ("verify.bounds --rho uniform --C 10 --k 64",)
_AT = ("logistic loss", "equal classes", "looked at for C = 10, k = 64, at the minimizer")

STATEMENTS = (
    Statement(
        "saunshi2019-bound",
        "Saunshi, Plevrakis, Arora, Khodak, Khandeparkar 2019, arXiv 1902.09229",
        "second hand",
        "R_mu <= (R - Coll(k)) / ((1 - tau_k) v_(k+1))",
        _AT,
        _COMMAND,
        bound("saunshi2019", "saunshi2019_exact"),
    ),
    Statement(
        "ash2021-bound",
        "Ash, Goel, Krishnamurthy, Misra 2021, arXiv 2106.09943",
        "second hand",
        "R_mu <= 2/(1 - tau_k) max(1, 2(C-1)H_(C-1)/k) (R - Coll(k))",
        _AT,
        _COMMAND,
        bound("ash2021"),
    ),
    Statement(
        "nozawa-sato2021-bound",
        "Nozawa, Sato 2021, arXiv 2102.06866",
        "second hand",
        "R_mu <= (2R - Coll(k)) / v_(k+1)",
        _AT,
        _COMMAND,
        bound("nozawa_sato2021", "nozawa_sato2021_tight"),
    ),
)
