"""Augmentation graphs: exact laws, families, files, chains and their gaps."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.graphs import graphs, overlaps, weights_of
from theory import priors
from theory.augmentation import chains
from theory.augmentation.families import block, hierarchy, mixed_across, nearest_neighbours
from theory.augmentation.graph import Graph, cell_task, from_pairs, quotient
from theory.errors import InputError
from verify.graphs.files import read_graph, read_tasks

LABELS = np.array([0, 0, 1, 1])
PAIRS = np.array([[3.0, 1.0, 0, 0], [1.0, 2.0, 0, 0], [0, 0, 1.0, 0.1], [0, 0, 0.1, 2.0]])


def test_doubles_are_read_exactly_and_divided_by_their_exact_sum():
    graph = from_pairs(PAIRS, LABELS)
    total = sum(Fraction(x) for x in PAIRS.ravel().tolist())
    assert graph.joint[2, 3] == Fraction(0.1) / total
    assert sum(graph.marginal) == 1
    assert graph.prior.rho[0] == Fraction(7) / total
    assert np.allclose(weights_of(graph), PAIRS / PAIRS.sum(), rtol=1e-15)


@pytest.mark.parametrize(
    ("change", "labels", "says"),
    [
        (lambda W: W.__setitem__((0, 1), 2.0), LABELS, "symmetric"),
        (lambda W: (W.__setitem__((0, 1), -1.0), W.__setitem__((1, 0), -1.0)), LABELS, ">= 0"),
        (lambda W: W.__setitem__((0, 0), np.nan), LABELS, "finite"),
        (lambda W: W.__imul__(0.0), LABELS, "not all 0"),
        (lambda W: W.__setitem__((slice(2), slice(None)), 0.0) or W.__setitem__((slice(None), slice(2)), 0.0), LABELS,
         "positive mass"),
        (lambda W: None, np.array([0, 0, 2, 2]), "class 1"),
        (lambda W: None, np.array([0, 0, 1]), "label"),
        (lambda W: None, np.array([0, 0, 0, 0]), "at least 2"),
        (lambda W: None, np.array([0, 0, -1, 1]), "from 0"),
    ],
)  # fmt: skip
def test_bad_graphs_are_refused_with_the_fault_named(change, labels, says):
    W = PAIRS.copy()
    change(W)
    with pytest.raises(InputError, match=says):
        from_pairs(W, labels)


@given(overlaps, st.integers(2, 9), st.sampled_from(["1/2,1/2", "0.5,0.3,0.2"]))
def test_the_gap_of_a_block_is_the_overlap(overlap, points, rho):
    graph = block(priors.parse(rho), points, overlap)
    assert all(1 - chains.mates_rate(graph, g) == overlap for g in range(graph.C))
    assert chains.spectral_gaps(graph.expanded()) == pytest.approx([float(overlap)] * graph.C, abs=1e-12)
    assert graph.class_masses == priors.parse(rho).rho


@given(graphs(C=3, sizes=(2, 3, 4)))
def test_gaps_are_those_of_the_transition_matrices(graph):
    W = weights_of(graph)
    for c, gap in enumerate(chains.spectral_gaps(graph)):
        groups = chains.members(graph, c)
        P = W[np.ix_(groups, groups)] / W[groups].sum(axis=1, keepdims=True)
        eigenvalues = np.sort(np.linalg.eigvals(P).real)
        assert eigenvalues[-1] == pytest.approx(1, abs=1e-12)
        assert gap == pytest.approx(1 - eigenvalues[-2], abs=1e-7)
        assert (gap < 1e-9) == (chains.components(graph)[c] > 1)
        for offset, definite in ((-1e-6, True), (1e-6, False)):
            N = np.array([[float(x) for x in row] for row in chains.gap_matrix(graph, c, Fraction(gap + offset))])
            assert (np.linalg.eigvalsh(N)[0] > 0) == definite


def test_a_class_without_overlap_falls_apart():
    graph = block(priors.uniform(2), 3, Fraction(0))
    assert chains.components(graph) == [3, 3]
    # a mass of 0 joins nothing
    listed = Graph(graph.counts, graph.same, {**graph.joint, (0, 0): Fraction(0)}, graph.labels)
    assert chains.components(listed) == [3, 3]
    assert chains.spectral_gaps(graph) == [0.0, 0.0]


@given(graphs(C=2, sizes=(2, 3)), st.integers(0, 2**32 - 1))
def test_a_quotient_adds_up_the_masses(graph, seed):
    cells = np.random.default_rng(seed).integers(0, 3, size=5)
    cells[:3] = [0, 1, 2]
    seen = quotient(graph, cells.tolist())
    indicator = (cells[:, None] == np.arange(3)).astype(float)
    assert weights_of(seen) == pytest.approx(indicator.T @ weights_of(graph) @ indicator, abs=1e-15)
    task = cell_task(graph, cells.tolist(), graph.labels)
    assert tuple(map(sum, task)) == seen.marginal


def test_mixing_across_classes_is_the_mixture():
    graph = block(priors.parse("0.6,0.4"), (2, 3), Fraction(1, 3))
    mixed = mixed_across(graph, Fraction(1, 10))
    W, pi = weights_of(graph), weights_of(graph).sum(axis=1)
    assert weights_of(mixed) == pytest.approx(0.9 * W + 0.1 * np.outer(pi, pi), abs=1e-16)
    assert mixed.crosses and not graph.crosses


def test_a_hierarchy_has_the_three_rates():
    graph, coarse, fine = hierarchy(2, 3, 4, Fraction(1, 2), Fraction(1, 5))
    W = weights_of(graph) * 24
    assert W[0, 0] == pytest.approx(0.3 + 0.5 / 4 + 0.2 / 12)
    assert W[0, 1] == pytest.approx(0.5 / 4 + 0.2 / 12)
    assert W[0, 4] == pytest.approx(0.2 / 12)
    assert W[0, 12] == 0
    assert chains.spectral_gaps(graph) == pytest.approx([0.2, 0.2])
    assert len(set(coarse)) == 2 and len(set(fine)) == 6


def test_nearest_neighbours_are_symmetric_and_exact():
    rng = np.random.default_rng(3)
    features, labels = rng.normal(size=(20, 3)), np.repeat([0, 1], 10)
    graph = nearest_neighbours(features, labels, 4)
    distances = np.linalg.norm(features[:, None] - features, axis=2)
    for i, j in graph.joint:
        closer = [np.sum(distances[a] < distances[a, b]) for a, b in ((i, j), (j, i))]
        assert min(closer) <= 4
    assert sum(graph.marginal) == 1


def test_files(tmp_path):
    path = tmp_path / "graph.npz"
    np.savez(path, pairs=PAIRS, labels=LABELS)
    graph = read_graph(path)
    edges = np.argwhere(np.triu(PAIRS))
    np.savez(path, edges=edges[:, ::-1], weights=PAIRS[edges[:, 0], edges[:, 1]], labels=LABELS)
    assert read_graph(path) == graph
    np.savez(
        path, transition=np.array([[0.5, 0.5], [0.25, 0.75]]), marginal=np.array([1.0, 2.0]), labels=np.array([0, 1])
    )
    assert read_graph(path).joint == {(0, 1): Fraction(1, 6)}
    np.savez(
        path, transition=np.array([[0.5, 0.5], [0.5, 0.5]]), marginal=np.array([1.0, 2.0]), labels=np.array([0, 1])
    )
    with pytest.raises(InputError, match="exactly"):
        read_graph(path)
    path.write_bytes(b"not a zip file")
    with pytest.raises(InputError, match="npz"):
        read_graph(path)
    np.savez(path, fine=np.arange(4), coarse=LABELS)
    assert read_tasks(path, 4)["coarse"] == (0, 0, 1, 1)
    with pytest.raises(InputError, match="one label"):
        read_tasks(path, 5)


@settings(max_examples=5)
@given(overlaps)
def test_expanded_groups_have_the_same_law(overlap):
    graph = block(priors.parse("0.7,0.3"), (1, 3), overlap)
    points = graph.expanded()
    assert points.points == graph.points == 4
    assert points.marginal[0] == graph.marginal[0]
    assert sum(points.marginal[1:]) == graph.marginal[1]
    assert isinstance(points, Graph) and points.class_masses == graph.class_masses
