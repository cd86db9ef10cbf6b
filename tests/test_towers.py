"""Two towers: CLIP's symmetric InfoNCE loss and SigLIP's sigmoid loss, against their definitions and CVXPY."""

import copy
import json
import math
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import priors
from scipy.optimize import minimize_scalar

from tests.statements import tampered
from theory.errors import InputError
from theory.losses import get_loss
from theory.objectives import get_objective
from theory.priors import parse
from theory.problem import Problem
from theory.towers import towers_loss
from verify import conjecture, downstream, etf, optimum
from verify.certify.balls import bounds as ends
from verify.certify.enclosure import Point, enclose
from verify.checker import check as decide
from verify.checker import dual, intervals
from verify.checker.objectives import TWO_TOWERS
from verify.optimize.solution import solve
from verify.optimize.towers import towers_of
from verify.results import Status

SOFTMAX = ["logistic", "decoupled", "exponential", "separable"]
SIGMOIDS = ["sigmoid:-3/2", "sigmoid-no-collisions:2"]


def cosines(C: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of both towers with unit rows, and Z."""
    W = np.random.default_rng(seed).normal(size=(2 * C, 3))
    W /= np.linalg.norm(W, axis=1)[:, None]
    return W, W[:C] @ W[C:].T


def by_tuples(loss: str, rho: np.ndarray, Z: np.ndarray, k: int, beta: float, *, collisions: bool) -> float:
    """CLIP as its definition has it: each side the anchor in turn, one negative after the other."""
    total, C = 0.0, len(rho)
    for seen in (Z, Z.T):
        for c in range(C):
            allowed = [j for j in range(C) if collisions or j != c]
            draws = list(product(allowed, repeat=k))
            weights = [math.prod(rho[j] / rho[allowed].sum() for j in draw) for draw in draws]
            margins = [[beta * (seen[c, c] - seen[c, j]) for j in draw] for draw in draws]
            total += rho[c] / 2 * float(np.dot(weights, get_loss(loss)(np.array(margins))))
    return total


@settings(max_examples=30)
@given(
    prior=priors(3, largest=50),
    k=st.integers(1, 4),
    beta=st.sampled_from([0.5, 1.0, 8.0]),
    loss=st.sampled_from(SOFTMAX),
    law=st.sampled_from(["", "-no-collisions"]),
    seed=st.integers(0, 99),
)
def test_clip_is_the_sum_over_all_tuples(prior: Any, k: int, beta: float, loss: str, law: str, seed: int) -> None:
    _, Z = cosines(3, seed)
    exact = by_tuples(loss, prior.as_array(), Z, k, beta, collisions=not law)
    assert towers_loss(get_objective(f"clip{law}"), loss, k, beta, prior.as_array(), Z) == pytest.approx(
        exact, rel=1e-12, abs=1e-12
    )


@pytest.mark.parametrize("B", [2, 3])
def test_losses_of_batches_have_these_expectations(B: int) -> None:
    """B pairs, iid by class: cross entropies along both axes of the B x B logits, and all B^2 sigmoids over B."""
    rho, beta, bias = np.array([0.5, 0.3, 0.2]), 4.0, -2.0
    _, Z = cosines(3, 5)
    clip = siglip = 0.0
    for batch in product(range(3), repeat=B):
        probability = math.prod(rho[c] for c in batch)
        logits = beta * Z[np.ix_(batch, batch)]
        own = np.diag(logits)
        entropies = [float(np.mean(np.log(np.sum(np.exp(logits), axis=a)) - own)) for a in (0, 1)]
        clip += probability * sum(entropies) / 2
        signs = 2 * np.eye(B) - 1
        siglip += probability * float(np.sum(np.logaddexp(0.0, -signs * (logits + bias)))) / B
    assert towers_loss(get_objective("clip"), "logistic", B - 1, beta, rho, Z) == pytest.approx(clip, rel=1e-13)
    assert towers_loss(get_objective("sigmoid:-2"), "logistic", B - 1, beta, rho, Z) == pytest.approx(siglip, rel=1e-13)


def test_a_batch_of_distinct_pairs_is_the_sigmoid_loss_without_collisions() -> None:
    """All N pairs of a data set at once, one of a class: k = N - 1."""
    N, beta, bias = 5, 3.0, -1.0
    _, Z = cosines(N, 1)
    logits = beta * Z + bias
    direct = float(np.sum(np.logaddexp(0.0, -(2 * np.eye(N) - 1) * logits))) / N
    found = towers_loss(get_objective("sigmoid-no-collisions:-1"), "logistic", N - 1, beta, np.full(N, 1 / N), Z)
    assert found == pytest.approx(direct, rel=1e-13)


@pytest.mark.parametrize("name", ["clip", "clip-no-collisions", *SIGMOIDS])
def test_derivatives_are_differences(name: str) -> None:
    problem, h = Problem(parse("0.5,0.3,0.2"), 7, temperature="1/2", objective=name), 1e-5
    W, _ = cosines(3, 3)
    B, loss = W @ W.T, towers_of(problem)
    change = np.random.default_rng(0).normal(size=B.shape)
    change += change.T
    np.fill_diagonal(change, 0.0)
    at, plus, minus = (loss.derivatives(B + t * change) for t in (0.0, h, -h))
    assert np.sum(at.gradient * change) == pytest.approx((plus.value - minus.value) / (2 * h), rel=1e-8)
    moved = np.einsum("cjl,cl->cj", at.hessian, change)
    np.testing.assert_allclose((moved + moved.T) / 2, (plus.gradient - minus.gradient) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(
    ("name", "loss"), [*(("clip", loss) for loss in SOFTMAX), *((one, "logistic") for one in SIGMOIDS)]
)
def test_both_enclosures_hold_the_loss_and_its_gradient(name: str, loss: str) -> None:
    W, _ = cosines(3, 8)
    rows = [[round(1000 * x) for x in row] for row in W]
    unit = np.array(rows) / np.linalg.norm(rows, axis=1)[:, None]
    problem = Problem(parse("0.5,0.3,0.2"), 5, loss=loss, objective=name)
    float_at = towers_of(problem).derivatives(unit @ unit.T)
    local = enclose(problem, Point(rows), 100)
    assert float(local.loss.mid()) == pytest.approx(float_at.value, rel=1e-13) and float(local.loss.rad()) < 1e-25
    middles = [[float(x.mid()) for x in row] for row in local.gradient]
    np.testing.assert_allclose(middles, float_at.gradient, rtol=1e-11, atol=1e-14)
    stated = {"loss": loss, "k": 5, "temperature": "1/1", "d": 3, **problem.objective.stated()}
    fields = dual.Fields("statement", stated | {"rho": ["1/2", "3/10", "1/5"]})
    checked, _ = dual.read_problem(fields)
    fields.done()
    means = dual.Means(rows, [sum(x * x for x in row) for row in rows], [False] * 6)
    found = dual.enclose_optimum(checked, means, Fraction(1000), 100)
    low, high = intervals.low(found.loss), intervals.high(found.loss)
    ours = ends(local.loss)
    assert low <= ours[1] and ours[0] <= high and high - low < Fraction(1, 10**25)


PROVED = [
    ("clip", "0.5,0.3,0.2", "1"),
    ("sigmoid:-1", "0.5,0.3,0.2", "1/5"),
    ("sigmoid-no-collisions:-3", "uniform", "1/3"),
    pytest.param("clip", "uniform", "1", marks=pytest.mark.slow),
    pytest.param("clip-no-collisions", "0.5,0.3,0.2", "1/5", marks=pytest.mark.slow),
    pytest.param("sigmoid:0", "uniform", "1", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "rho", "temperature"), PROVED)
def test_the_minimum_is_proved_and_its_certificate_cannot_be_bent(
    name: str, rho: str, temperature: str, tmp_path: Path
) -> None:
    path, C = tmp_path / "towers.json", 10 if rho == "uniform" else None
    found = optimum.run(rho, 16, C=C, temperature=temperature, objective=name, certificate=path)
    assert found.status is Status.PROVED and found.nce.gap < 1e-19 and found.certificate == str(path)
    assert found.problem.objective == name and len(found.gram) == 2 * (C or 3)
    certificate = json.loads(path.read_text())
    statement = certificate["statement"]
    assert decide(certificate).verdict == "accepted"
    if C is not None:  # many classes take the checker some seconds a look
        return
    for other in sorted({"nce", *TWO_TOWERS} - {statement["objective"]}):
        bias = {} if ("bias" in statement) == other.startswith("sigmoid") else {"bias": "0/1"}
        assert tampered(certificate, objective=other, **bias) in ("rejected", "unreadable")
    assert tampered(certificate, k=17) == tampered(certificate, upper=statement["lower"]) == "rejected"
    assert tampered(certificate, d=1) == "rejected"
    if "bias" in statement:
        assert tampered(certificate, bias="-1000001/1000000") == "rejected"
        assert tampered(certificate, bias=None) == tampered(certificate, loss="decoupled") == "unreadable"
    gram = [["1/1"] * len(statement["rho"])] * len(statement["rho"])
    assert tampered(certificate, minimizer={"gram": gram, "radius": "2/1"}) in ("rejected", "unreadable")
    worse = copy.deepcopy(certificate)
    worse["witness"]["shift"] = "-1/1000000000000000000000000000000"
    assert decide(worse).verdict == "rejected"
    certificate["witness"]["embeddings"][0][0] = certificate["witness"]["embeddings"][1][0]
    assert decide(certificate).verdict == "rejected"


@pytest.mark.parametrize(
    ("name", "rho"),
    [
        ("clip", "0.5,0.3,0.2"),
        ("sigmoid:-2", "uniform"),
        pytest.param("clip", "uniform", marks=pytest.mark.slow),
        pytest.param("sigmoid:-2", "0.5,0.3,0.2", marks=pytest.mark.slow),
    ],
)
def test_the_minimum_is_that_of_a_conic_solver(name: str, rho: str) -> None:
    """CVXPY with Clarabel on the same problems, at k = 1, where CLIP is a finite sum of its atoms."""
    cp = pytest.importorskip("cvxpy")
    prior = parse(rho, 10 if rho == "uniform" else None).split()
    problem = Problem(prior, 1, temperature="1/3", objective=name)
    found, r, C, beta = solve(problem), prior.as_array(), prior.C, 3.0
    G = cp.Variable((2 * C, 2 * C), symmetric=True)
    Z, pairs = G[:C, C:], np.outer(r, r)
    own = cp.reshape(cp.diag(Z), (C, 1), order="C")
    if name == "clip":
        terms = [cp.multiply(pairs / 2, cp.logistic(beta * (side - own @ np.ones((1, C))))) for side in (Z, Z.T)]
        objective = cp.sum(terms[0]) + cp.sum(terms[1])
    else:
        others = cp.sum(cp.multiply(pairs, cp.logistic(beta * Z - 2.0)))
        objective = r @ cp.logistic(2.0 - beta * cp.diag(Z)) + others
    program = cp.Problem(cp.Minimize(objective), [G >> 0, cp.diag(G) == 1])
    value = program.solve(solver="CLARABEL")  # at its own tolerances, 1e-8
    assert found.lower <= found.value <= found.lower + 1e-12
    assert value == pytest.approx(found.value, abs=3e-8)


@settings(max_examples=8)
@given(
    prior=priors(4, largest=100),
    k=st.sampled_from([1, 16, 256]),
    temperature=st.sampled_from(["1/3", "1", "3"]),
    law=st.sampled_from([("clip", "nce"), ("clip-no-collisions", "no-collisions")]),
)
def test_a_second_tower_does_not_help_clip(prior: Any, k: int, temperature: str, law: tuple[str, str]) -> None:
    """Seen in every problem tried, and not proved: the minimum of two towers, and both its bounds, are those of one."""
    two, one = (solve(Problem(prior.split(), k, temperature=temperature, objective=name)) for name in law)
    assert two.lower - 1e-11 <= one.value <= two.value + 1e-11 and two.value <= one.value + 1e-9


def test_the_table_of_proven_optima_is_what_the_commands_say() -> None:
    """The row of three classes, all digits."""
    text = (Path(__file__).parents[1] / "docs" / "objectives.md").read_text()
    [row] = [line for line in text.splitlines() if line.startswith("| 0.5, 0.3, 0.2 |")]
    found = [optimum.run("0.5,0.3,0.2", 16, objective=one).nce.upper for one in ("clip", "nce", "sigmoid:-1")]
    assert [cell.strip() for cell in row.strip("|").split("|")][1:] == [f"{x:.12f}" for x in found]


def on_the_line(C: int, beta: float, bias: float, r: float) -> tuple[float, float, float]:
    """The loss of the balanced sigmoid problem at `R = (1-r) I + r J`, with the cosines of positives and negatives."""
    own, other = ((C - 2) - (2 * C - 2) * r) / C, (-2 - (C - 2) * r) / C
    loss = np.logaddexp(0.0, -(beta * own + bias)) + (C - 1) * np.logaddexp(0.0, beta * other + bias)
    return float(loss), own, other


@pytest.mark.parametrize("C", [5, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("beta", "bias"), [(0.3, -0.3), (1.0, -1.0), (2.5, -2.5), (3.0, 0.0), (1.0, -4.0)])
def test_equal_classes_lie_on_the_line_from_the_simplex_to_antipodes(C: int, beta: float, bias: float) -> None:
    problem = Problem(
        parse("uniform", C), C - 1, temperature=str(1 / Fraction(str(beta))), objective=f"sigmoid-no-collisions:{bias}"
    )
    found = solve(problem)
    best = minimize_scalar(lambda r: on_the_line(C, beta, bias, r)[0], bounds=(-1 / (C - 1), 1), method="bounded",
                           options={"xatol": 1e-12})  # fmt: skip
    least = min(best.fun, on_the_line(C, beta, bias, -1 / (C - 1))[0], on_the_line(C, beta, bias, 1.0)[0])
    assert found.lower - 1e-12 <= least <= found.value + 1e-10


@pytest.mark.parametrize("C", [5, pytest.param(10, marks=pytest.mark.slow)])
def test_the_thresholds_of_the_phases(C: int) -> None:
    """At bias -beta: the simplex from `(C-1)/C log(C-3)` on, antipodes up to `log((C-2)/2)/2`; derived on the line."""
    simplex, antipodes = (C - 1) / C * math.log(C - 3), math.log((C - 2) / 2) / 2
    for threshold, least, phase in ((simplex, True, -1 / (C - 1)), (antipodes, False, 1.0)):
        for away in (-0.02, 0.02):
            beta = Fraction(round((threshold + away) * 10**6), 10**6)
            problem = Problem(
                parse("uniform", C), C - 1, temperature=1 / beta, objective=f"sigmoid-no-collisions:{-beta}"
            )
            Z = solve(problem).means[:C, C:]
            _, own, other = on_the_line(C, float(beta), -float(beta), phase)
            at_phase = abs(Z[0, 0] - own) + abs(Z[0, 1] - other) < 1e-6
            assert at_phase == ((away > 0) == least)


def test_what_two_towers_do_not_take_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for run in (
        lambda: etf.run(3, 4, objective="clip"),
        lambda: downstream.run("0.5,0.5", 4, objective="sigmoid:0"),
        lambda: conjecture.run("0.5,0.5", (1, 4), objective="clip-no-collisions"),
        lambda: optimum.run("0.5,0.5", 4, objective="sigmoid"),
        lambda: optimum.run("0.5,0.5", 4, objective="sigmoid:x"),
        lambda: optimum.run("0.5,0.5", 4, objective="sigmoid:101"),
    ):
        with pytest.raises(InputError, match="objective: got"):
            run()
    with pytest.raises(InputError, match="loss: got 'hinge'; accepted for clip: logistic, decoupled"):
        optimum.run("0.5,0.5", 4, loss="hinge", objective="clip")
    with pytest.raises(InputError, match="loss: got 'decoupled'; accepted for sigmoid:0: logistic"):
        optimum.run("0.5,0.5", 4, loss="decoupled", objective="sigmoid:0")
    with pytest.raises(InputError, match="k: got 'inf'; accepted for clip: an integer"):
        optimum.run("0.5,0.5", math.inf, objective="clip")
    with pytest.raises(InputError, match="accepted for clip: at most 24 classes"):
        optimum.run("uniform", 4, C=25, objective="clip")
    with pytest.raises(InputError, match="d: got '2'; accepted for clip: at least 3"):
        optimum.run("uniform", 4, C=4, d=2, objective="clip")
    for arguments in (["--objective", "sigmoid:y"], ["--objective", "clip", "--floor"]):
        with pytest.raises(SystemExit) as stopped:
            optimum.main(["--rho", "0.5,0.5", "--k", "3", *arguments])
        assert stopped.value.code == 2
        error = capsys.readouterr().err
        assert "--objective: got" in error and error.count("\n") == 1
