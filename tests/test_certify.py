"""The producer: enclosures against enumeration, derivatives against differences, proofs against another route."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from flint import ctx
from hypothesis import given
from hypothesis import strategies as st

from experiments.certificates import random_priors, reference
from theory.errors import InputError
from theory.losses import SmoothedHinge
from theory.priors import Prior, from_masses, parse, uniform
from theory.problem import Problem
from verify.certify import prove_etf, prove_optimum, rows
from verify.certify.balls import ball, bounds
from verify.certify.definite import is_positive_definite
from verify.certify.document import down, text, up, write
from verify.certify.enclosure import Point, enclose
from verify.certify.gram_radius import gram_radius
from verify.certify.losses import LOSSES
from verify.certify.optimum import OptimumProof, _units
from verify.certify.solution import prove
from verify.checker import check, dual, intervals
from verify.checker import losses as checked
from verify.optimize import newton, solution
from verify.optimize.newton import NewtonStep, derivatives

DATA = Path(__file__).parent / "data" / "certificates"
ONES = np.ones((4, 2))
ROWS = [[40, 3], [-31, 25], [-19, -36]]
RHO = tuple(Fraction(n, 10) for n in (5, 3, 2))


def exact_gram(rows: list[list[int]]) -> list[list[Any]]:
    mp = reference.mp
    unit = [[x / mp.sqrt(sum(y * y for y in row)) for x in row] for row in rows]
    return [[mp.fdot(v, w) for w in unit] for v in unit]


def holds(value: Any, interval: tuple[Fraction, Fraction]) -> bool:
    slack = reference.mp.mpf(10) ** -60
    return bool(reference.number(interval[0]) - slack <= value <= reference.number(interval[1]) + slack)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("k", "beta"), [(1, Fraction(1)), (4, Fraction(5)), (9, Fraction(1, 3))])
def test_enclosures_contain_the_enumerated_loss_and_gradient(loss: str, k: int, beta: Fraction) -> None:
    value, gradient = reference.population_loss(loss, RHO, k, beta, exact_gram(ROWS))
    local = enclose(Problem(from_masses(RHO), k, loss=loss, temperature=1 / beta), Point(ROWS), 120)
    assert holds(value, bounds(local.loss))
    assert float(local.loss.rad()) < 1e-33
    for c in range(3):
        for j in range(3):
            expected = (gradient[c][j] + gradient[j][c]) / 2 if c != j else reference.mp.mpf(0)
            assert holds(expected, bounds(local.gradient[c][j]))
            assert float(local.gradient[c][j].rad()) < 1e-32


def test_enclosures_at_large_k_against_another_quadrature() -> None:
    """k = 10^5: mpmath's double-exponential rule on the integral in t."""
    k, beta = 10**5, Fraction(2)
    local = enclose(Problem(from_masses(RHO), k, temperature=1 / beta), Point(ROWS), 80)
    mp = reference.mp
    gram, total = exact_gram(ROWS), mp.mpf(0)
    for c, row in enumerate(gram):
        X = [mp.exp(2 * (g - row[c])) for g in row]

        def integrand(t: Any, X: list[Any] = X) -> Any:
            below = -mp.fsum(reference.number(r) * mp.expm1(-t * x) for r, x in zip(RHO, X, strict=True))
            return -mp.expm1(k * mp.log1p(-below)) * mp.exp(-t) / t

        with mp.workdps(30):
            total += reference.number(RHO[c]) * mp.quad(integrand, [0, *(mp.mpf(10) ** n for n in range(-7, 3))])
    low, high = bounds(local.loss)
    assert abs(total - reference.number((low + high) / 2)) < 1e-20
    assert high - low < Fraction(1, 10**20)


@pytest.mark.parametrize("loss", LOSSES)
def test_float_derivatives_against_differences_of_balls(loss: str) -> None:
    """d^2 L / dG_cj dG_cl by central differences of the first derivatives, and those against the balls."""
    rho = np.array([float(r) for r in RHO])
    gram = np.array([[float(g) for g in row] for row in exact_gram(ROWS)])
    local = derivatives(loss, 6, 1.5, rho, gram)
    balls = enclose(Problem(from_masses(RHO), 6, loss=loss, temperature=Fraction(2, 3)), Point(ROWS), 80).gradient
    np.testing.assert_allclose(local.gradient, [[float(a) for a in row] for row in balls], rtol=1e-13, atol=1e-300)
    step = 1e-5
    for c in range(3):
        for ell in range(3):
            if c == ell:
                continue
            moved = [gram.copy(), gram.copy()]
            for sign, G in zip((1, -1), moved, strict=True):
                G[c, ell] += sign * step  # row c alone: the anchor's entries are independent variables here
            plus, minus = (derivatives(loss, 6, 1.5, rho, G) for G in moved)
            # Only row c of the unsymmetrized gradient changes, so the symmetrized one changes by half of it.
            slope = (plus.gradient[c] - minus.gradient[c]) / (2 * step) * 2
            off = [j for j in range(3) if j != c]
            np.testing.assert_allclose(local.hessian[c, off, ell], slope[off], rtol=1e-8, atol=1e-12)


def test_newton_steps_converge_quadratically() -> None:
    rho = np.array([0.4, 0.3, 0.2, 0.1])
    U = np.random.default_rng(3).normal(size=(4, 3)) * 0.05 + np.array(
        [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]
    )
    sizes = []
    for _ in range(7):
        U /= np.linalg.norm(U, axis=1)[:, None]
        local = derivatives("logistic", 8, 1.0, rho, U @ U.T)
        slack = local.gradient - np.diag(np.sum(local.gradient * (U @ U.T), axis=1))
        move = NewtonStep(U, rho, local).step(slack @ U)
        assert np.abs(np.sum(move * U, axis=1)).max() < 1e-14
        sizes.append(float(np.abs(move).max()))
        U = U + move
    ratios = [b / a**2 for a, b in pairwise(sizes) if b > 1e-13]
    assert sizes[-1] < 1e-14
    assert max(ratios) < 20


@pytest.mark.parametrize(
    ("C", "r", "loss"), [(4, 3, "logistic"), (5, 2, "separable"), (4, 4, "decoupled"), (3, 2, "exponential")]
)
def test_hessian_products_are_differences_of_the_gradient(
    C: int, r: int, loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along the retraction, `2 S U` changes by the product, but for the term on rotations, which sees only those;
    with the Hessian as an array, and by the formulas of the rows."""
    monkeypatch.setattr(newton, "DENSE", 0)  # the Hessian need not be definite at a random point
    rng = np.random.default_rng(C)
    rho = rng.dirichlet(np.ones(C))
    U = rng.normal(size=(C, r))
    U /= np.linalg.norm(U, axis=1)[:, None]

    def gradient(V: np.ndarray, t: float) -> np.ndarray:
        W = (U + t * V) / np.linalg.norm(U + t * V, axis=1)[:, None]
        A = derivatives(loss, 5, 1.3, rho, W @ W.T, hessian=False).gradient
        return 2 * (A - np.diag(np.sum(A * (W @ W.T), axis=1))) @ W

    for hessian in (True, False):
        step = NewtonStep(U, rho, derivatives(loss, 5, 1.3, rho, U @ U.T, hessian=hessian))
        V = step.projected(rng.normal(size=(C, r)))
        np.testing.assert_allclose(np.sum(V * U, axis=1), 0, atol=1e-14)
        turn = U.T @ (rho[:, None] * V)
        slope = (gradient(V, 1e-5) - gradient(V, -1e-5)) / 2e-5 + 2 * rho[:, None] * (U @ (turn - turn.T))
        found = step.product(V)
        np.testing.assert_allclose(step.projected(found), step.projected(slope), rtol=1e-6, atol=1e-7)
        if hessian:
            np.testing.assert_allclose(step.product(np.stack([V, -2 * V]))[1], -2 * found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("counts", [(1, 1, 1, 1), (3, 1, 2, 5)])
def test_conjugate_gradients_agree_with_the_factorization(
    counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = np.array(counts, dtype=float)
    totals, free = np.array([0.4, 0.3, 0.2, 0.1]), sizes > 2
    U = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]) / np.sqrt(3)
    U[free] *= 0.9

    def step(scale: float, hessian: bool) -> np.ndarray:
        local = derivatives("logistic", 8, 1.0, totals / sizes, U @ U.T, sizes, hessian=hessian)
        return NewtonStep(U, totals, local, free).step(scale * local.slack(U, free) @ U) / scale

    dense = step(1.0, True)
    monkeypatch.setattr(newton, "DENSE", 0)
    for hessian in (True, False):
        np.testing.assert_allclose(step(1e-250, hessian), dense, rtol=1e-6, atol=1e-9)


def test_definiteness() -> None:
    with ctx.workprec(100):
        ones = [[ball(Fraction(1)) for _ in range(3)] for _ in range(3)]
        assert not is_positive_definite(ones)
        for c in range(3):
            ones[c][c] = ball(1 + Fraction(1, 10**9))
        assert is_positive_definite(ones)
        ones[2][2] = ball(1 - Fraction(1, 10**9))
        assert not is_positive_definite(ones)


PROBLEMS = [
    ("logistic", "0.5,0.3,0.2", 4, Fraction(1)),
    ("logistic", "0.5,0.3,0.2", 2, Fraction(1, 5)),
    ("logistic", "0.93,0.04,0.03", 2, Fraction(1)),
    ("logistic", "0.9998,0.0001,0.0001", 5, Fraction(3)),
    ("logistic", "0.7,0.3", 9, Fraction(1, 2)),
    ("logistic", "uniform", 6, Fraction(1)),
    ("exponential", "0.6,0.3,0.1", 3, Fraction(1)),
    ("separable", "0.6,0.3,0.1", 3, Fraction(5)),
    ("decoupled", "0.4,0.35,0.25", 3, Fraction(1)),
]


def solve(prior: Prior, k: int, loss: str, temperature: Fraction, width: Fraction) -> Any:
    """A proof from rough embeddings: the 60-digit minimizer's, spoilt in the eighth digit."""
    G = reference.minimum(loss, prior.rho, k, 1 / temperature).gram
    eigenvalues, vectors = np.linalg.eigh(np.array([[float(g) for g in row] for row in G]))
    U = vectors * np.sqrt(np.maximum(eigenvalues, 0))
    U = U + 1e-9 * np.random.default_rng(1).normal(size=U.shape)
    return prove_optimum(Problem(prior, k, loss=loss, temperature=temperature), U, width=width)


@pytest.mark.parametrize(("loss", "rho", "k", "temperature"), PROBLEMS)
def test_proofs_contain_the_minimum_found_by_another_route(loss: str, rho: str, k: int, temperature: Fraction) -> None:
    prior, width = parse(rho, 3 if rho == "uniform" else None), Fraction(1, 10**30)
    proof = solve(prior, k, loss, temperature, width)
    assert proof.status == "proved", proof.reason
    minimum = reference.minimum(loss, prior.rho, k, 1 / temperature)
    assert reference.number(proof.lower) < minimum.loss < reference.number(proof.upper)
    assert 0 < proof.upper - proof.lower <= width
    if loss == "decoupled":
        assert proof.gram_radius is None
    else:
        errors = [
            abs(g - reference.number(h))
            for r, s in zip(minimum.gram, proof.gram, strict=True)
            for g, h in zip(r, s, strict=True)
        ]
        assert max(errors) <= reference.number(proof.gram_radius)
        assert proof.gram_radius < Fraction(1, 10**9)
    verdict = check(proof.certificate())
    assert verdict.verdict == "accepted", verdict.reason


@pytest.mark.parametrize("seed", range(8))
def test_random_proofs_contain_the_reference(seed: int) -> None:
    """Random priors down to 1e-4, temperatures 1/5 to 5, few negatives: 60 digits by enumeration."""
    rng = Random(seed)
    case = random_priors.draw(rng)
    while case.prior.C > 3:
        case = random_priors.draw(rng)
    k, loss = rng.randrange(1, 7), rng.choice(["logistic", "logistic", "exponential", "separable", "decoupled"])
    proof = solve(case.prior, k, loss, case.temperature, Fraction(1, 10**25))
    assert proof.status == "proved", proof.reason
    exact = reference.minimum(loss, case.prior.rho, k, 1 / case.temperature).loss
    assert reference.number(proof.lower) < exact < reference.number(proof.upper)
    assert check(proof.certificate()).verdict == "accepted"


def test_the_width_is_a_choice() -> None:
    proofs = [solve(parse("0.5,0.3,0.2"), 3, "logistic", Fraction(1), Fraction(1, 10**n)) for n in (8, 20, 60)]
    for wide, narrow in pairwise(proofs):
        assert wide.lower < narrow.lower < narrow.upper < wide.upper
        assert narrow.upper - narrow.lower < (wide.upper - wide.lower) / 10**10
        assert narrow.gram_radius < wide.gram_radius / 10**5


def test_collapsed_optima_are_integers() -> None:
    proof = solve(parse("0.93,0.04,0.03"), 2, "logistic", Fraction(1), Fraction(1, 10**40))
    assert proof.point.rows in ([[1], [-1], [-1]], [[-1], [1], [1]])


@pytest.mark.parametrize(
    ("C", "k", "loss", "temperature"),
    [
        (10, 64, "logistic", 1),
        (7, 40, "decoupled", 2),
        (4, 9, "hinge", 3),
        (5, 6, "separable", 1),
        (5, 6, "exponential", 1),
    ],
)
def test_etf_proofs_contain_the_binomial_sum(C: int, k: int, loss: str, temperature: int) -> None:
    proof = prove_etf(Problem(uniform(C), k, loss=loss, temperature=temperature), width=Fraction(1, 10**40))
    assert proof.status == "proved"
    assert proof.upper - proof.lower <= Fraction(1, 10**40)
    exact = reference.etf_minimum(loss, C, k, Fraction(1, temperature))
    assert reference.number(proof.lower) < exact < reference.number(proof.upper)
    assert check(proof.certificate()).verdict == "accepted"


def proven_again(statement: dict[str, Any], witness: dict[str, Any]) -> OptimumProof:
    """The problem of a certificate, proven from floats near its witness, or from nothing for groups of classes."""
    k, temperature = statement["k"], Fraction(statement["temperature"])
    loss = ":".join(statement[name] for name in ("loss", "q") if name in statement)
    if "counts" in statement:
        prior = Prior(tuple(Fraction(r) for r in statement["rho"]), tuple(statement["counts"]))
        problem = Problem(prior, k, statement["d"], loss, temperature)
        proof = prove(problem, solution.solve(problem))
        assert proof is not None
        return proof
    rows = [[Fraction(x) for x in row] for row in witness["embeddings"]]
    U = np.array([[float(x / max(abs(y) for y in row)) for x in row] for row in rows])
    prior, width = from_masses(statement["rho"]), Fraction(1, 10**14)
    return prove_optimum(Problem(prior, k, loss=loss, temperature=temperature), U, width=width)


def test_certificates_are_the_same_byte_for_byte(tmp_path: Path) -> None:
    for path in sorted(DATA.glob("optimum-*.json")):
        document = json.loads(path.read_text())
        written = []
        for name in ("one", "two"):
            write(proven_again(document["statement"], document["witness"]).certificate(), tmp_path / name)
            written.append((tmp_path / name).read_bytes())
        assert written[0] == written[1]
        assert {"one", "two"} == {entry.name for entry in tmp_path.iterdir()}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "certificate.json"
    write({"a": 1}, path)
    with pytest.raises(TypeError):
        write({"a": object()}, path)
    assert path.read_text() == text({"a": 1})
    assert [path] == list(tmp_path.iterdir())


@given(x=st.floats(-4, 4), places=st.integers(0, 5000))
def test_units_are_rounded_exactly(x: float, places: int) -> None:
    assert _units(x, places) == round(Fraction(x) * 2**places)


def test_what_is_not_proven_is_undecided() -> None:
    prior = parse("0.5,0.3,0.2")
    U = np.array([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])
    hinge = prove_optimum(Problem(prior, 3, loss="hinge"), U)
    assert (hinge.status, hinge.lower, hinge.gram) == ("undecided", None, None)
    with pytest.raises(ValueError, match="nothing was proven"):
        hinge.certificate()
    # A stationary point that is not the minimum: all classes in one place.
    trapped = prove_optimum(Problem(prior, 3), np.ones((3, 1)))
    assert (trapped.status, trapped.upper) == ("undecided", None)
    assert prove_etf(Problem(uniform(3), 2, loss=SmoothedHinge())).status == "undecided"
    with pytest.raises(InputError, match="not uniform"):
        prove_etf(Problem(prior, 2))


def test_what_does_not_fit_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_TERMS", 100)
    U = np.array([[1.0, 0.0], [-0.5, 0.8], [-0.5, -0.8]])
    proof = prove_optimum(Problem(parse("0.5,0.3,0.2"), 3), U)
    assert proof.status == "undecided"
    assert "distinct cosines" in proof.reason


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("k", {"k": 0}),
        ("k", {"k": 2.5}),
        ("d", {"d": 2}),
        ("width", {"width": Fraction(0)}),
        ("embeddings", {"embeddings": np.zeros((4, 2))}),
    ],
)
def test_bad_input_is_named(option: str, arguments: dict[str, Any]) -> None:
    def prove(k: float = 3, d: int = 3, embeddings: Any = ONES, **width: Fraction) -> OptimumProof:
        return prove_optimum(Problem(parse("0.4,0.3,0.2,0.1"), k, d), embeddings, **width)

    with pytest.raises(InputError) as caught:
        prove(**arguments)
    assert caught.value.option == option


def test_directed_rounding() -> None:
    for q in (Fraction(1, 3), Fraction(-1, 3), Fraction(5, 10**4)):
        assert down(q, 4) <= q <= up(q, 4)
        assert up(q, 4) - down(q, 4) <= Fraction(1, 10**4)


@pytest.mark.parametrize("loss", ["logistic", "exponential", "separable"])
@pytest.mark.parametrize(("k", "beta"), [(1, Fraction(1)), (4, Fraction(2)), (2, Fraction(1, 3))])
def test_strong_convexity_with_the_constants_of_the_radius(loss: str, k: int, beta: Fraction) -> None:
    """`L(G) >= L(H) + <A, G - H> + sum m_cj delta_cj^2 / 2` for random Gram matrices G, H; m as in `gram_radius`."""
    mp, rng = reference.mp, np.random.default_rng(k)
    b, q = reference.number(beta), mp.exp(-2 * reference.number(beta))
    w = {"logistic": q / (k + q) ** 2, "exponential": q, "separable": q / (1 + q) ** 2}[loss]
    for _ in range(6):
        G, H = (exact_gram(rng.integers(-50, 51, size=(3, 3)).tolist()) for _ in range(2))
        at_G, _ = reference.population_loss(loss, RHO, k, beta, G)
        at_H, gradient = reference.population_loss(loss, RHO, k, beta, H)
        excess = at_G - at_H
        for c in range(3):
            for j in range(3):
                delta = G[c][j] - H[c][j]
                m = b**2 * k * reference.number(RHO[c] * RHO[j]) * w if c != j else 0
                excess -= (gradient[c][j] if c != j else 0) * delta + m * delta**2 / 2
        assert excess >= -(mp.mpf(10) ** -60)
    # The constant enters as eps = m delta^2, at the two rarest classes.
    radius = gram_radius(Problem(from_masses(RHO), k, loss=loss, temperature=1 / beta), Fraction(1, 10**20))
    smallest = b**2 * k * reference.number(RHO[1] * RHO[2]) * w
    assert abs(reference.number(radius) ** 2 * smallest * 10**20 - 1) < 1e-8


@pytest.mark.parametrize(("C", "k", "loss"), [(6, 10**5, "logistic"), (5, 300, "decoupled"), (4, 7, "separable")])
def test_producer_and_checker_enclose_the_same_loss(C: int, k: int, loss: str) -> None:
    """Two implementations of the quadrature and of interval arithmetic, in general position."""
    prior = parse("zipf:1", C)
    rows = np.random.default_rng(C).integers(-99, 100, size=(C, C)).tolist()
    ours = enclose(Problem(prior, k, loss=loss, temperature=Fraction(2, 3)), Point(rows), 80)
    shift = Fraction(100)  # so large that the slack is definite anywhere
    means = dual.Means(rows, [sum(x * x for x in row) for row in rows], [False] * C)
    theirs = dual.enclose_optimum(
        dual.Problem(checked.LOSSES[loss], k, Fraction(3, 2), list(prior.rho), [1] * C), means, shift, 80
    )
    low, high = bounds(ours.loss)
    their_low, their_high = intervals.low(theirs.loss), intervals.high(theirs.loss)
    assert max(low, their_low) <= min(high, their_high)
    assert max(high, their_high) - min(low, their_low) < Fraction(1, 10**18)


def test_no_embedding_is_below_a_proven_lower_bound() -> None:
    prior = parse("0.5,0.3,0.2")
    proof = solve(prior, 4, "logistic", Fraction(1), Fraction(1, 10**20))
    rng = np.random.default_rng(0)
    for _ in range(20):
        gram = exact_gram(rng.integers(-50, 51, size=(3, 3)).tolist())
        assert reference.population_loss("logistic", prior.rho, 4, Fraction(1), gram)[0] >= reference.number(
            proof.lower
        )
