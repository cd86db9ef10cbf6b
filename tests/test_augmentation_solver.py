"""The convex program on augmentation graphs: solved, enclosed, and the theorem on collapse confirmed by it."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from experiments.augmentation import blocks, random_graphs
from experiments.augmentation.rows import resumed
from tests.graphs import graphs
from theory import priors
from theory.augmentation.block import downstream_loss, with_overlap
from theory.augmentation.chains import spectral_gaps
from theory.augmentation.families import block, mixed_across
from theory.augmentation.graph import Graph, from_entries
from theory.augmentation.loss import GraphLoss
from theory.errors import InputError
from theory.geometry import normalized
from theory.problem import Problem
from verify import limits
from verify.checker import check
from verify.checker.graph import read_problem, share
from verify.checker.reading import Fields
from verify.graphs import series
from verify.graphs.classifier import best_head
from verify.graphs.collapse import class_level, decide, gap_is_at_least
from verify.graphs.linear import minimize_linear
from verify.graphs.many import minimize
from verify.graphs.means import GraphMeans
from verify.graphs.proof import curvatures, graph_statement, prove_minimum
from verify.graphs.series import Setting, best_rise, settle, within_class_cosines
from verify.graphs.uniform import prove_uniform
from verify.optimize.barrier import Barrier

ONE = Fraction(1)


def damped(graph: Graph, share: Fraction) -> Graph:
    """`(1 - share) Diag(pi) + share W`: all gaps are multiplied by `share`."""
    same = tuple((1 - share) * p + share * s for p, s in zip(graph.marginal, graph.same, strict=True))
    return Graph(graph.counts, same, {pair: share * mass for pair, mass in graph.joint.items()}, graph.labels)


def near_threshold(graph: Graph, loss: str, k: int, temperature: Fraction, factor: float) -> Graph | None:
    """The graph damped until its smallest gap, relative to its class's threshold, is `factor`; None if it cannot be."""
    alphas = class_level(Problem(graph.prior, k, loss=loss, temperature=temperature), exact=False).thresholds
    ratios = [gap / a for gap, a in zip(spectral_gaps(graph), alphas, strict=True) if gap is not None and a > 0]
    if not ratios or min(ratios) <= 0:
        return None
    share = factor / min(ratios)
    return damped(graph, Fraction(share)) if share <= 1 else None


@settings(max_examples=4)
@given(
    graphs(C=3, sizes=(2, 3, 2)),
    st.sampled_from([1, 6, 1024]),
    st.sampled_from([Fraction(1, 2), ONE, Fraction(3)]),
    st.sampled_from([0.9, 0.97, 1.03, 1.1]),
)
def test_spread_is_zero_exactly_above_the_threshold(graph, k, temperature, factor):
    close = near_threshold(graph, "logistic", k, temperature, factor)
    assume(close is not None)
    verdict, _ = decide(close, class_level(Problem(close.prior, k, temperature=temperature)))
    assert verdict == ("proved" if factor > 1 else "refuted")
    # the second route shares no formula with the theorem: the point-level program
    problem = Problem(close, k, temperature=temperature)
    found = Barrier(GraphMeans(problem)).solve()
    assert found.value - found.lower <= 1e-9
    labels = np.array(close.labels)
    cosines = found.means[labels[:, None] == labels]
    assert (np.min(cosines) > 1 - 1e-6) == (factor > 1)


def test_the_theorem_does_not_say_which_classes_spread():
    half, overlaps = Fraction(1, 2), (Fraction(66, 100), Fraction(5, 100))
    away = [half * overlap * Fraction(2, 3) for overlap in overlaps]
    graph = Graph((3, 3), tuple(half - x for x in away), {(g, g): x for g, x in enumerate(away)}, (0, 1))
    level = class_level(Problem(graph.prior, 4))
    assert all(gap < alpha for gap, alpha in zip(spectral_gaps(graph), level.thresholds, strict=True))
    problem = Problem(graph, 4)
    cosines = np.diag(GraphMeans(problem).cosines(Barrier(GraphMeans(problem)).solve().means))
    assert cosines[0] > 1 - 1e-9 and cosines[1] < 0.1


@pytest.mark.parametrize("loss", ["logistic", "exponential", "separable"])
def test_thresholds_of_every_loss_are_confirmed(loss):
    prior = priors.parse("0.5,0.3,0.2")
    alphas = class_level(Problem(prior, 4, loss=loss), exact=False).thresholds
    for factor, word in ((0.98, "refuted"), (1.02, "proved")):
        graph = block(prior, (2, 3, 1), Fraction(max(alphas[:2]) * factor))
        assert decide(graph, class_level(Problem(prior, 4, loss=loss)))[0] == word
        found = Barrier(GraphMeans(Problem(graph, 4, loss=loss))).solve()
        assert (found.means[0, 0] > 1 - 1e-6) == (word == "proved")


def test_two_points_on_a_line_stay_collapsed_below_the_threshold():
    # d = 1: the theorem's necessity needs one dimension more than the rank
    prior, k = priors.uniform(2), 3
    alpha = class_level(Problem(prior, k), exact=False).thresholds[0]
    law = block(prior, 2, Fraction(alpha / 2)).expanded().arrays

    def value(signs):
        G = np.outer(signs, signs).astype(float)
        return GraphLoss("logistic", law, G, k).value

    collapsed = value(np.array([1, 1, -1, -1]))
    others = [value(np.array([1, a, b, c])) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    assert collapsed <= min(others) + 1e-15


@settings(max_examples=3)
@given(graphs(C=2, sizes=(3, 3), crossing=True), st.sampled_from(["logistic", "separable", "exponential", "decoupled"]))
def test_proof_encloses_the_minimum_and_the_minimizer(graph, loss):
    problem = Problem(graph, 5, loss=loss)
    found = Barrier(GraphMeans(problem)).solve()
    proof = prove_minimum(problem, found.means)
    assert float(proof.gap) < 1e-9
    other = minimize(problem)
    assert float(proof.lower) - 1e-12 <= other.value
    assert other.value <= float(proof.upper) + 1e-7
    if proof.radius is not None:
        assert np.all(
            np.abs(other.means - np.array(proof.cosines, dtype=float)) <= np.array(proof.radius, dtype=float) + 1e-3
        )


@settings(max_examples=5)
@given(graphs(C=2, sizes=(2, 3), crossing=True), st.integers(0, 2**32 - 1), st.sampled_from([1, 4, 60]))
def test_curvature_is_a_lower_bound(graph, seed, k):
    rng = np.random.default_rng(seed)
    U, V = (normalized(rng.normal(size=(5, 3))) for _ in range(2))
    for loss in ("logistic", "exponential", "separable"):
        problem = Problem(graph, k, loss=loss)
        M = curvatures(problem)
        ends = U @ U.T, V @ V.T
        delta = ends[1] - ends[0]
        values = [GraphLoss(loss, graph.arrays, ends[0] + t * delta, k).value for t in (0.45, 0.5, 0.55)]
        second = (values[0] - 2 * values[1] + values[2]) / 0.05**2
        for i in range(5):
            for j in range(i):
                assert second >= float(M[i][j]) * delta[i, j] ** 2 * (1 - 1e-2) - 1e-9


@pytest.mark.parametrize("same", [Fraction(0), Fraction(2, 3)])
@pytest.mark.parametrize("counts", [(4, 4), (40, 1), (3, 7)])
def test_curvature_of_groups_is_a_lower_bound(counts, same):
    """What the second derivative is at least where one cosine of groups changes by 1, the others as they please."""
    a, b = Fraction(3, 5), Fraction(2, 5)
    own = tuple(mass if n == 1 else mass * same for mass, n in zip((a, b), counts, strict=True))
    joint = {(g, g): mass - own[g] for g, mass in enumerate((a, b)) if mass > own[g]}
    graph = mixed_across(Graph(counts, own, joint, (0, 1)), Fraction(1, 10))
    free = [np.array([[0.0, 1], [1, 0]])] + [np.diag([float(g == h) for h in (0, 1)]) for g in (0, 1) if counts[g] > 1]
    # at high temperature all weights are nearly equal, and the bound is near to what it bounds
    for k, beta in ((1, Fraction(1, 5)), (2, Fraction(1, 5)), (4, Fraction(1))):
        for loss in ("logistic", "exponential", "separable"):
            problem = Problem(graph, k, loss=loss, temperature=1 / beta)
            M, theirs = curvatures(problem), read_problem(Fields("statement", graph_statement("", problem)))
            rows = GraphLoss(loss, graph.arrays, np.array([[0.3, -0.1], [-0.1, 0.3]]), k, float(beta))
            hessian = np.array([[np.sum(rows.along(x) * y) for y in free] for x in free])
            least = 1 / np.diag(np.linalg.inv(hessian))
            shares = []
            for bound, x in zip(least, free, strict=True):
                g, h = np.argwhere(x)[0].tolist()
                assert 0 < float(beta**2) * float(M[g][h]) <= bound * (1 + 1e-9)
                more = k - 1 if loss == "logistic" else 0
                shares.append(share(theirs.graph, g, h, more) + (share(theirs.graph, h, g, more) if g != h else 0))
                # the checker's, up to a factor of all
                assert float(shares[-1] / shares[0]) == pytest.approx(float(M[g][h] / M[0][1]), rel=1e-12)


@pytest.mark.parametrize(("points", "k"), [(4, 1), (4, 4096), (10**6, 16)])
def test_uniform_graphs_have_one_unknown(points, k):
    graph = block(priors.uniform(5), points, Fraction(1, 20))
    problem = Problem(graph, k)
    proof = prove_uniform(problem)
    found = Barrier(GraphMeans(problem)).solve()
    assert float(proof.lower) <= found.value + 1e-13
    assert found.value <= float(proof.upper) + 1e-13 * max(1, found.value)
    assert GraphMeans(problem).cosines(found.means)[0, 0] == pytest.approx(float(proof.within), abs=1e-7)
    g = with_overlap(5, points, 0.05).cosine("logistic", k)
    assert g == pytest.approx(float(proof.within), abs=1e-11)


@settings(max_examples=5)
@given(graphs(C=3, sizes=(2, 2, 3)), st.fractions(Fraction(1, 10), Fraction(9, 10)))
def test_gaps_are_decided_by_definiteness(graph, a):
    for c, gap in enumerate(spectral_gaps(graph)):
        assert gap_is_at_least(graph, c, a) == (gap >= a) or abs(gap - a) < 1e-12


def test_too_many_points_are_refused_before_their_gaps_are_decided(monkeypatch):
    # two paths: far from collapsed
    edges = {(i, j): ONE for i in range(100) for j in (i, i + 1) if j < 100 and (i, j) != (49, 50)}
    graph = from_entries(edges, [0] * 50 + [1] * 50)
    monkeypatch.setattr(limits, "GRAPH_POINTS", 99)
    monkeypatch.setattr(series, "decide", None)
    with pytest.raises(InputError, match="at most 99 distinct points"):
        settle(Setting(Problem(graph, 4), {"classes": graph.task(graph.labels)}))


def test_the_downstream_loss_has_its_closed_form():
    C, m, overlap, beta = 4, 5, Fraction(1, 10), 2
    graph = block(priors.uniform(C), m, overlap)
    setting = Setting(Problem(graph, 1, temperature=Fraction(1, beta)), {"classes": graph.task(graph.labels)})
    points = [settle(setting.at(k)) for k in (1, 64)]
    for point in points:
        g = float(point.proof.within)
        expected = downstream_loss(C, m, g, -(1 + (m - 1) * g) / ((C - 1) * m), beta)
        bracket = point.tasks["classes"].bracket
        assert float(bracket.lower) - 1e-14 <= expected <= float(bracket.upper) + 1e-14
        assert within_class_cosines(setting, point) == pytest.approx([g] * C, abs=1e-9)
        assert point.collapsed == "refuted"
    first, second, rise = best_rise(points, "classes")
    assert (first, second) == (0, 1) and float(rise) > 1e-3


def test_the_downstream_loss_is_constant_above_the_threshold():
    graph = block(priors.uniform(3), (2, 3, 4), Fraction(7, 10))
    setting = Setting(Problem(graph, 1), {"classes": graph.task(graph.labels)})
    points = [settle(setting.at(k)) for k in (1, 4096)]
    assert [point.collapsed for point in points] == ["proved", "proved"]
    brackets = [point.tasks["classes"].bracket for point in points]
    closed = math.log1p(2 * math.exp(-1.5))
    for bracket in brackets:
        assert bracket.upper - bracket.lower < Fraction(1, 10**20)
        assert float(bracket.lower) == pytest.approx(closed, rel=1e-14)


@settings(max_examples=3)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["logistic", "exponential", "separable"]))
def test_heads_meet_their_dual_bound(seed, loss):
    rng = np.random.default_rng(seed)
    U = normalized(rng.normal(size=(6, 4)))
    masses = rng.dirichlet(np.ones(18)).reshape(6, 3)
    head = best_head(loss, U @ U.T, masses, 1.5)
    assert head.upper - head.lower <= 1e-9
    assert 0 <= head.accuracy <= 1


def test_linear_encoders_are_bracketed_and_lose_against_all():
    graph = mixed_across(block(priors.uniform(2), 3, Fraction(1, 3)), Fraction(1, 20)).expanded()
    features = np.random.default_rng(5).normal(size=(6, 4))
    problem = Problem(graph, 7)
    restricted = minimize_linear(problem, features)
    free = Barrier(GraphMeans(problem)).solve()
    assert restricted.value - restricted.lower <= 1e-9
    assert restricted.lower > free.value
    # of all features the linear encoders are all encoders
    assert minimize_linear(problem, np.eye(6)).value == pytest.approx(free.value, abs=1e-9)


def test_collapsed_cells_restore_the_class_level_problem():
    from theory.augmentation.graph import quotient

    graph = block(priors.parse("0.5,0.3,0.2"), 3, Fraction(1, 10)).expanded()
    cells = quotient(graph, [0] * 3 + [1] * 3 + [2] * 3)
    level = class_level(Problem(graph.prior, 16))
    value = Barrier(GraphMeans(Problem(cells, 16))).solve().value
    assert value == pytest.approx(GraphMeans(level.problem).derivatives(level.gram).value, abs=1e-12)


def test_rows_of_an_experiment_are_made_once_and_damage_is_refused(tmp_path):
    made = []

    def make(seed):
        return made.append(seed) or {"square": seed**2}

    kept = tmp_path / "random.jsonl"
    assert len(resumed(2, make, kept, str)) == 2
    kept.write_bytes(kept.read_bytes()[:-4])  # stopped in the middle of a line
    rows = [{"seed": 0, "square": 0}, {"seed": 1, "square": 1}, {"seed": 2, "square": 4}]
    assert resumed(3, make, kept, str) == rows
    assert resumed(2, make, kept, str) == rows[:2] and made == [0, 1, 1, 2]
    assert resumed(3, make, kept, str, complete=lambda row: row["seed"] != 1) == rows and made == [0, 1, 1, 2, 1]
    for damage in (b"{}\n", b"no JSON\n", b"\xff\n", b"[]\n"):
        kept.write_bytes(b'{"seed": 0}\n' + damage)
        with pytest.raises(InputError, match=r"damaged|JSON"):
            resumed(1, make, kept, str)


@pytest.mark.parametrize("seed", [0, 1, 2, 6])  # of 1,000 the barrier alone left 6 open, by 1.1e-9
def test_a_sample_of_the_random_graphs_near_their_thresholds(seed):
    row = random_graphs.trial(seed)
    assert row["verdict"] in ("proved", "refuted") and row["confirmed"]
    assert row["relative_gap"] <= random_graphs.TOLERANCE and 1e-3 <= abs(row["offset"]) <= 0.1


def test_a_family_of_blocks_rises_below_its_threshold_and_is_constant_above(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "NEGATIVES", (1, 4))
    monkeypatch.setattr(blocks, "CLASSES", (2,))
    monkeypatch.setattr(blocks, "POINTS", (2, 2))
    monkeypatch.setattr(blocks, "TEMPERATURES", (ONE,))
    folder, kept = tmp_path / "kept", tmp_path / "rows.jsonl"
    (family,) = rows = blocks.certified(1, folder, kept, str)
    assert family["verdicts"] == ["accepted"] and family["increases_lower"][0] > 1e-3
    assert family["collapsed"] == ["accepted", "accepted"]
    low, high = family["change_above"]
    assert -1e-20 < low <= 0 <= high < 1e-20
    (file,) = folder.iterdir()
    assert file.name == "block-C2-points2.json" and check(file.read_text()).verdict == "accepted"
    # rows are not made again, but for a certificate that was lost, and one of another family is not taken for it
    monkeypatch.setattr(blocks, "family", lambda C, m, T, file: {"C": C, "points": m, "temperature": "1"})
    assert blocks.certified(1, folder, kept, str) == rows
    file.unlink()
    again = {"seed": 0, "C": 2, "points": 2, "temperature": "1"}
    assert blocks.certified(1, folder, kept, str) == [again]
    kept.write_text(json.dumps(family | {"points": 3}) + "\n")
    assert blocks.certified(1, None, kept, str) == [again]
