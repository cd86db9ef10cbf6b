"""A small, independent checker of certificates: the standard library and mpmath's intervals, nothing else.

`check` takes a certificate as text or as parsed JSON and decides. It believes neither part: the statement is what
is to be shown, and every bound is computed again from it; the witness only says where to look, so a wrong witness
can lose a true statement but never win a false one. The proof that an accepted statement is true stands in the
modules:

- `reading`     exact numbers, limits on sizes, no field of a statement left unexamined;
- `intervals`   what is trusted of mpmath, and positive definiteness of interval matrices;
- `losses`      the losses that are handled, in one table;
- `objectives`  the laws of negatives that are handled;
- `rows`        loss and gradient of an anchor class, with every quadrature error derived;
- `moments`     the same integrals for rows of many values, in whole numbers;
- `definite`    positive definiteness of many rows, by a factor that is checked exactly;
- `dual`        the minimum and the minimizer enclosed, by convexity;
- `positives`   loss and slopes of an anchor whose positive is random too;
- `graph`       what `dual` does, on augmentation graphs;
- one module a kind, each with `check(statement, witness) -> reason`, registered in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from verify.checker import augmentation, averaging, downstream, etf_optimality, global_optimum, indistinguishability
from verify.checker.reading import Fields, load
from verify.checker.verdict import (
    ACCEPTED,
    EXHAUSTED,
    INTERNAL_ERROR,
    REJECTED,
    UNREADABLE,
    Rejected,
    Unreadable,
    Unresolved,
    Verdict,
)

__all__ = ["KINDS", "Verdict", "check"]

Check = Callable[[Fields, Fields], str]


def _on_classes_or_graph(classes: Check, graph: Check) -> Check:
    """A kind that is about class embeddings, or with the field `graph` about the points of an augmentation graph."""
    return lambda statement, witness: (graph if "graph" in statement.data else classes)(statement, witness)


KINDS: dict[str, Check] = {
    "averaging-step-refuted": averaging.check,
    "conjecture-holds": downstream.check_holds,
    "conjecture-refuted": _on_classes_or_graph(downstream.check_refuted, augmentation.check_refuted),
    "downstream-loss": _on_classes_or_graph(downstream.check_loss, augmentation.check_loss),
    "etf-optimality": etf_optimality.check,
    "global-optimum": _on_classes_or_graph(global_optimum.check, augmentation.check_minimum),
    "indistinguishability": indistinguishability.check,
}


def check(certificate: str | bytes | dict[str, Any]) -> Verdict:
    """Decide whether the certificate proves its statement; never raises on bad input.

    What nobody foresaw is neither accepted nor rejected: the verdict is then "precision exhausted" with the reason
    `internal error`.
    """
    statement: dict[str, Any] = {}
    try:
        top = Fields("certificate", certificate if isinstance(certificate, dict) else load(certificate))
        top.choice("schema", ["nce-certificate"])
        top.integer("version", 1, 1)
        claim, witness = top.object("statement"), top.object("witness")
        top.done()
        statement = claim.data
        reason = KINDS[claim.choice("kind", list(KINDS))](claim, witness)
        claim.done()
    except Unreadable as stop:
        return Verdict(UNREADABLE, str(stop), statement)
    except Rejected as stop:
        return Verdict(REJECTED, str(stop), statement)
    except Unresolved as stop:
        return Verdict(EXHAUSTED, str(stop), statement)
    except Exception as error:  # RecursionError and MemoryError too
        return Verdict(EXHAUSTED, INTERNAL_ERROR, statement, _fault(error))
    return Verdict(ACCEPTED, reason, statement)


def _fault(error: Exception) -> str:
    """The exception and where it was raised, in one line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" in {PurePath(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"
    return f"{type(error).__name__}{where}"
