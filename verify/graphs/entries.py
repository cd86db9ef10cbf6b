"""What `verify.augmentation` reports of a graph, and of one `k`."""

from __future__ import annotations

from fractions import Fraction

from theory.augmentation.chains import components, spectral_gaps
from theory.augmentation.graph import Graph
from verify.graphs.proof import dimensions
from verify.graphs.series import Point, Setting, within_class_cosines
from verify.graphs.solution import GAP_TOLERANCE
from verify.results import Status, k_as_json, weakest
from verify.results.augmentation import Enclosed, Entry, GraphReport, Sup
from verify.results.digits import round_down, round_up

#: The widest proven bracket of a downstream loss, relative to max(1, loss), that is called proved.
SUP_TOLERANCE = 0.01


def described(solved: Graph, graph: Graph, encoder: str | None) -> GraphReport:
    """What there is to say of the graph that was solved, that of an encoder's cells or the one that was given."""
    if solved.labels is None:
        return GraphReport(solved.points, graph.C, None, None, True, encoder)
    gaps, parts = tuple(spectral_gaps(solved)), tuple(components(solved))
    return GraphReport(solved.points, graph.C, gaps, parts, solved.crosses, encoder)


def entry(setting: Setting, point: Point, d: int | None) -> Entry:
    """One `k`: its numbers with how far they are settled, in `d` dimensions if that is not None."""
    notes = [point.note] if point.note else []
    sup = {}
    # an encoder that joins classes leaves nothing to be asked about collapse
    decided = point.collapsed in ("proved", "refuted") or setting.graph.labels is None
    proved = point.nce is not None and decided
    closed = point.numerical[0] - point.numerical[1] <= GAP_TOLERANCE * max(1.0, abs(point.numerical[0]))
    for name, task in point.tasks.items():
        head, found = task.head, task.bracket
        accuracy = None if head is None else head.accuracy
        if found is not None:
            width = found.upper - found.lower
            sup[name] = Sup(round_down(found.lower), round_up(found.upper), float(width), accuracy)
            proved = proved and width <= Fraction(SUP_TOLERANCE) * max(Fraction(1), found.upper)
        elif head is not None:
            sup[name] = Sup(head.lower, head.upper, head.upper - head.lower, accuracy)
            proved = False
        else:
            sup[name] = Sup(None, None, None, None)
    if point.nce is not None:
        low, high = point.nce
        nce = Enclosed(round_down(low), round_up(high), float(high - low))
    else:
        nce = Enclosed(point.numerical[1], point.numerical[0], point.numerical[0] - point.numerical[1])
    status = Status.PROVED if proved else Status.NUMERICAL if closed else Status.UNDECIDED
    collapsed = point.collapsed
    if d is not None:
        if d < _dimensions_of_theorem(setting, collapsed):
            collapsed, status = "undecided", weakest((status, Status.NUMERICAL))
            notes.append("in so few dimensions nothing is proved of collapse")
        rank = point.representation.rank
        if d < rank:
            # the optimum is attained in its rank; its best classifier needs room beside it
            status, nce = Status.UNDECIDED, Enclosed(nce.lower, None, None)
            sup = dict.fromkeys(sup, Sup(None, None, None, None))
            notes.append(f"d is less than the rank of the optimum found, {rank}: 'lower' is the convex relaxation's")
        elif d == rank:
            status = Status.UNDECIDED
            notes.append("d is the rank of the optimum: 'sup' is that of classifiers in the unit ball")
        elif d < (setting.graph.C if collapsed == "proved" else dimensions(setting.graph)):
            status = weakest((status, Status.NUMERICAL))
            notes.append(f"not proved: the rank of the optimum, {rank}, is that in double precision")
    cosines = tuple(within_class_cosines(setting, point)) if setting.graph.labels is not None else None
    first = next(iter(sup.values()))
    return Entry(
        k_as_json(point.k),
        None if point.level is None else point.level.thresholds,
        collapsed,
        nce,
        cosines,
        sup,
        first.accuracy,
        status,
        "; ".join(notes),
    )


def _dimensions_of_theorem(setting: Setting, collapsed: str) -> int:
    """How many dimensions this decision about collapse takes (`theory.augmentation.thresholds`)."""
    if collapsed not in ("proved", "refuted"):
        return 0
    graph = setting.graph
    # to hold G*, and one more to leave it by; with pairs across classes G* may have full rank
    return graph.C - 1 if collapsed == "proved" else graph.C + graph.crosses
