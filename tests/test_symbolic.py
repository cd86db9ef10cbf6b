"""The symbolic steps: all reduce, planted errors do not, and the statements agree with numbers found otherwise."""

from __future__ import annotations

import json
import math
from itertools import permutations

import mpmath
import numpy as np
import pytest
import sympy as sp

from theory.collapse_threshold import collapse_threshold
from theory.errors import InputError
from theory.float64 import jax, jnp
from theory.losses import get_loss
from theory.population import population_loss
from theory.symbolic import prove, steps
from theory.symbolic.step import Obligation, Step, equal, nonnegative, positive
from theory.symbolic.sums import linear
from verify import symbolic

STEPS = {step.name: step for step in steps()}


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_proved(name: str) -> None:
    proof = prove(STEPS[name])
    assert proof.status == "proved", proof.obligations


def test_steps_have_names_and_sources() -> None:
    assert len(STEPS) == len(steps())
    assert all(step.statement and step.source and step.obligations.__doc__ for step in steps())


def _step(*obligations: Obligation) -> Step:
    return Step("planted", "planted", "test", lambda: iter(obligations))


def test_planted_errors_are_not_proved() -> None:
    C = sp.Symbol("e", integer=True, nonnegative=True) + 2
    x, u = sp.symbols("x u", positive=True)
    t = sp.Symbol("t", positive=True)
    n, i = sp.symbols("n i", integer=True, positive=True)
    w = sp.IndexedBase("w", positive=True)
    wrong = [
        equal("closed form with a wrong sign", 1 + 1 / (C - 1), (C - 2) / (C - 1)),
        equal("margin with a wrong sign", 1 - (-1 / (C - 1)), 1 - 1 / (C - 1)),
        equal("Frullani without its weight", sp.integrate(sp.exp(-t * x), (t, 0, sp.oo)), 1 / (1 + x)),
        equal("mixed derivative with a wrong sign", sp.diff(sp.log(1 + sp.exp(-x) + sp.exp(-u)), x, u), sp.exp(-x - u)),
        equal("a mean that is not one", linear(sp.Sum(w[i] * (x - 1), (i, 1, n))), sp.Integer(0)),
        positive("a negative number", -x),
        positive("a sign that depends", x - u),
        nonnegative("the wrong Schur complement", -(x**2)),
        # equal to 12 digits, and no identity: numbers must not settle it
        equal("a near miss", sp.exp(sp.pi * sp.sqrt(163)), sp.Integer(640320**3 + 744)),
    ]
    assert [prove(_step(obligation)).status == "proved" for obligation in wrong] == [False] * len(wrong)
    assert prove(_step(wrong[0])).status == "refuted"
    assert prove(_step(equal("fine", x, x), wrong[6])).status == "undecided"
    assert prove(_step()).status == "undecided"


def test_no_sign_is_only_that_of_the_symbols() -> None:
    """A product of symbols that are declared positive is positive, whatever the step says: it would prove nothing."""
    for step in STEPS.values():
        for obligation in step.obligations():
            expression = obligation.expression
            declared = all(symbol.is_nonnegative for symbol in expression.free_symbols)
            assert obligation.relation == "zero" or expression.has(sp.Add) or not declared, (step.name, obligation.what)


def test_invariance_needs_equal_classes_and_the_bound_needs_all_of_its_terms() -> None:
    """The obligations that carry the content fail as soon as a hypothesis is dropped."""
    h = sp.Function("h")
    p, r, rest, g = sp.symbols("p r R g", positive=True)
    eps, room, z1, z2 = (
        sp.Symbol("eps", positive=True),
        sp.Symbol("d", nonnegative=True),
        *sp.symbols("z1 z2", real=True),
    )
    C, norm = sp.Symbol("e", integer=True, nonnegative=True) + 2, sp.Symbol("N", nonnegative=True)
    dropped = [
        equal("masses p and r", p * h(1) + r * h(g) + rest, p * h(g) + r * h(1) + rest),
        nonnegative("eps above the smallest eigenvalue", (eps - room) * (z1**2 + z2**2) - 2 * eps * z1 * z2),
        nonnegative("a longer sum than there is", (norm - C - 1) / (C * (C - 1)) + 1 / (C - 1)),
    ]
    assert not any(prove(_step(obligation)).status == "proved" for obligation in dropped)


def test_linear_sums_agree_with_written_out_sums() -> None:
    n, i, j = sp.symbols("n i j", integer=True, positive=True)
    a, z = sp.IndexedBase("a", positive=True), sp.IndexedBase("z", real=True)
    m = sp.Symbol("m", real=True)
    total = sp.Sum(a[i] * (z[i] - m) ** 2 + sp.Sum(a[j] * z[i], (j, 1, n)), (i, 1, n))
    difference = (linear(total) - total).subs(n, 3).doit()
    assert sp.expand(difference) == 0


@pytest.mark.parametrize("S", [0.01, 1.0, 37.0])
def test_frullani_in_numbers(S: float) -> None:
    value = mpmath.quad(lambda t: (1 - mpmath.exp(-t * S)) * mpmath.exp(-t) / t, [0, 1, 10, mpmath.inf])
    assert value == pytest.approx(math.log1p(S), rel=1e-10)
    decoupled = mpmath.quad(lambda t: (mpmath.exp(-t) - mpmath.exp(-t * S)) / t, [0, 1, 10, 100, mpmath.inf])
    assert decoupled == pytest.approx(math.log(S), rel=1e-8, abs=1e-10)


def test_log_sum_exp_hessian_is_a_variance_in_numbers() -> None:
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=6), rng.normal(size=6)
    hessian = np.asarray(jax.jit(jax.hessian(jax.nn.logsumexp))(jnp.asarray(y)))
    p = np.exp(y) / np.sum(np.exp(y))
    assert z @ hessian @ z == pytest.approx(p @ (z - p @ z) ** 2, rel=1e-12)
    margins = np.asarray(jax.jit(jax.hessian(lambda v: jnp.log1p(jnp.sum(jnp.exp(-v)))))(jnp.asarray(y)))
    assert np.all(margins[~np.eye(6, dtype=bool)] < 0)


@pytest.mark.parametrize("C", [2, 3, 5])
def test_averaging_over_permutations_by_enumeration(C: int) -> None:
    rng = np.random.default_rng(C)
    U = rng.normal(size=(C, C))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    G = U @ U.T
    mean = np.mean([G[np.ix_(p, p)] for p in permutations(range(C))], axis=0)
    expected = np.full((C, C), (G.sum() - C) / (C * (C - 1)))
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_allclose(mean, expected, atol=1e-13)


def test_the_loss_is_invariant_under_permutations_of_equal_classes_only() -> None:
    U = np.random.default_rng(0).normal(size=(3, 3))
    U /= np.linalg.norm(U, axis=1, keepdims=True)
    G, exchanged = U @ U.T, [1, 0, 2]
    for masses, same in ((np.array([0.3, 0.3, 0.4]), True), (np.array([0.2, 0.4, 0.4]), False)):
        first, second = (
            float(population_loss(get_loss("logistic"), jnp.asarray(H), jnp.asarray(masses), 3.0))
            for H in (G, G[np.ix_(exchanged, exchanged)])
        )
        assert (abs(first - second) < 1e-13) == same


@pytest.mark.parametrize(("p", "masses"), [(0.6, [0.2, 0.1, 0.1]), (0.9, [0.07, 0.03]), (0.3, [0.35, 0.35])])
def test_schur_complement_decides_the_slack(p: float, masses: list[float]) -> None:
    """The matrix of the dual slack, written out, is psd iff p a >= q b, for a and b on both sides."""
    r, q = np.array(masses), sum(masses)
    for a, b in ((1.0, 0.2), (0.2, 1.0)):
        A = np.zeros((len(r) + 1, len(r) + 1))
        A[0, 1:] = A[1:, 0] = p * r * a
        A[1:, 1:] = np.outer(r, r) * b
        np.fill_diagonal(A, 0.0)
        signs = np.array([1.0] + [-1.0] * len(r))
        S = A - np.diag(np.diag(A @ np.outer(signs, signs)))
        assert (np.linalg.eigvalsh(S)[0] >= -1e-14) == (p * a >= q * b)
        np.testing.assert_allclose(S @ signs, 0.0, atol=1e-14)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_collapse_thresholds_in_numbers(beta: float) -> None:
    y = math.exp(-2 * beta)
    assert collapse_threshold(1.0, beta) == pytest.approx((1 + 1 / y) / (3 + 1 / y), rel=1e-10)
    root = max(np.roots([2 * (1 - y), -(2 - 5 * y - y * y), -2 * y]))
    assert collapse_threshold(math.inf, beta) == pytest.approx(root, rel=1e-10)
    assert collapse_threshold(1e6, beta) == pytest.approx(root, abs=1e-4)


@pytest.mark.parametrize("C", [2, 4, 10])
def test_growth_of_bounds_in_numbers(C: int) -> None:
    """The coverage probability by inclusion-exclusion: alpha/eta^k tends to 1, so alpha/(eta^k/k) grows like k."""
    eta, k = 1 + 1 / (C - 1), 400
    cover = sum((-1) ** m * mpmath.binomial(C, m) * (1 - mpmath.mpf(m) / C) ** (k + 1) for m in range(C + 1))
    alpha = 1 / ((1 - mpmath.mpf(1) / C) ** k * cover)
    assert float(alpha / mpmath.mpf(eta) ** k) == pytest.approx(1, abs=1e-10)
    assert float(alpha / (mpmath.mpf(eta) ** k / k)) == pytest.approx(k, rel=1e-10)


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        symbolic.main(["--json", "--step", "lifting-inequality", "--step", "jensen"])
    printed = json.loads(capsys.readouterr().out)
    assert stop.value.code == 0
    assert [step["status"] for step in printed["steps"]] == ["proved", "proved"]
    assert printed["status"] == "proved"
    assert {"claim", "problem", "seconds", "versions"} <= set(printed)


def test_a_failing_step_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = _step(equal("one is two", sp.Integer(1), sp.Integer(2)))
    monkeypatch.setattr("theory.symbolic.steps", lambda: (planted,))
    result = symbolic.run()
    assert result.status.value == "refuted"
    assert "not reduced: one is two" in symbolic.report(result)


def test_unknown_steps_are_refused() -> None:
    with pytest.raises(InputError, match="frullani"):
        symbolic.run(["no-such-step"])
