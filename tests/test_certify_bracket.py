"""Brackets without polishing: the factor that shows definiteness, and proofs for many classes."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from problems import priors

from theory.errors import InputError
from theory.priors import parse
from theory.problem import Problem
from verify import optimum
from verify.certify import bracket, prove_bracket, prove_optimum
from verify.certify.balls import ball
from verify.certify.definite import is_positive_definite, least_shift
from verify.checker import check, definite
from verify.optimize.search import minimum
from verify.optimize.starts import Start


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 7),
    seed=st.integers(0, 10**6),
    skew=st.sampled_from([0, 3, 8]),
    least=st.sampled_from([-1.0, -1e-9, 0.0, 0.5]),
    radius=st.sampled_from([0.0, 1e-14]),
)
def test_the_shift_makes_every_matrix_in_the_balls_definite(
    n: int, seed: int, skew: int, least: float, radius: float
) -> None:
    rng = np.random.default_rng(seed)
    diagonal = [Fraction(float(10 ** (-skew * x))) for x in rng.random(n)]
    roots = np.sqrt([float(m) for m in diagonal])
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    values = np.concatenate([[least], least + rng.random(n - 1)])
    S = (Q * values) @ Q.T * np.outer(roots, roots)
    S = (S + S.T) / 2
    with ctx.workprec(120):
        matrix = [[arb(S[i, j], radius * roots[i] * roots[j]) for j in range(n)] for i in range(n)]
        shift = least_shift(matrix, diagonal)
        assert shift is not None
        assert shift >= 0
        # near the least: the eigenvalue with its doubling, rounding, and the radius in each entry
        assert float(shift) <= 2 * max(0.0, -least) + 1e-12 + 2 * n * radius
        slack = [list(row) for row in matrix]
        for i in range(n):
            slack[i][i] += ball((shift + Fraction(1, 10**13)) * diagonal[i]) + 2 * n * radius * float(diagonal[i])
        assert is_positive_definite(slack)
        drawn = S + radius * np.sign(rng.normal(size=(n, n))) * np.outer(roots, roots)
        drawn = (np.triu(drawn) + np.triu(drawn, 1).T) / np.outer(roots, roots)
        assert np.linalg.eigvalsh(drawn)[0] + float(shift) > -1e-13


def bound(U: Float[np.ndarray, "C d"]) -> Start:
    """Classes one by one."""
    return Start(U, np.zeros(len(U), dtype=bool))


def test_what_is_not_a_number_has_no_factor() -> None:
    with ctx.workprec(64), pytest.raises(ValueError, match="infs or NaNs"):
        least_shift([[arb("nan")]], [Fraction(1)])


@settings(max_examples=12, deadline=None)
@given(
    prior=st.sampled_from([3, 4, 6]).flatmap(priors),
    k=st.sampled_from([1, 16, 4096]),
    loss=st.sampled_from(["logistic", "exponential", "separable", "decoupled"]),
)
def test_the_bracket_holds_the_polished_one(prior, k, loss):  # type: ignore[no-untyped-def]
    problem = Problem(prior, k, loss=loss)
    found = minimum(*problem.numbers)
    wide = prove_bracket(problem, bound(found.best.embeddings))
    fine = prove_optimum(problem, found.best.embeddings)
    if fine.status != "proved" or wide.status != "proved":
        assert wide.reason
        return
    assert wide.lower is not None and wide.upper is not None and fine.lower is not None and fine.upper is not None
    assert wide.lower <= fine.upper
    assert fine.lower <= wide.upper
    assert wide.upper - wide.lower <= 1e-9 * max(Fraction(1), wide.upper)
    for eliminated in (256, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(definite, "ELIMINATED", eliminated)
            verdict = check(wide.certificate())
        assert verdict.verdict == "accepted", verdict.reason


def test_a_point_that_is_not_the_minimum_is_undecided() -> None:
    prior, rng = parse("zipf:1", 12), np.random.default_rng(0)
    U = rng.normal(size=(12, 12))
    proof = prove_bracket(Problem(prior, 16), bound(U / np.linalg.norm(U, axis=1)[:, None]))
    assert (proof.status, proof.lower, proof.upper) == ("undecided", None, None)
    assert "leaves an interval of width" in proof.reason


def test_what_has_no_bracket_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, U = parse("0.5,0.3,0.2"), bound(np.eye(3))
    assert "no proof for the loss 'hinge'" in prove_bracket(Problem(prior, 3, loss="hinge"), U).reason
    with pytest.raises(InputError, match="d >= C-1"):
        prove_bracket(Problem(parse("0.4,0.3,0.2,0.1"), 3, 2), bound(np.eye(4)))
    with pytest.raises(InputError, match="integer k"):
        prove_bracket(Problem(prior, 2.5), U)
    monkeypatch.setattr("verify.limits.BRACKETED_CLASSES", 2)
    assert "at most 2 distinct classes" in prove_bracket(Problem(prior, 3), U).reason


def test_more_classes_than_are_polished_are_proved(tmp_path, capsys, monkeypatch):  # type: ignore[no-untyped-def]
    for limit in ("verify.limits.POLISHED_CLASSES", "verify.limits.BARRIER_GROUPS"):
        monkeypatch.setattr(limit, 10)
    path = tmp_path / "c.json"
    with pytest.raises(SystemExit) as stopped:
        optimum.main(["--rho", "zipf:1", "--C", "20", "--k", "4096", "--json", "--certificate", str(path)])
    result = json.loads(capsys.readouterr().out)
    assert (stopped.value.code, result["status"], result["gram_radius"]) == (0, "proved", None)
    assert 0 < result["nce"]["gap"] < 1e-9
    assert result["nce"]["lower"] <= result["nce"]["found"] <= result["nce"]["upper"]
    assert result["certificate"] == str(path)
    document = json.loads(path.read_text())
    assert check(document).verdict == "accepted"
    # the shift is not more than is needed by orders of magnitude
    p, q = map(int, document["witness"]["shift"].split("/"))
    document["witness"]["shift"] = f"{p}/{q << 12}"
    assert check(document).verdict != "accepted"


def test_too_many_classes_for_the_checker_are_proved_without_a_certificate(monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.setattr(bracket, "CHECKED", 3)
    prior = parse("zipf:1", 5)
    problem = Problem(prior, 16)
    proof = prove_bracket(problem, bound(minimum(*problem.numbers).best.embeddings))
    assert (proof.status, proof.point) == ("proved", None)
    with pytest.raises(ValueError, match="nothing was proven"):
        proof.certificate()


@pytest.mark.slow
@pytest.mark.parametrize("C", [300, 1000])
def test_distinct_classes_are_proved_by_the_thousand(C: int, tmp_path: Path) -> None:
    result = optimum.run("zipf:1", 4096, C=C, certificate=tmp_path / "c.json")
    assert (result.status.value, result.certificate) == ("proved", str(tmp_path / "c.json"))
    assert result.rank == C - 1
    assert result.nce.gap is not None
    assert 0 < result.nce.gap < 1e-9
