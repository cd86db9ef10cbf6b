"""What a reader sees of a figure."""

import itertools


def assert_readable(figure, monkeypatch):
    """No text is cut or overlaps another, axes are named, and the width is that of a column or of the page."""
    found = _texts(figure, monkeypatch)
    assert figure.get_figwidth() in (3.3, 6.9)
    assert len(found) > 5
    for text, box in found:
        inside = min(box.x0, box.y0) >= -0.5 and box.x1 <= figure.bbox.x1 + 0.5 and box.y1 <= figure.bbox.y1 + 0.5
        assert inside, f"'{text}' is cut"
    for (one, a), (other, b) in itertools.combinations(found, 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        assert not overlap, f"'{one}' overlaps '{other}'"
    for axes in figure.axes:
        if axes.axison and axes.lines:
            columns, rows = (
                shared.get_siblings(axes) for shared in (axes.get_shared_x_axes(), axes.get_shared_y_axes())
            )
            assert figure.get_supxlabel() or any(other.get_xlabel() for other in columns)
            assert figure.get_supylabel() or any(other.get_ylabel() for other in rows)


def _texts(figure, monkeypatch):
    """Every text that is drawn, with its box in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn, draw = [], Text.draw

    def recorded(text, renderer):
        drawn.append(text)
        draw(text, renderer)

    monkeypatch.setattr(Text, "draw", recorded)
    figure.draw(renderer)
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in drawn if text.get_text().strip()]
    return [(text, box) for text, box in boxes if box.width > 0]
