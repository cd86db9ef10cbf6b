"""A page about embeddings: one HTML file with inline SVG, and nothing that is loaded from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from math import isnan, log10
from pathlib import PurePath

from verify.results.digits import interval
from verify.trained.result import Compared, EmbeddingsResult, report, report_compared

#: Colour-blind safe (Okabe and Ito 2008).
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#767676"

#: Of a matrix, its side and the margin with the names of classes; classes wider than `_NAMED` have one.
_SIDE, _MARGIN, _NAMED = 320.0, 24.0, 14.0

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a;
  background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
figure { display: inline-block; margin: 0 1.5rem 1rem 0; vertical-align: top } figcaption { color: #444 }
pre { overflow-x: auto; background: #f6f6f6; padding: 1rem; font-size: .85rem }
svg text { font: 12px system-ui, sans-serif; fill: #1a1a1a }
"""


def page(result: EmbeddingsResult | Compared) -> str:
    """The page of one set of points, or of several compared."""
    if isinstance(result, Compared):
        title, parts = "Trained embeddings, compared", [_over_training(result)]
        text = report_compared(result)
    else:
        title, text = "Trained embeddings beside the certified optimum", report(result)
        parts = [_parts(result), _matrices(result), _classes(result)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{title}</h1>\n{''.join(parts)}<h2>Report</h2>\n<pre>{html.escape(text)}</pre>\n</body>\n</html>\n"
    )


def _parts(result: EmbeddingsResult) -> str:
    """From the minimum to chance: spread, geometry, and the way that has been made."""
    loss = result.loss
    width, left = 640.0, 10.0
    scale = width / max(loss.chance - loss.optimum_lower, loss.excess, 1e-12)
    bars, at = [], left
    for name, value, colour in (("geometry", loss.geometry, _BLUE), ("spread", loss.spread, _ORANGE)):
        size = max(0.0, value) * scale
        bars.append(_bar(at, 20, size, 26, colour, f"{name} {value:.6g}"))
        at += size
    rest = max(0.0, left + (loss.chance - loss.optimum_lower) * scale - at)
    bars.append(_bar(at, 20, rest, 26, "#e4e4e4", f"below chance by {loss.chance - loss.value:.6g}"))
    legend = _legend([("geometry", _BLUE, loss.geometry), ("spread", _ORANGE, loss.spread)], 80)
    ends = (
        f'<text x="{left}" y="14">minimum {loss.optimum_lower:.6g}</text>'
        f'<text x="{left + width}" y="14" text-anchor="end">chance {loss.chance:.6g}</text>'
    )
    caption = (
        f"The loss {loss.value:.8g} is {loss.excess:.4g} above the minimum, which lies in "
        f"{interval(loss.optimum_lower, loss.optimum_upper)}: {100 * loss.share:.2f} % of the way from chance."
    )
    return f"<h2>Where the loss stands</h2>\n{_figure(660, 110, [ends, *bars, *legend], caption)}"


def _matrices(result: EmbeddingsResult) -> str:
    limit = _limit(result.cosines.found, result.cosines.optimal)
    found = _heat(result.cosines.found, limit)
    optimal = _heat(result.cosines.optimal, limit)
    side = _MARGIN + _SIDE
    off = "undefined" if result.cosines.max_error is None else f"{result.cosines.max_error:.4f}"
    return (
        "<h2>Cosines between class means</h2>\n"
        + _figure(side, side, found, f"These points; largest error {off}.")
        + _figure(side, side, optimal, "The optimum for this prior, k and temperature.")
        + _figure(340, 36, _scale(limit), "Cosine of two classes; the diagonal is 1.")
    )


def _classes(result: EmbeddingsResult) -> str:
    spread, counts = result.collapse.spread, result.points_by_class
    width, height = 640.0, 120.0
    step = width / len(spread)
    top = max(*spread, 1e-12)
    bars = [
        _bar(10 + i * step, 10 + height * (1 - max(0.0, s) / top), max(0.5, step * 0.9), height * max(0.0, s) / top,
             _ORANGE, f"class {i}: {s:.4g} ({n} points)")
        for i, (s, n) in enumerate(zip(spread, counts, strict=True))
    ]  # fmt: skip
    names = [_name(c, 10 + (c + 0.45) * step, 145, "middle") for c in range(len(spread))] if step > _NAMED else []
    caption = (
        f"Spread of each class, 1 - |mu|^2: the mean squared distance from the class mean, up to {top:.4g}. "
        f"NC1 {_value(result.collapse.nc1)}."
    )
    return f"<h2>Spread within the classes</h2>\n{_figure(660, 150, [*bars, *names], caption)}"


def _over_training(result: Compared) -> str:
    """Spread and geometry over the files, on a logarithmic axis."""
    width, height, left, top = 560.0, 240.0, 70.0, 15.0
    names = ("spread", "geometry")
    series = {name: [float(str(row[name])) for row in result.series] for name in names}
    positive = [v for values in series.values() for v in values if v > 0] or [1.0]
    low, high = min(positive), max(positive)
    high = high if high > low else low * 10

    def y(value: int | float) -> float:
        return top + height * (1 - (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low)))

    n = len(result.series)
    marks = []
    for name, colour in zip(names, (_ORANGE, _BLUE), strict=True):
        places = [(left + width * (i / max(1, n - 1)), y(v)) for i, v in enumerate(series[name])]
        path = " ".join(f"{x:.1f},{v:.1f}" for x, v in places)
        marks.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for (x, v), row, value in zip(places, result.series, series[name], strict=True):
            title = html.escape(f"{row['file']}: {name} {value:.6g}")
            marks.append(f'<circle cx="{x:.1f}" cy="{v:.1f}" r="3.5" fill="{colour}"><title>{title}</title></circle>')
    axis = [f'<text x="{left - 8}" y="{y(end) + 4:.1f}" text-anchor="end">{end:.2g}</text>' for end in (low, high)] + [
        f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="{_GREY}"/>'
    ]
    files = [html.escape(PurePath(str(row["file"])).name) for row in (result.series[0], result.series[-1])]
    for x, anchor, name in zip((left, left + width), ("start", "end"), files[: min(n, 2)], strict=False):
        axis.append(f'<text x="{x}" y="{top + height + 18}" text-anchor="{anchor}">{name}</text>')
    legend = _legend([("spread", _ORANGE, None), ("geometry", _BLUE, None)], top + height + 48)
    caption = "The two parts of what the loss is above the minimum, logarithmic; values at or below 0 at the bottom."
    return _figure(660, 310, [*axis, *marks, *legend], caption)


def _limit(*matrices: Sequence[Sequence[float | None]]) -> float:
    """The largest modulus off the diagonals: the end of the colours, so that small differences are seen."""
    known = [abs(v) for matrix in matrices for i, row in enumerate(matrix) for j, v in enumerate(row)
             if i != j and v is not None and not isnan(v)]  # fmt: skip
    return min(1.0, max([1e-3, *known]))


def _heat(matrix: Sequence[Sequence[float | None]], limit: int | float) -> list[str]:
    step = _SIDE / len(matrix)
    cells = []
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            colour = "#fff" if value is None or isnan(value) else "#444" if i == j else _colour(value / limit)
            cells.append(_bar(_MARGIN + j * step, _MARGIN + i * step, step, step, colour, f"{i}, {j}: {_value(value)}"))
        if step > _NAMED:
            middle = _MARGIN + (i + 0.5) * step
            cells += [_name(i, middle, _MARGIN - 6, "middle"), _name(i, _MARGIN - 6, middle + 4, "end")]
    return cells


def _name(c: int, x: int | float, y: int | float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{c}</text>'


def _colour(share: int | float) -> str:
    """From orange at -1 over white to blue at 1."""
    end = (0x00, 0x72, 0xB2) if share >= 0 else (0xD5, 0x5E, 0x00)
    return "#" + "".join(f"{round(255 + min(1.0, abs(share)) * (part - 255)):02x}" for part in end)


def _scale(limit: int | float) -> list[str]:
    parts = [_bar(10 + 6.4 * i, 0, 6.5, 16, _colour(-1 + 2 * i / 49), "") for i in range(50)]
    return parts + [
        f'<text x="{x}" y="32" text-anchor="{anchor}">{text}</text>'
        for x, anchor, text in ((10, "start", f"{-limit:.3g}"), (170, "middle", "0"), (330, "end", f"{limit:.3g}"))
    ]


def _legend(entries: Iterable[tuple[str, str, float | None]], y: int | float) -> list[str]:
    made, x = [], 10.0
    for name, colour, value in entries:
        text = name if value is None else f"{name} {value:.4g}"
        made.append(_bar(x, y - 11, 12, 12, colour, "") + f'<text x="{x + 18}" y="{y}">{text}</text>')
        x += 170
    return made


def _bar(x: int | float, y: int | float, width: int | float, height: int | float, colour: str, title: str) -> str:
    inner = f"<title>{html.escape(title)}</title>" if title else ""
    return f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{colour}">{inner}</rect>'


def _figure(width: int | float, height: int | float, parts: Iterable[str], caption: str) -> str:
    text = html.escape(caption)
    return (
        f'<figure><svg role="img" aria-label="{text}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}">{"".join(parts)}</svg><figcaption>{text}</figcaption></figure>\n'
    )


def _value(value: int | float | None) -> str:
    return "none" if value is None else f"{value:.4g}"
