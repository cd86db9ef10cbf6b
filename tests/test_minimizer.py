"""One path to the minimizer: for rare classes too one value from every command, and an estimate above its error."""

import math
from fractions import Fraction

import numpy as np
import pytest

from experiments.certificates.rare_classes import compare, draw, examine
from theory import priors
from theory.losses import get_loss
from theory.priors import Prior
from theory.problem import Problem
from verify import bounds, conjecture, downstream
from verify.optimize.graded import _System, polish
from verify.optimize.means import GroupedLoss
from verify.optimize.newton import derivatives
from verify.optimize.probing import polish_and_probe
from verify.optimize.search import minimum
from verify.optimize.solution import minimize, solve
from verify.supervised.estimate import _around, slope_bound
from verify.supervised.head import GroupedHead

RARE = "0.852458,0.147236,0.000237,0.000069"
TRUTH = {16: 0.844255898168464, 4096: 0.829195015511759, 10**6: 0.82905845241902}


def test_two_rare_classes_have_one_downstream_loss_whatever_is_asked() -> None:
    """Once 0.8317 at k = 4096, and other values with other k in the list."""
    for ks in ((4096,), (16, 4096, 10**6)):
        for entry in conjecture.run(RARE, ks, weighting="balanced").series:
            assert entry.sup == pytest.approx(TRUTH[entry.k], abs=1e-14)
            assert entry.sup_lower <= entry.sup_upper and entry.sup_gap <= 1e-14
    assert downstream.run(RARE, 4096, weighting="balanced").sup.upper == pytest.approx(TRUTH[4096], abs=1e-14)
    weighted = downstream.run(RARE, 4096).sup
    assert bounds.run(RARE, 4096).exact.sup == pytest.approx(weighted.upper, abs=1e-14)


def test_where_nothing_is_enclosed_an_estimate_stands_or_nothing() -> None:
    limit = conjecture.run(RARE, (10**6, math.inf), weighting="balanced").series
    assert limit[1].sup_lower is None and 0 < limit[1].sup_error < 1e-11
    assert 0 < limit[0].sup - limit[1].sup < 1e-6
    flat = downstream.run("0.5,0.3,0.2", 1, loss="decoupled")  # linear in e^G: the minimizer need not be one
    assert flat.sup is None and flat.accuracy is None and flat.status.value == "undecided"
    hinge = downstream.run("0.5,0.3,0.2", 4, loss="hinge")
    assert hinge.sup is None and "unique" in hinge.note
    assert "-" in downstream.report(hinge)


@pytest.mark.parametrize("case", draw(2, seed=5), ids=str)
def test_all_commands_agree_on_rare_classes(case) -> None:  # type: ignore[no-untyped-def]
    record = examine(case)
    assert record["agree"] and not record["null"] and record["status"] == "proved"
    assert record["estimate_holds"]


HARD = [
    ("0.000795,0.193,0.571,0.236,4.16e-8,1.76e-9", 256, "1.735"),
    ("0.631,0.369,2.25e-8,1.49e-7,3.2e-7", 2, "0.491"),
    ("0.718,0.282,1.99e-5,7.64e-4,2.8e-6", 10**6, "2.1"),
]


@pytest.mark.parametrize(("rho", "k", "temperature"), HARD)
def test_the_estimate_covers_the_error_where_rounding_used_to_win(rho: str, k: int, temperature: str) -> None:
    """Against enclosures of the cosines to 1e-25 and better."""
    from experiments.certificates.rare_classes import Case

    case = Case(priors.parse(rho, normalize=True), k, Fraction(temperature), "balanced")
    found = compare(case)
    assert found["estimate_holds"]
    assert found["estimated"] < 1e-9


@pytest.mark.parametrize(("rho", "k"), [("zipf:1", 64), ("longtail:1000", math.inf)])
def test_the_estimate_by_draws_is_that_of_the_factorized_hessian(rho: str, k: float) -> None:
    """Two ways to the minimizer and two to its error, for a number of classes that both can do."""
    prior, loss = priors.parse(rho, 20), get_loss("logistic")
    exact = solve(Problem(prior, k))
    begin = minimum(loss, prior.as_array(), k, 20).best.embeddings
    U, errors = polish_and_probe(loss, prior.as_array(), k, 1.0, begin)
    assert errors is not None and exact.errors is not None
    assert np.all(np.abs(U @ U.T - exact.means) <= errors[:, None] + errors)
    assert exact.errors.max() / 20 < errors.max() < 20 * exact.errors.max()
    elsewhere = polish_and_probe(loss, prior.as_array(), k, 1.0, begin[::-1].copy())
    assert elsewhere[1] is None or np.allclose(elsewhere[0] @ elsewhere[0].T, exact.means, atol=1e-9)


def problem(prior: Prior, k: float, loss: str = "logistic") -> GroupedLoss:
    rho, counts = np.array([float(r) for r in prior.masses]), np.array(prior.counts, dtype=float)
    return GroupedLoss(rho, counts, loss, k, 1.0)


@pytest.mark.parametrize("rho", ["0.5,0.3,0.2", "groups:1x0.5,3x0.3,2x0.2", "0.6,0.39,0.007,0.002,0.001"])
@pytest.mark.parametrize("loss", ["logistic", "separable", "decoupled"])
def test_graded_derivatives_against_differences(rho: str, loss: str) -> None:
    """Gradient anywhere, Hessian at the stationary point, along the curves that move the columns from j on."""
    asked = problem(priors.parse(rho), 7, loss)
    start = minimize(asked).ends[0].start
    spread = np.sqrt(np.maximum(1 - np.sum(start.U**2, axis=1), 0.0)) * start.free
    rows = np.hstack([start.U, spread[:, None]])
    last = np.full(len(rows), start.U.shape[1] - 1)

    def system(rows: np.ndarray) -> _System:
        return _System(asked.derivatives, asked.totals, asked.counts > 1, rows, last, start.free)

    def value(rows: np.ndarray) -> float:
        B = rows[:, :-1] @ rows[:, :-1].T
        np.fill_diagonal(B, np.where(start.free, B.diagonal(), 1.0))
        return asked.derivatives(B).value

    def moved(rows: np.ndarray, tangents: np.ndarray, where: np.ndarray, x: np.ndarray) -> np.ndarray:
        step = np.zeros_like(rows)
        np.add.at(step, where, x[:, None] * tangents)
        turned = rows + step
        return turned / np.linalg.norm(turned, axis=1)[:, None]

    rng, h = np.random.default_rng(0), 1e-5
    away = moved(rows, at.tangents, at.where, 0.1 * rng.normal(size=at.size)) if (at := system(rows)) else rows
    local = system(away)
    np.testing.assert_allclose(
        local.tangents @ local.tangents.T * (local.where[:, None] == local.where), np.eye(local.size), atol=1e-12
    )
    for _ in range(3):
        x = rng.normal(size=local.size)
        slope = (
            value(moved(away, local.tangents, local.where, h * x))
            - value(moved(away, local.tangents, local.where, -h * x))
        ) / (2 * h)
        assert local.gradient @ x == pytest.approx(slope, rel=1e-6, abs=1e-9)
        hessian = at.scaled / at.scale[:, None] / at.scale
        ends = [value(moved(rows, at.tangents, at.where, t * x)) for t in (1e-3, -1e-3)]
        assert x @ hessian @ x == pytest.approx((sum(ends) - 2 * value(rows)) / 1e-6, rel=1e-3, abs=1e-7)


def test_a_rank_too_small_or_a_point_elsewhere_is_not_known() -> None:
    asked = problem(priors.parse("0.5,0.3,0.2"), 16)
    best = minimize(asked).ends[0]
    assert best.known and best.errors.max() < 1e-13
    line = best.start.U[:, :1]
    stuck = polish(asked.derivatives, asked.totals, asked.counts > 1, type(best.start)(np.sign(line), best.start.free))
    assert not stuck.known and stuck.violation > 1e-3
    far = polish(
        asked.derivatives,
        asked.totals,
        asked.counts > 1,
        type(best.start)(best.start.U[::-1].copy(), best.start.free),
        steps=0,
    )
    assert not np.isfinite(far.errors).any()


def test_the_minimizer_in_coordinates_is_a_stationary_point_in_sixty_masses() -> None:
    """Masses over thirty orders of magnitude: the residual of every pair, relative to what moves it."""
    prior = priors.parse("0.6,0.3,0.09,1e-12,3e-13,1e-13", normalize=True)
    found = solve(Problem(prior, 64))
    assert found.errors is not None and found.errors.max() < 1e-9
    local = derivatives("logistic", 64, 1.0, prior.as_array(), found.means)
    slack = local.slack(found.U) @ found.U
    assert np.abs(slack / prior.as_array()[:, None]).max() < 1e-14


SMOOTH = ["logistic", "exponential", "separable", "decoupled"]


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("beta", [0.5, 4.0])
def test_no_move_of_the_margins_leaves_the_estimated_interval(name: str, beta: float) -> None:
    """Well separated classes: the slopes of the decoupled loss sum to 1 there, far above the sum of its terms."""
    rng, loss = np.random.default_rng(1), get_loss(name)
    means = np.array([[1.0, 0.0], [-0.6, 0.8], [-0.3, -0.4]])
    at = GroupedHead(name, means, np.array([1.0, 1.0, 3.0]), np.array([0.5, 0.2, 0.3]), beta)
    exponents, moves = at.cosines() - 1, np.array([0.3, 0.1, 0.2])
    value = at.loss_of(exponents)
    found = _around(value, value, at, exponents, moves)
    for _ in range(20):
        moved = exponents + moves[:, None] * np.sign(rng.normal(size=(3, 3)))
        assert found.lower <= at.loss_of(moved) <= found.upper
    assert at.loss_of(exponents + moves[:, None]) - value > 0.1 * (found.upper - value)
    margins = np.concatenate([np.full((1, 4), -2 * beta), rng.uniform(-2 * beta, 2 * beta, size=(20, 4))])
    sums = -np.sum(loss.expansion(margins).slopes, axis=1)
    assert sums[0] == pytest.approx(slope_bound(loss, 5, beta), rel=1e-14) and sums.max() <= sums[0] * (1 + 1e-14)
