"""Results as a readable table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.benchmarks.run import Results


def table(results: Results) -> str:
    """One block for each suite and kind."""
    machine = results.machine
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; {machine['system']}"]
    for suite, kind in dict.fromkeys((r["suite"], r["kind"]) for r in results.records):
        last = f"{'gap':>9}" if kind == "solve" else f"{'error':>9} {'products':>9} {'ratio':>6}"
        lines += ["", f"{suite} ({kind})"]
        names = f"{'method':15} {'C':>8} {'k':>8} {'d':>8} {'first':>9} {'median':>9} {'spread':>9} {'MB':>7}"
        lines.append(f"  {names} {last}")
        for r in results.records:
            if (r["suite"], r["kind"]) == (suite, kind):
                lines.append(_row(r))
    if results.speedup is not None:
        s = results.speedup
        lines += [
            "",
            f"C = 10, k = 64 in {s['our_seconds']:.3g} s; CVXPY and Clarabel at C = 4, k = {s['clarabel_k']} "
            f"{s['clarabel_seconds']:.3g} s: {s['ratio']:.0f} times as long",
        ]
    return "\n".join(lines)


def _row(r: Record) -> str:
    start = f"  {r['method']:15} {r['C']:>8} {r['k']:>8} {r['d']:>8}"
    if r["status"] != "done":
        return f"{start} {r['status']}: {r['note']}"
    seconds = r["seconds"]
    half = (seconds["high"] - seconds["low"]) / 2
    row = f"{start} {r['first_seconds']:9.3g} {seconds['median']:9.3g} {half:9.1g} {r['peak_mb']:7.0f}"
    if r["kind"] == "solve":
        return f"{row} {r['gap']:9.1e}"
    if "products_seconds" not in r:
        return f"{row} {r['error']:9.1e}"
    products = r["products_seconds"]["median"]
    return f"{row} {r['error']:9.1e} {products:9.3g} {seconds['median'] / products:6.2f}"
