"""The search over priors: deterministic, resumable, and every committed finding checked again."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.unbalanced import command
from experiments.unbalanced.evolution import Evaluation, Problem, evaluate, largest_rise, propose
from experiments.unbalanced.prove import prove, rational_prior
from experiments.unbalanced.search import Hit, search
from theory.losses import get_loss
from verify import checker

LOGISTIC = get_loss("logistic")
SMALL = Problem(LOGISTIC, (1, 1, 1), "weighted", "optimal", ks=(1, 4096))
TABLE = json.loads((command.FINDINGS / "table.json").read_text())
CERTIFICATES = [f["certificate"] for s in TABLE["searches"] for f in s["findings"]]


@given(st.lists(st.integers(0, 9), min_size=2, max_size=7))
def test_largest_rise_is_the_largest_over_all_pairs(values):
    ks = list(range(1, len(values) + 1))
    rise, pair = largest_rise(np.array([values], dtype=float), ks)
    best = max(values[j] - values[i] for j in range(len(values)) for i in range(j))
    assert rise[0] == best
    k1, k2 = pair[0]
    assert k1 < k2
    assert values[k2 - 1] - values[k1 - 1] == best


def test_proposals_start_uniform_and_then_follow_the_best():
    nothing = np.zeros((0, 3)), np.zeros(0), np.zeros(0)
    first = propose(SMALL, (0, 0, 0), *nothing)
    np.testing.assert_array_equal(first, propose(SMALL, (0, 0, 0), *nothing))
    assert not np.array_equal(first, propose(SMALL, (1, 0, 0), *nothing))
    np.testing.assert_allclose(first.sum(axis=1), 1)
    rises = np.where(np.arange(len(first)) == 5, 1e-5, -1e-6)
    later = propose(SMALL, (0, 0, 9), first, rises, rises)
    near = np.median(np.abs(np.log(later) - np.log(first[5])))
    assert near < np.median(np.abs(np.log(propose(SMALL, (0, 0, 1), first, rises, rises)) - np.log(first[5])))
    np.testing.assert_allclose(later.sum(axis=1), 1)


def test_search_resumes_as_if_never_stopped(tmp_path, monkeypatch):
    # a stand-in for the optimizer: what is tested is the bookkeeping
    def quick(problem, shares):
        value = shares[:, 0] - shares[:, 1]
        return Evaluation(value, np.tile([1, 4096], (len(shares), 1)), value)

    monkeypatch.setattr("experiments.unbalanced.search.evaluate", quick)
    clock = iter(np.arange(0, 10**4, 1.0))
    monkeypatch.setattr("experiments.unbalanced.search.time.monotonic", lambda: next(clock))
    whole = search(SMALL, tmp_path / "whole", minutes=1.5, seed=3, quiet=True)
    search(SMALL, tmp_path / "parts", minutes=0.6, seed=3, quiet=True)
    with (tmp_path / "parts").open("a") as file:
        file.write('{"shares": [[0.1')  # killed in the middle of a line
    parts = search(SMALL, tmp_path / "parts", minutes=0.9, seed=3, quiet=True)
    n = min(whole.priors, parts.priors)
    lines = [
        [json.loads(line).get("shares") for line in (tmp_path / name).read_text().splitlines()[1 : n // 64]]
        for name in ("whole", "parts")
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) > 15
    with pytest.raises(ValueError, match="another search"):
        search(SMALL, tmp_path / "whole", minutes=0, seed=4, quiet=True)


def test_evaluation_finds_the_known_rise_and_a_proof_follows(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.unbalanced.prove._KS", (1, 4096))
    shares = np.array([[0.8635, 0.1346, 0.0019], [0.5, 0.3, 0.2]])
    found = evaluate(SMALL, shares)
    assert found.rises[0] == pytest.approx(4.7213e-5, rel=1e-3)
    assert found.rises[-1] < 0
    assert found.guides[0] > 5e-3
    hit = Hit(tuple(shares[0]), 1, 4096, float(found.rises[0]), 0)
    proven = prove(SMALL, hit, tmp_path / "c.json")
    assert proven.increase_lower >= 4.7e-5
    assert checker.check(json.loads((tmp_path / "c.json").read_text())).verdict == "accepted"
    assert prove(SMALL, Hit(tuple(shares[1]), 1, 4096, 1.0, 0)) is None


@given(st.lists(st.floats(1e-6, 1), min_size=3, max_size=3))
def test_rational_priors_are_near(shares):
    total = sum(shares)
    problem = Problem(LOGISTIC, (1, 2, 3), "weighted", "optimal")
    prior = rational_prior(problem, tuple(s / total for s in shares))
    assert sum(prior.rho) == 1
    exact = sorted(s / total / n for s, n in zip(shares, (1, 2, 3), strict=True))
    assert sorted(float(m) for m in prior.masses) == pytest.approx(exact, abs=3e-6)


@pytest.mark.parametrize("name", CERTIFICATES)
def test_committed_certificates_are_accepted_and_say_what_the_table_says(name):
    certificate = json.loads((command.FINDINGS / name).read_text())
    finding = next(f for s in TABLE["searches"] for f in s["findings"] if f["certificate"] == name)
    statement = certificate["statement"]
    assert statement["rho"] == finding["rho"]
    assert [p["k"] for p in statement["points"]] == [finding["k1"], finding["k2"]]
    p, q = map(int, statement["increase"].split("/"))
    assert p / q >= finding["increase_lower"]
    assert checker.check(certificate).verdict == "accepted"


def test_show_prints_the_table(capsys):
    with pytest.raises(SystemExit) as stop:
        command.show_main([])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"{f['increase_lower']:.6g}" in printed for s in TABLE["searches"] for f in s["findings"])
